//! UX-01: from a study, one step: which version ran, within what limits, how it performs here, and why others did not run.

use crate::house::{House, not_eligible};
use crate::labels::{analysed, answer, reader};
use crate::object::Object;
use hilum_monitor::{LabelSource, Observation, OutputFact, Truth};
use hilum_registry::{DeploymentSpec, ReadingMode};
use hilum_store::labels::NewLabel;
use hilum_types::{Presence, Timestamp};
use serde_json::{Value, json};

/// Somebody who had not seen the answer says that the nodule is there.
async fn independent(house: &House, study: &str, decided_at: Timestamp) {
    let label = NewLabel {
        origin: format!("test:{study}"),
        study_key: study.parse().unwrap(),
        revision: None,
        deployment: "chest".into(),
        finding: "nodule".into(),
        truth: Truth::Present,
        agreement: None,
        source: LabelSource::FollowUp,
        extractor: None,
        extractor_measured: false,
        decided_at,
        report: None,
        comment: None,
        by: "user:bo".into(),
    };
    house.catalog.label_add(&label, house.now()).await.unwrap();
}

async fn shown(house: &House, study: &str) -> Value {
    house.json(&format!("/api/v1/studies/{study}")).await["deployments"][0].clone()
}

#[tokio::test]
async fn the_record_stands_beside_the_answer() {
    let house = House::new().await;
    house.deploy(&[("chest", "active"), ("hand", "active")]).await;
    house.stow(&[Object::new(1, 1)]).await;
    house.complete().await;
    let before = house.now();
    let study = house.evaluate(&[("chest", None), ("hand", Some(not_eligible()))]).await.to_string();
    let mut observed = Observation::bare("chest", house.package);
    observed.outputs.insert("nodule".to_owned(), OutputFact { score: None, present: Some(true) });
    house.infer_observed(Presence::Present, Some(observed)).await;
    let address = format!("/studies/{study}");
    let page = house.page(&address).await;
    assert!(page.contains("No valid labels yet: nothing is known of how this version performs here."), "{page}");
    assert!(
        page.contains("chest-demo 1.2.0 · Active") && page.contains("Used here for body part CHEST; modality DX, CR.")
    );
    assert!(
        page.contains("The model did not run: body part is HAND, the model takes CHEST."),
        "why the other did not run"
    );
    let none = shown(&house, &study).await;
    assert_eq!((&none["record"]["n_labels"], &none["record"]["figures"]), (&json!(0), &json!([])));
    assert_eq!(none["version"]["limits"][0], json!({ "name": "body_part", "allowed": "CHEST" }));
    independent(&house, &study, before).await;
    let anna = reader(&house, "anna", "radiologist").await;
    let agree = json!({ "study": study, "deployment": "chest", "finding": "nodule", "agreement": "agree" });
    answer(&house, &anna, agree).await;
    assert_eq!(
        shown(&house, &study).await["record"],
        none["record"],
        "a page that refreshes itself reads no label again"
    );
    house.pass(61_000);
    let record = shown(&house, &study).await["record"].clone();
    let figures = record["figures"].as_array().unwrap();
    let of = |name: &str| figures.iter().find(|one| one["name"] == name).cloned().unwrap_or_default();
    let sensitivity = of("sensitivity");
    assert_eq!(
        (&sensitivity["value"], &sensitivity["n"], &sensitivity["label_classes"]),
        (&json!(1.0), &json!(1), &json!(["unexposed"]))
    );
    assert!(sensitivity["lower"].as_f64().is_some_and(|lower| 0.2 < lower && lower < 0.21), "{sensitivity}");
    assert_eq!(of("concordance")["label_classes"], json!(["directly_exposed"]), "agreement is no accuracy (MV-25)");
    let page = house.page(&address).await;
    for part in [
        "Record of chest-demo 1.2.0 here, studies since 25 Aug 2026, as of",
        ">Sensitivity</th><th scope=\"col\">PPV</th><th scope=\"col\">Concordance</th>",
        "100\u{202f}% (21 to 100), n\u{a0}=\u{a0}1",
        "given without its answer",
        "given with its answer in view",
        "2 labels of studies of the last 90 days; each figure says how many it rests on.",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("Specificity"), "no column without a label");
}

/// How far a version is to be trusted is not told before the first impression, and is afterwards.
#[tokio::test]
async fn no_record_before_the_first_impression() {
    let house = House::new().await;
    let study = analysed(&house, "active").await;
    let declared = house.catalog.deployment_get("chest").await.unwrap().unwrap();
    let spec = DeploymentSpec { reading_mode: ReadingMode::AfterFirstRead, ..declared.spec };
    house.catalog.deployment_apply(&spec, house.package, "user:test", house.now()).await.unwrap();
    independent(&house, &study, house.now()).await;
    let hidden = shown(&house, &study).await;
    assert_eq!((&hidden["status"], &hidden["record"]), (&json!("hidden"), &json!(null)));
    assert_eq!(hidden["version"]["name"], "chest-demo", "which version it is may be known");
    let page = house.page(&format!("/studies/{study}")).await;
    assert!(page.contains("Its record here is not shown as long as its result is not.") && !page.contains("n\u{a0}="));
    let anna = reader(&house, "anna", "radiologist").await;
    let seen = json!({ "study": study, "deployment": "chest", "finding": "nodule", "truth": "present" });
    answer(&house, &anna, seen).await;
    let told = crate::record::as_reader(&house, &anna, &format!("/api/v1/studies/{study}")).await;
    assert!(told["deployments"][0]["record"]["n_labels"].is_number(), "{told}");
    assert_eq!(shown(&house, &study).await["record"], json!(null), "others have not");
}

async fn as_reader(house: &House, token: &str, address: &str) -> Value {
    use axum::body::Body;
    use axum::http::{Request, header};
    use http_body_util::BodyExt;
    let request = Request::get(address).header(header::HOST, "localhost");
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
    let response = house.send(request).await;
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}
