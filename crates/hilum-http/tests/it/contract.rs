//! What is promised to the outside stands in files, and the files are compared.

use crate::house::House;
use hilum_http::{ProblemCode, openapi_json};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// `UPDATE=1 cargo test` writes the file anew.
#[test]
fn openapi_document_is_the_one_in_api() {
    let path = root().join("api/openapi.json");
    let now = openapi_json();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == now, "api/openapi.json differs from the interface; run this test with UPDATE=1 and read the diff");
}

#[test]
fn every_operation_is_described() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId"));
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{id}");
            assert!(operation["tags"][0].is_string(), "{id}");
            ids.push(id.to_owned());
        }
    }
    assert_eq!(ids.len(), 48, "{ids:?}");
}

/// Every scheme that an operation names is declared, and what takes a name takes a session.
#[test]
fn security_is_described() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let declared = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(declared["session"]["scheme"], "bearer");
    assert_eq!(declared["session_cookie"]["name"], "hilum_session");
    let of = |one: &Value| one["security"].clone();
    let mut lists = vec![of(&document)];
    for item in document["paths"].as_object().unwrap().values() {
        lists.extend(item.as_object().unwrap().values().map(of).filter(|list| !list.is_null()));
    }
    for scheme in lists.iter().flat_map(|list| list.as_array().unwrap()).flat_map(|one| one.as_object().unwrap().keys())
    {
        assert!(declared.contains_key(scheme), "{scheme}");
    }
    let answering = &document["paths"]["/api/v1/assessments"]["post"]["security"];
    assert!(answering.as_array().unwrap().iter().all(|one| !one.as_object().unwrap().is_empty()), "{answering}");
}

/// Names of the properties of a schema, through references and parts.
fn properties(document: &Value, schema: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#'));
        all.extend(properties(document, target.unwrap_or_else(|| panic!("{name} is not declared"))));
    }
    for part in ["allOf", "oneOf"].iter().flat_map(|key| schema[*key].as_array().into_iter().flatten()) {
        all.extend(properties(document, part));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        all.insert(name.clone(), property.clone());
    }
    all
}

/// Compare the keys of an answer with its schema, all the way down; says how many objects were compared.
pub(crate) fn compare(document: &Value, schema: &Value, answer: &Value, place: &str) -> u32 {
    match answer {
        Value::Array(items) => {
            items.iter().map(|item| compare(document, &schema["items"], item, &format!("{place}[]"))).sum()
        }
        Value::Object(object) => {
            let documented = properties(document, schema);
            let names: Vec<&String> = documented.keys().collect();
            assert_eq!(object.keys().collect::<BTreeSet<_>>(), names.iter().copied().collect(), "{place}");
            let of = |(key, value)| compare(document, &documented[key], value, &format!("{place}.{key}"));
            1 + object.iter().map(of).sum::<u32>()
        }
        _ => 0,
    }
}

/// MV-12: what the document says of evidence and timeline is what is answered.
#[tokio::test]
async fn evidence_and_timeline_are_answered_as_documented() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let house = crate::monitoring::stopped_house().await;
    for what in ["evidence", "timeline"] {
        let pointer = format!(
            "/paths/~1api~1v1~1deployments~1{{name}}~1{what}/get/responses/200/content/application~1json/schema"
        );
        let schema = document.pointer(&pointer).unwrap();
        let answer = house.json(&format!("/api/v1/deployments/cxr/{what}")).await;
        let n_compared = compare(&document, schema, &answer, what);
        assert!(4 < n_compared, "{what}: only {n_compared} objects");
    }
}

/// UX-14: every error has a stable code, cause and next step, and stands in the reference.
#[test]
fn every_problem_code_is_documented() {
    let page = std::fs::read_to_string(root().join("docs/reference/errors.md")).unwrap();
    for code in ProblemCode::ALL {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` ", code.code())));
        let row = row.unwrap_or_else(|| panic!("{} is not in docs/reference/errors.md", code.code()));
        assert!(row.contains(&format!("| {} |", code.status().as_u16())), "{row}");
        assert!(row.contains(code.remedy()), "{row} lacks the remedy: {}", code.remedy());
    }
    let n_rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(n_rows, ProblemCode::ALL.len(), "a row of the reference is no longer a code");
}

/// What a monitoring system needs to see that a model is stopped, that nobody looks, and that evidence runs dry.
#[tokio::test]
async fn metrics_say_how_deployments_stand() {
    let house = crate::monitoring::stopped_house().await;
    house.pass(3_600_000);
    let text = house.page("/metrics").await;
    for line in [
        "hilum_deployment_state{deployment=\"cxr\",state=\"suspended\"} 1",
        "hilum_alarms_open{severity=\"stop\"} 1",
        "hilum_alarms_open{severity=\"watch\"} 0",
        "hilum_signals_total{deployment=\"cxr\",rule=\"missed\"} 1",
        "hilum_labels_total{deployment=\"cxr\",source=\"adjudication\"} 2",
        "hilum_evidence_cases{deployment=\"cxr\"} 2",
        // Two runs of 0.84 s.
        "hilum_inference_seconds_bucket{le=\"0.5\",deployment=\"cxr\"} 0",
        "hilum_inference_seconds_bucket{le=\"1.0\",deployment=\"cxr\"} 2",
        "hilum_inference_seconds_bucket{le=\"+Inf\",deployment=\"cxr\"} 2",
        "hilum_inference_seconds_count{deployment=\"cxr\"} 2",
        "hilum_inference_seconds_sum{deployment=\"cxr\"} 1.68",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    let age = text.lines().find_map(|line| line.strip_prefix("hilum_evidence_age_seconds{deployment=\"cxr\"} "));
    let age: u64 = age.unwrap().parse().unwrap();
    assert!((3600..3700).contains(&age), "{age}");
    let guide = std::fs::read_to_string(root().join("docs/reference/metrics.md")).unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(guide.contains(&format!("| `{name}")), "docs/reference/metrics.md lacks {name}");
    }
}

#[tokio::test]
async fn metrics_are_openmetrics_without_identifiers() {
    let house = House::new().await;
    house.deploy(&[("chest", "active")]).await;
    house.stow(&[crate::object::Object::new(1, 1)]).await;
    let text = house.page("/metrics").await;
    for name in [
        "hilum_instances 1",
        "hilum_studies{state=\"receiving\"} 1",
        "hilum_stow_instances_total{outcome=\"stored\"} 1",
        "hilum_disk_free_bytes",
        "hilum_audit_head_seq",
        "hilum_http_request_duration_seconds_bucket",
        "route=\"/dicom-web/studies\"",
    ] {
        assert!(text.contains(name), "{name} is missing in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    for identifier in ["1.2.826", "A00001", "P00001", "DOE"] {
        assert!(!text.contains(identifier), "{identifier}");
    }
}
