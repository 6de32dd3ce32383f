//! Figures and signals, as the API gives them.

use crate::house::House;
use crate::object::Object;
use axum::http::StatusCode;
use hilum_monitor::{LabelSource, Truth};
use hilum_registry::DeploymentSpec;
use hilum_store::StudyKey;
use hilum_store::labels::{LabelFilter, NewLabel};
use hilum_store::records::Package;
use hilum_types::{Presence, Timestamp};
use serde_json::{Value, json};

/// A watched deployment with one study that was analysed, and a label that says something was missed: the rule fires.
pub(crate) async fn stopped_house() -> House {
    let house = House::new().await;
    let package = Package {
        digest: house.package,
        name: "chest-demo".into(),
        version: "1.2.0".into(),
        manifest: json!({ "package": { "title": "Chest demo" } }),
        location: "packages/x".into(),
        imported_at: house.now(),
    };
    house.catalog.package_add(&package, "user:test").await.unwrap();
    let spec: DeploymentSpec = serde_json::from_value(json!({
        "name": "cxr", "package": house.package.to_string(), "state": "active", "destinations": ["pacs"],
        "monitoring": {
            "rule": [
                { "name": "missed", "metric": "sensitivity", "finding": "nodule", "consecutive": 2, "action": "suspend" },
                { "name": "failing", "metric": "failure_rate", "above": 0.5, "confidence": 0.95, "each": ["station"] },
            ],
            "evidence": { "window_days": 30, "n_min": 1 },
        },
    }))
    .unwrap();
    assert_eq!(spec.problems(&["pacs".to_owned()]), []);
    house.catalog.deployment_apply(&spec, house.package, "user:test", house.now()).await.unwrap();
    for number in 1..=2 {
        house.stow(&[Object::new(number, 1)]).await;
        house.complete().await;
        // A reader decides before the model answers.
        let before = house.now();
        let study_key = house.evaluate(&[("cxr", None)]).await;
        house.infer(Presence::Absent).await;
        let label = NewLabel { origin: format!("test:{number}"), ..adjudicated(&study_key, before) };
        house.catalog.label_add(&label, house.now()).await.unwrap();
    }
    house
}

fn adjudicated(study_key: &StudyKey, decided_at: Timestamp) -> NewLabel {
    NewLabel {
        origin: "test".into(),
        study_key: study_key.clone(),
        revision: None,
        deployment: "cxr".into(),
        finding: "nodule".into(),
        truth: Truth::Present,
        agreement: None,
        source: LabelSource::Adjudication,
        extractor: None,
        extractor_measured: false,
        decided_at,
        report: None,
        comment: None,
        by: "user:anna".into(),
    }
}

