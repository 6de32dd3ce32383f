//! Estimates without labels, as the API and the page of a deployment give them: apart from every figure.

use crate::house::House;
use crate::monitoring::walk;
use crate::object::Object;
use axum::http::StatusCode;
use hilum_monitor::{Observation, OutputFact};
use hilum_registry::DeploymentSpec;
use hilum_sign::{NewRecord, RecordKind};
use hilum_store::records::Package;
use hilum_types::Presence;
use serde_json::json;

/// A deployment with two studies, in one of which something is called.
async fn observed_house() -> House {
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
        "operating_points": { "nodule": 0.5 },
    }))
    .unwrap();
    house.catalog.deployment_apply(&spec, house.package, "user:test", house.now()).await.unwrap();
    for (number, presence, score) in [(1, Presence::Present, 0.83), (2, Presence::Absent, 0.07)] {
        house.stow(&[Object::new(number, 1)]).await;
        house.complete().await;
        house.evaluate(&[("cxr", None)]).await;
        let mut observation = Observation::bare("cxr", house.package);
        let output = OutputFact { score: Some(score), present: Some(presence == Presence::Present) };
        observation.outputs.insert("nodule".into(), output);
        house.infer_observed(presence, Some(observation)).await;
    }
    house
}

/// MV-12: an estimate comes when it is asked for, never without interval, n, method and what it assumes; figures are
/// what they were, and where it is not to be relied on it says so, on the page as well.
#[tokio::test]
async fn estimates_stand_apart_and_say_what_they_assume() {
    let house = observed_house().await;
    let address = "/api/v1/deployments/cxr/evidence";
    let asked = format!("{address}?label_free=true");
    let before = house.json(address).await;
    assert!(before["label_free"].is_null(), "nobody asked: {before}");
    assert_eq!(house.json(&asked).await["label_free"], json!([]), "no acceptance test kept its scores");
    let page = house.page("/deployments/cxr?estimated=true").await;
    assert!(page.contains("No acceptance test of this version kept what its scores mean"), "{page}");
    let body = json!({
        "format": 1, "verdict": "pass", "package": house.package,
        "label_free_reference": {
            "finding": "nodule",
            "scores": { "with": vec![0.83; 60], "without": vec![0.07; 60], "n_cases": 120 },
        },
    });
    let subject = house.package.to_string();
    let record = NewRecord { kind: RecordKind::Validation, subject, body, author: "user:anna".into() };
    let record = house.catalog.record_add(&record, house.now()).await.unwrap().record.digest;
    let mut told = house.json(&asked).await;
    let estimates = told["label_free"].take();
    assert_eq!(told, before, "everything else is as it was");
    let (mut n_figures, of) = (0, estimates.as_array().unwrap());
    walk(&estimates, &asked, &mut n_figures);
    assert_eq!((n_figures, of.len()), (4, 4), "{estimates}");
    for (one, name) in of.iter().zip(["sensitivity", "specificity", "ppv", "auroc"]) {
        assert_eq!((&one["name"], &one["finding"], &one["estimate"]), (&json!(name), &json!("nodule"), &json!(true)));
        assert_eq!((&one["value"], &one["n"], &one["label_classes"]), (&json!(1.0), &json!(2), &json!([])));
        assert_eq!((&one["operating_point"], &one["complete"]), (&json!(0.5), &json!(true)));
        assert_eq!((&one["reference"], &one["n_reference_with"]), (&json!(record.to_string()), &json!(60)));
        let assumes = one["assumes"].as_str().unwrap();
        assert!(assumes.contains("the finding is rarer or more frequent"), "{assumes}");
        assert!(assumes.contains("clears no stop rule and is no evidence"), "{assumes}");
        assert_eq!(one["reliable"], false);
        let reasons = one["reasons"].to_string();
        assert!(reasons.contains("only 2 studies") && reasons.contains("acquisition envelope"), "{reasons}");
    }
    let refused = house.get(&format!("{address}?label_free=maybe")).await.0;
    assert_eq!(refused, StatusCode::BAD_REQUEST);

    let page = house.page("/deployments/cxr").await;
    assert!(page.contains("Estimated without labels") && page.contains("estimated=true#estimated"), "{page}");
    assert!(!page.contains("Not reliable"), "it is computed when somebody asks");
    let page = house.page("/deployments/cxr?estimated=true").await;
    for part in
        ["class=\"doubted\"", "Not reliable", "Only 2 studies of the period have a score", "AUROC", "is no evidence"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
}
