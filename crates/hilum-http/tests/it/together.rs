//! All numbers of a period together beside those of the reference, as the API and the page of a deployment give them.

use crate::contract::compare;
use crate::house::House;
use crate::monitoring::walk;
use axum::http::StatusCode;
use hilum_http::openapi_json;
use hilum_monitor::{Observation, OutputFact};
use serde_json::json;

/// Studies of a side.
const N: usize = 199;

/// 199 studies a day after the clock of the house, or 199 a month after it in which the very same numbers belong to
/// other studies.
fn measured(house: &House, is_after: bool) -> Vec<Observation> {
    let at = house.now().plus_seconds(if is_after { 30 } else { 1 } * 86_400);
    let one = |i: usize| {
        let other = if is_after { i } else { (i * 61 + 17) % N };
        let mut observation = Observation::bare("cxr", house.package);
        (observation.study_key, observation.revision) = (format!("{is_after}{i}"), 1);
        (observation.event_at, observation.recorded_at) = (at, at);
        observation.features = [("contrast".to_owned(), i as f64), ("noise".to_owned(), other as f64)].into();
        let output = OutputFact { score: None, present: Some(i.is_multiple_of(9)) };
        observation.outputs.insert("nodule".to_owned(), output);
        observation
    };
    (0..N).map(one).collect()
}

async fn observed_house() -> House {
    let house = House::new().await;
    house.deploy(&[("cxr", "active")]).await;
    let url = format!("sqlite:{}", house.folder.path().join("catalog.sqlite").display());
    let observations = [measured(&house, false), measured(&house, true)].concat();
    hilum_store::testing::enter_observations(&url, &observations).await.unwrap();
    house.pass(40 * 86_400_000);
    house
}

/// MV-21: what no distance of a single number sees is told with value, p, n, method, names, seed and the reference;
/// output drift is a comparison of its own.
#[tokio::test]
async fn all_numbers_are_compared_on_demand() {
    let house = observed_house().await;
    let address = "/api/v1/deployments/cxr/inputs/together";
    let told = house.json(address).await;
    let (mut n_figures, inputs, outputs) = (0, &told["inputs"], &told["outputs"]);
    walk(&told, address, &mut n_figures);
    let document: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap();
    let operation = &document["paths"]["/api/v1/deployments/{name}/inputs/together"]["get"];
    let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(compare(&document, schema, &told, "together"), 5, "the answer, two sides, two comparisons");
    assert_eq!((&told["method"], &told["seed"], &told["permutations"]), (&json!("mmd"), &json!(1), &json!(999)));
    assert_eq!((&told["reference"]["n_studies"], &told["current"]["n_drawn"]), (&json!(N), &json!(N)));
    assert_eq!(told["as_of"], json!(house.now().to_string()));
    assert_eq!((&inputs["names"], &inputs["method"]), (&json!(["contrast", "noise"]), &json!("mmd2/rbf-permutation")));
    assert_eq!((&inputs["n"], &inputs["n_reference"], &inputs["n_current"]), (&json!(398), &json!(N), &json!(N)));
    let p = |compared: &serde_json::Value| compared["p_adjusted"].as_f64().unwrap();
    assert!(p(inputs) <= 0.01 && 0.05 < p(outputs), "{told}");
    assert_eq!((&outputs["names"], &outputs["not_compared"]), (&json!(["positive:nodule"]), &json!(null)));
    assert!(told["note"].as_str().unwrap().contains("it stops nothing"), "{told}");
    let single = house.json("/api/v1/deployments/cxr/inputs?by=month&from=2026-12-21").await;
    let mut n_compared = 0;
    for feature in single["windows"].as_array().unwrap().iter().flat_map(|w| w["features"].as_array().unwrap()) {
        n_compared += u32::from(!feature["distance"].is_null());
        assert!(feature["distance"].is_null() || feature["distance"]["is_by_chance"] == true, "{feature}");
    }
    assert!(0 < n_compared, "{single}");
    let classifier = house.json(&format!("{address}?method=c2st&seed=5")).await;
    assert_eq!((&classifier["seed"], &classifier["permutations"]), (&json!(5), &json!(199)));
    assert_eq!(classifier["inputs"]["method"], "c2st/logistic-permutation");

    for (query, status, code) in [
        ("method=ks", StatusCode::BAD_REQUEST, "invalid-parameter"),
        ("seed=one", StatusCode::BAD_REQUEST, "invalid-parameter"),
        ("by=week", StatusCode::BAD_REQUEST, "invalid-parameter"),
        ("reference_from=2026-02-01&reference_until=2026-01-01", StatusCode::BAD_REQUEST, "invalid-parameter"),
        ("package=000000000000", StatusCode::NOT_FOUND, "model-not-found"),
        ("group=0123456789abcdef", StatusCode::CONFLICT, "not-enough-studies"),
        ("until=2026-12-01", StatusCode::CONFLICT, "not-enough-studies"),
        ("from=2026-12-01", StatusCode::CONFLICT, "conflict"),
    ] {
        let (found, body) = house.get(&format!("{address}?{query}")).await;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((found, &body["code"]), (status, &json!(code)), "{query}: {body}");
    }
    assert_eq!(house.get("/api/v1/deployments/none/inputs/together").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_page_compares_all_features_when_asked() {
    let house = observed_house().await;
    let page = house.page("/deployments/cxr").await;
    assert!(page.contains("Compare all features together") && !page.contains("What went in:"), "{page}");
    let page = house.page("/deployments/cxr?together=mmd").await;
    assert!(page.contains("What went in: not as in the reference; 2 numbers together"), "{page}");
    assert!(page.contains("What came out: no difference beyond chance; 1 number") && page.contains("it stops nothing"));
    assert_eq!(house.get("/deployments/cxr?together=ks").await.0, StatusCode::BAD_REQUEST);
    let early = House::new().await;
    early.deploy(&[("cxr", "active")]).await;
    let page = early.page("/deployments/cxr?together=c2st").await;
    assert!(page.contains("Nothing was observed of this version."), "{page}");
}