#[tokio::test]
async fn figures_and_signals_are_told() {
    let house = stopped_house().await;
    let evidence = house.json("/api/v1/deployments/cxr/evidence?each=station").await;
    assert_eq!((&evidence["state"], &evidence["n_labels"]), (&json!("suspended"), &json!(2)));
    let figures = evidence["figures"].as_array().unwrap();
    let of = |name: &str, cut: &str| {
        figures.iter().find(|one| one["name"] == name && one["cut"] == cut).cloned().unwrap_or_default()
    };
    let sensitivity = of("sensitivity", "");
    assert_eq!((&sensitivity["value"], &sensitivity["n"]), (&json!(0.0), &json!(2)));
    assert_eq!((&sensitivity["label_classes"], &sensitivity["validated"]), (&json!(["unexposed"]), &json!(true)));
    assert!(sensitivity["upper"].as_f64().is_some_and(|upper| 0.5 < upper && upper < 0.8));
    assert_eq!(of("failure_rate", "station=(not stated)")["n"], json!(2));
    assert_eq!(evidence["freshness"]["reason"]["code"], "evidence.fresh");
    let rules = evidence["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["rule"] == "missed" && rule["fired_at"].is_string() && rule["n"] == 2));
    let signals = house.json("/api/v1/deployments/cxr/signals").await;
    let signal = &signals["items"][0];
    assert_eq!(
        (&signal["rule"], &signal["action"], &signal["severity"]),
        (&json!("missed"), &json!("suspended"), &json!("stop"))
    );
    assert_eq!(signal["studies"].as_array().map(Vec::len), Some(2));
}

/// MV-27: the past stays as it was known.
#[tokio::test]
async fn the_past_is_told_as_it_was_known() {
    let house = stopped_house().await;
    let then = house.now().to_string();
    let address = format!("/api/v1/deployments/cxr/evidence?as_of={then}");
    let first = house.json(&address).await;
    house.pass(86_400_000);
    let label = house.catalog.label_list(&LabelFilter::default(), 1).await.unwrap().remove(0);
    let late = NewLabel {
        origin: "test:late".into(),
        truth: Truth::Absent,
        ..adjudicated(&label.study_key.parse().unwrap(), label.decided_at.unwrap())
    };
    house.catalog.label_add(&late, house.now()).await.unwrap();
    let today = house.json("/api/v1/deployments/cxr/evidence").await;
    let n_missed = |told: &Value| {
        let figures = told["figures"].as_array().unwrap();
        figures.iter().find(|one| one["name"] == "sensitivity").map(|one| one["n"].clone())
    };
    assert_eq!(
        (n_missed(&first), n_missed(&today)),
        (Some(json!(2)), Some(json!(1))),
        "the last label of a source counts"
    );
    assert_eq!(house.json(&address).await, first, "and yesterday stays as it was known");
    assert_eq!((first["n_labels"].as_u64(), first["rules"].as_array().map(Vec::len)), (Some(2), Some(0)));
    assert_eq!(house.get("/api/v1/deployments/cxr/evidence?as_of=2020-01-01T00:00:00Z").await.0, StatusCode::NOT_FOUND);
    assert_eq!(house.get("/api/v1/deployments/cxr/evidence?as_of=yesterday").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(house.get("/api/v1/deployments/cxr/evidence?each=patient").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(house.get("/api/v1/deployments/none/evidence").await.0, StatusCode::NOT_FOUND);
    assert_eq!(house.get("/api/v1/deployments/none/signals").await.0, StatusCode::NOT_FOUND);
}

/// MV-12: no object of any answer holds a rate without number of cases, interval and method.
#[tokio::test]
async fn no_rate_comes_without_n_and_interval() {
    let house = stopped_house().await;
    let mut n_figures = 0;
    let listed = [
        "/api/v1/deployments/cxr/evidence?each=sex",
        "/api/v1/deployments/cxr/signals",
        "/api/v1/deployments/cxr/inputs?by=day",
        "/api/v1/deployments/cxr/inputs?by=group",
        "/api/v1/deployments",
        "/api/v1/deployments/cxr",
        "/api/v1/alarms",
        "/api/v1/books",
        "/api/v1/models",
        "/api/v1/queue",
        "/api/v1/records",
        "/api/v1/studies",
    ];
    for address in listed {
        walk(&house.json(address).await, address, &mut n_figures);
    }
    assert!(4 < n_figures, "{n_figures} figures: nothing was looked at");
}

pub(crate) fn walk(json: &Value, place: &str, n_figures: &mut u32) {
    match json {
        Value::Array(items) => items.iter().for_each(|item| walk(item, place, n_figures)),
        Value::Object(object) => {
            let is_rate = |key: &String| {
                ["sensitivity", "specificity", "ppv", "accuracy", "concordance"].contains(&key.as_str())
                    || key.ends_with("_rate")
            };
            if let Some(bare) = object.iter().find(|(key, value)| is_rate(key) && value.is_number()) {
                panic!("{place}: {} is a bare number", bare.0);
            }
            let number = |key: &str| object.get(key).is_some_and(Value::is_number);
            let text = |key: &str| object.get(key).is_some_and(Value::is_string);
            if number("lower") || number("upper") {
                let whole = ["value", "lower", "upper", "n"].iter().all(|key| number(key));
                let told = text("method") && text("as_of") && object.get("label_classes").is_some_and(Value::is_array);
                assert!(whole && told, "{place}: {object:?}");
                *n_figures += 1;
            } else if number("value") {
                assert!(number("n") && text("method"), "{place}: {object:?}");
            }
            object.values().for_each(|value| walk(value, place, n_figures));
        }
        _ => {}
    }
}

/// Figures of now come from counts, inputs from sketches; what is too thin says so instead of a distance.
#[tokio::test]
async fn inputs_are_told_by_window_and_group() {
    let house = stopped_house().await;
    for by in ["day", "week", "month", "group"] {
        let inputs = house.json(&format!("/api/v1/deployments/cxr/inputs?by={by}")).await;
        assert_eq!((&inputs["by"], &inputs["complete"]), (&json!(by), &json!(true)));
        assert_eq!(inputs["reference"]["n"], json!(2));
        let windows = inputs["windows"].as_array().unwrap();
        let n: u64 = windows.iter().map(|window| window["n"].as_u64().unwrap()).sum();
        assert_eq!(n, 2, "{by}: {inputs}");
        let last = windows.last().unwrap();
        let analysed = last["shares"].as_array().unwrap().iter().find(|share| share["name"] == "analysed").unwrap();
        assert_eq!((&analysed["n"], &analysed["method"]), (&json!(2), &json!("proportion/wilson")));
        for feature in last["features"].as_array().unwrap() {
            let told = feature["thin"].as_str().unwrap();
            assert!(feature["distance"].is_null() && told.contains("50 are needed"), "{told}");
        }
    }
    for (query, status) in [
        ("by=year", StatusCode::BAD_REQUEST),
        ("by=day&from=2020-01-01", StatusCode::BAD_REQUEST),
        ("reference_from=soon", StatusCode::BAD_REQUEST),
        ("reference_from=2026-02-01&reference_until=2026-01-01", StatusCode::BAD_REQUEST),
        ("package=000000000000", StatusCode::NOT_FOUND),
        ("since=2026-01-01", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(house.get(&format!("/api/v1/deployments/cxr/inputs?{query}")).await.0, status, "{query}");
    }
    assert_eq!(house.get("/api/v1/deployments/none/inputs").await.0, StatusCode::NOT_FOUND);
    let page = house.page("/deployments/cxr").await;
    assert!(page.contains("What moved") && page.contains("nothing after the reference"), "{page}");
}

/// What describes and stops nothing does not take the stop away: the page comes without it.
#[tokio::test]
async fn the_page_comes_without_what_moved() {
    let house = stopped_house().await;
    house.pass(29 * 86_400_000);
    let url = format!("sqlite:{}", house.folder.path().join("catalog.sqlite").display());
    hilum_store::testing::damage_sketches(&url).await.unwrap();
    let page = house.page("/deployments/cxr").await;
    assert!(page.contains("What moved could not be read") && page.contains("Stopped by"), "{page}");
}
