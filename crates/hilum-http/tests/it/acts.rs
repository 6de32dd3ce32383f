use crate::house::House;
use crate::object::Object;
use axum::http::{StatusCode, header};
use hilum_store::records::DeliveryOutcome;
use hilum_types::Presence;
use serde_json::json;

#[tokio::test]
async fn suspend_and_resume_are_named_and_audited() {
    let house = House::new().await;
    house.deploy(&[("chest", "active")]).await;
    let act = |reason: &str, by: &str| json!({ "reason": reason, "by": by });
    for bad in [act("", "A. Person"), act("why", " "), json!({ "reason": "why" }), act(&"x".repeat(501), "A")] {
        let (status, body) = house.post_json("/api/v1/deployments/chest/suspend", bad).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &"invalid-body".into()));
    }
    let (status, body) = house.post_json("/api/v1/deployments/chest/suspend", act("false alarms", "A. Person")).await;
    assert_eq!(
        (status, &body["state"], &body["suspension"]["by"]),
        (StatusCode::OK, &"suspended".into(), &"unproven:A. Person".into())
    );
    assert!(house.page("/").await.contains("chest is suspended: false alarms"));
    assert!(house.page("/deployments").await.contains("Suspended by A. Person (not signed in): false alarms"));
    let (status, body) = house.post_json("/api/v1/deployments/chest/resume", act("fixed", "B. Person")).await;
    assert_eq!((status, &body["state"]), (StatusCode::OK, &"active".into()));
    let (status, body) = house.post_json("/api/v1/deployments/chest/resume", act("again", "B. Person")).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &"conflict".into()));
    let (status, _) = house.post_json("/api/v1/deployments/none/suspend", act("why", "A")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let audit = house.json("/api/v1/audit?limit=1000").await;
    let actors: Vec<&str> = audit["items"].as_array().unwrap().iter().map(|e| e["actor"].as_str().unwrap()).collect();
    assert!(actors.contains(&"unproven:A. Person") && actors.contains(&"unproven:B. Person"), "{actors:?}");
    assert_eq!(house.json("/api/v1/audit/verify").await["intact"], true);
}

#[tokio::test]
async fn a_dead_delivery_is_seen_and_tried_again() {
    let house = House::new().await;
    house.deploy(&[("chest", "active")]).await;
    house.stow(&[Object::new(1, 1)]).await;
    house.complete().await;
    let key = house.evaluate(&[("chest", None)]).await;
    house.infer(Presence::Absent).await;
    house.deliver(DeliveryOutcome::Dead { error: "refused with status A900".into() }).await;
    assert!(house.page("/").await.contains("1 delivery was given up"));
    let page = house.page(&format!("/studies/{key}")).await;
    assert!(page.contains("refused with status A900") && page.contains("Send again"));
    assert!(page.contains("No finding"));
    let dead = house.json("/api/v1/deliveries?state=dead").await;
    let id = dead["items"][0]["id"].as_str().unwrap().to_owned();
    let response = house.post_form(&format!("/deliveries/{id}/retry"), &format!("by=A&back=/studies/{key}")).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::LOCATION], format!("/studies/{key}"));
    assert_eq!(house.json("/api/v1/deliveries?state=dead").await["items"].as_array().unwrap().len(), 0);
    let (status, _) = house.post_json(&format!("/api/v1/deliveries/{id}/retry"), json!({ "by": "A" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "it is queued already");
    let (status, body) =
        house.post_json("/api/v1/deliveries/0000000000000000000000000x/retry", json!({ "by": "A" })).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &"delivery-not-found".into()));
    let alarm = house.json("/api/v1/alarms?open=true").await["items"][0]["key"].as_str().unwrap().to_owned();
    let (status, _) = house.post_json(&format!("/api/v1/alarms/{alarm}/acknowledge"), json!({ "by": "A" })).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn search_never_puts_the_accession_number_into_an_address() {
    let house = House::new().await;
    house.stow(&[Object::new(1, 1)]).await;
    let response = house.post_form("/find", "accession=A00001").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let target = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
    assert!(target.starts_with("/studies/") && !target.contains("A00001"));
    assert_eq!(house.get("/studies/1.2.826.0.1.1").await.0, StatusCode::NOT_FOUND, "pages take keys only");
    let mut twin = Object::new(2, 1);
    twin.accession = "A00001".into();
    house.stow(&[twin]).await;
    assert_eq!(house.post_form("/find", "accession=A00001").await.status(), StatusCode::OK);
    assert_eq!(house.post_form("/find", "accession=none").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn ready_says_why_not() {
    let house = House::new().await;
    assert_eq!(house.json("/api/v1/health/ready").await["status"], "ready");
    assert_eq!(house.json("/api/v1/health/live").await["status"], "live");
    house.state.readiness.block("dimse", "the listener is starting");
    let (status, body) = house.get("/api/v1/health/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(String::from_utf8_lossy(&body).contains("dimse: the listener is starting"));
    house.state.readiness.clear("dimse");
    assert_eq!(house.get("/api/v1/health/ready").await.0, StatusCode::OK);
}
