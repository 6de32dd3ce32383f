//! Alarms, timeline and root cause, over the interface and on the page of a deployment.

use crate::house::House;
use crate::story::{self, NAME};
use axum::http::{StatusCode, header};
use serde_json::json;

/// MV-31, UX-13: one alarm for an incident, with owner, due time and next step; closed with a cause of the list only.
#[tokio::test]
async fn alarms_are_owned_and_end_with_a_cause() {
    let house = House::new().await;
    story::weeks(&house, 4, 2).await;
    let listed = house.json(&format!("/api/v1/deployments/{NAME}/alarms?open=true")).await;
    let alarms = listed["items"].as_array().unwrap();
    assert_eq!(alarms.len(), 2, "three signals of two cuts: {listed}");
    // Both were raised in the same moment, so either may be first.
    let of = |severity: &str| alarms.iter().find(|alarm| alarm["severity"] == severity).unwrap();
    let (stop, drift) = (of("stop"), of("review"));
    assert_eq!(
        (&stop["severity"], &stop["owner"], &stop["rules"]),
        (&json!("stop"), &json!("Physics"), &json!(["sensitivity-floor"]))
    );
    assert_eq!(
        (&drift["severity"], &drift["n_raised"], &drift["cut"]),
        (&json!("review"), &json!(2), &json!("station=CT3"))
    );
    assert_eq!((&drift["signal"]["rule"], &drift["signal"]["n"]), (&json!("nodule-rate"), &json!(85)));
    assert!(drift["next_step"].as_str().unwrap().ends_with('.') && drift["due_at"].is_string());
    let key = drift["key"].as_str().unwrap();
    let detail = house.json(&format!("/api/v1/alarms/{key}")).await;
    assert_eq!(detail["notifications"][0]["state"], "queued");
    let address = detail["root_cause"].as_str().unwrap();
    assert!(address.starts_with(&format!("/api/v1/deployments/{NAME}/root-cause?since=")), "{address}");
    let (status, body) =
        house.post_json(&format!("/api/v1/alarms/{key}/assign"), json!({ "owner": "Dr Lead", "by": "A" })).await;
    assert_eq!((status, &body["owner"]), (StatusCode::OK, &json!("Dr Lead")));
    let close = format!("/api/v1/alarms/{key}/close");
    for bad in [json!({ "cause": "weather", "by": "A" }), json!({ "cause": "planned", "by": "" }), json!({ "by": "A" })]
    {
        let (status, body) = house.post_json(&close, bad).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &json!("invalid-body")), "{body}");
    }
    let (status, body) = house.post_json(&close, json!({ "cause": "acquisition_change", "by": "A" })).await;
    assert_eq!(
        (status, &body["closing"]["cause"], &body["closing"]["by"]),
        (StatusCode::OK, &json!("acquisition_change"), &json!("unproven:A"))
    );
    let (status, body) = house.post_json(&close, json!({ "cause": "acquisition_change", "by": "A" })).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("alarm-not-found")));
    let (status, _) = house.post_json("/api/v1/alarms/x/close", json!({ "cause": "planned", "by": "A" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(house.get("/api/v1/deployments/none/alarms").await.0, StatusCode::NOT_FOUND);
    let unclosed = house.json("/api/v1/alarms?unclosed=true").await;
    assert_eq!(unclosed["items"].as_array().unwrap().len(), 1);
}

/// MV-22: begin and cause are found from what was observed alone.
#[tokio::test]
async fn the_root_cause_is_named_with_studies() {
    let house = House::new().await;
    let changed = story::weeks(&house, 12, 10).await;
    let found = house.json(&format!("/api/v1/deployments/{NAME}/root-cause?quantity=score:nodule")).await;
    let cause = &found["causes"][0];
    assert_eq!(
        (&cause["attribute"], &cause["name"], &cause["together_with"]),
        (&json!("software"), &json!("v9"), &json!(["station=CT3"]))
    );
    assert!(found["change_point"]["p"].as_f64().unwrap() <= 0.05, "{found}");
    assert!(cause["share_after"]["n"].as_u64().unwrap() >= 20 && cause["explained"]["lower"].is_number(), "{cause}");
    let since =
        house.json(&format!("/api/v1/deployments/{NAME}/root-cause?since={changed}&quantity=score:nodule")).await;
    assert_eq!((&since["causes"][0]["name"], &since["quantity"]), (&json!("v9"), &json!("score:nodule")));
    let typical = since["typical_after"][0].as_str().unwrap();
    assert_eq!(house.get(&format!("/studies/{typical}")).await.0, StatusCode::OK);
    for (query, status) in [
        ("quantity=shape", StatusCode::BAD_REQUEST),
        ("since=yesterday", StatusCode::BAD_REQUEST),
        ("from=2026-11-23&until=2026-11-01", StatusCode::BAD_REQUEST),
        ("until=2020-01-01", StatusCode::CONFLICT),
    ] {
        assert_eq!(house.get(&format!("/api/v1/deployments/{NAME}/root-cause?{query}")).await.0, status, "{query}");
    }
}

#[tokio::test]
async fn the_timeline_tells_the_story_with_figures() {
    let house = House::new().await;
    story::weeks(&house, 12, 6).await;
    let line = house.json(&format!("/api/v1/deployments/{NAME}/timeline")).await;
    let kinds: Vec<&str> =
        line["marks"].as_array().unwrap().iter().map(|mark| mark["kind"].as_str().unwrap()).collect();
    for kind in ["version", "alarm", "suspended", "resumed"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    let weeks = line["weeks"].as_array().unwrap();
    let n: u64 = weeks.iter().map(|week| week["n_studies"].as_u64().unwrap()).sum();
    assert_eq!(n, 72);
    for figure in weeks.iter().flat_map(|week| week["figures"].as_array().unwrap()) {
        for key in ["value", "lower", "upper", "n", "method", "label_classes", "as_of"] {
            assert!(!figure[key].is_null(), "a rate without {key}: {figure}");
        }
    }
    let withheld = weeks.iter().flat_map(|week| week["figures"].as_array().unwrap()).any(|f| f["name"] == "withheld");
    assert!(withheld, "{weeks:?}");
    let day = house.now().day();
    let today = house.json(&format!("/api/v1/deployments/{NAME}/timeline?from={day}&until={day}")).await;
    assert_eq!(today["weeks"].as_array().unwrap().len(), 1);
    assert_eq!(house.get(&format!("/api/v1/deployments/{NAME}/timeline?from=x")).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(house.get("/api/v1/deployments/none/timeline").await.0, StatusCode::NOT_FOUND);
}

/// The page: chart with text alternative, alarms with next step, and a stop in one form.
#[tokio::test]
async fn the_page_of_a_deployment_shows_and_stops() {
    let house = House::new().await;
    let changed = story::weeks(&house, 12, 10).await;
    let page = house.page(&format!("/deployments/{NAME}")).await;
    for part in [
        "<svg class=\"chart\"",
        "not in use",
        "aria-labelledby=\"timeline-said\"",
        "Figures per week",
        "Root cause",
        "budget 5",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("chest-xr is active, 2 alarms wait for an answer"), "{page}");
    let why = house.page(&format!("/deployments/{NAME}?since={changed}")).await;
    assert!(why.contains("Software=v9, station=CT3"), "{why}");
    assert!(house.page(&format!("/deployments/{NAME}?since=found")).await.contains("What explains a change"));
    let form = format!("reason=ppv+fell&by=A&back=/deployments/{NAME}");
    let response = house.post_form(&format!("/deployments/{NAME}/suspend"), &form).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::LOCATION], format!("/deployments/{NAME}"));
    assert!(house.page(&format!("/deployments/{NAME}")).await.contains("Stopped by A (not signed in) on"));
    let alarms = house.json("/api/v1/alarms?open=true").await;
    let key = alarms["items"][0]["key"].as_str().unwrap().to_owned();
    let form = format!("cause=planned&comment=&by=A&back=/deployments/{NAME}");
    let response = house.post_form(&format!("/alarms/{key}/close"), &form).await;
    assert_eq!(response.headers()[header::LOCATION], format!("/deployments/{NAME}"));
    assert!(house.page(&format!("/deployments/{NAME}")).await.contains("1 alarm waits for an answer"));
    let empty = House::new().await;
    empty.deploy(&[("new", "shadow")]).await;
    assert!(empty.page("/deployments/new").await.contains("Silence is not health"));
}
