//! What is promised to the outside stands in files, and the files are compared.

use crate::house::House;
use hilum_http::{ProblemCode, openapi_json};
use serde_json::Value;
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
    assert_eq!(ids.len(), 47, "{ids:?}");
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
