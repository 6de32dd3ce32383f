//! What other systems answer to results in structured reports, from outside (AV-19).

use crate::program::{PATIENCE, Site, deploy, destination};
use crate::rollout::{ended, phantom, runtime, send};
use hilum_dicom::{DataSet, tags};
use hilum_testkit::SimulatedPacs;
use hilum_types::CodedConcept;
use serde_json::Value;
use std::time::{Duration, Instant};

/// A report that calls itself an assessment and accepts one object; of a study of its own, as report stations store them.
fn assessment(number: u32, result: &str) -> Vec<u8> {
    let concept = |meaning: &str| CodedConcept::new("1", "99TEST", meaning);
    let mut reference = DataSet::new();
    reference.put(tags::REFERENCED_SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.88.33");
    reference.put(tags::REFERENCED_SOP_INSTANCE_UID, result);
    let mut target = DataSet::new();
    target.put(tags::RELATIONSHIP_TYPE, "CONTAINS");
    target.put(tags::VALUE_TYPE, "COMPOSITE");
    target.put_sequence(tags::REFERENCED_SOP_SEQUENCE, vec![reference]);
    let mut answer = DataSet::new();
    answer.put(tags::RELATIONSHIP_TYPE, "CONTAINS");
    answer.put(tags::VALUE_TYPE, "CODE");
    answer.put_code(tags::CONCEPT_NAME_CODE_SEQUENCE, &concept("Assessment"));
    answer.put_code(tags::CONCEPT_CODE_SEQUENCE, &concept("Accepted"));
    let mut report = DataSet::new();
    report.put(tags::SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.88.22");
    report.put(tags::SOP_INSTANCE_UID, format!("2.25.77{number}.1.1"));
    report.put(tags::STUDY_INSTANCE_UID, format!("2.25.77{number}"));
    report.put(tags::SERIES_INSTANCE_UID, format!("2.25.77{number}.1"));
    report.put(tags::MODALITY, "SR");
    report.put(tags::PATIENT_ID, "P1");
    report.put(tags::VALUE_TYPE, "CONTAINER");
    report.put_code(tags::CONCEPT_NAME_CODE_SEQUENCE, &concept("AI Result Assessment"));
    report.put_sequence(tags::CONTENT_SEQUENCE, vec![target, answer]);
    report.to_part10_bytes().unwrap()
}

fn store(site: &Site, object: &[u8]) {
    let kind = "Content-Type: multipart/related; type=\"application/dicom\"; boundary=b\r\n";
    let body = [&b"--b\r\nContent-Type: application/dicom\r\n\r\n"[..], object, b"\r\n--b--\r\n"].concat();
    let (status, body) = site.request("POST", "/dicom-web/studies", kind, &body).expect("the server answers");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
}

fn items(site: &Site, address: &str) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let items = site.json(address)["items"].as_array().cloned().unwrap_or_default();
        if !items.is_empty() {
            return items;
        }
        assert!(begun.elapsed() < PATIENCE, "{address} stays empty: {}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// AV-19: an assessment of our result becomes labels of every finding; one of a result that is not known here is kept.
#[test]
fn assessments_that_are_stored_become_labels_or_are_kept() {
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    deploy(&site, "phantom-cxr", "active");
    let running = site.serve("info");
    send(&site, &runtime, &phantom(1, 0));
    let outcome = ended(&site, &phantom(1, 0), "phantom-cxr");
    assert_eq!(outcome["disposition"], "analysed", "{outcome}");
    let result = outcome["results"][0]["sop_instance_uid"].as_str().unwrap().to_owned();

    store(&site, &assessment(1, &result));
    let labels = items(&site, "/api/v1/labels");
    let findings = outcome["inference"]["findings"].as_array().unwrap();
    for label in &labels {
        let told = ["source", "agreement", "class", "deployment"].map(|name| label[name].as_str().unwrap_or_default());
        assert_eq!(told, ["assessment", "agree", "directly_exposed", "phantom-cxr"]);
        assert!(label["by"].as_str().unwrap().starts_with("peer:"), "{label}");
        let said = findings.iter().find(|one| one["label"] == label["finding"]).expect("a finding of the model");
        let truth = if said["presence"] == "indeterminate" { &Value::from("uncertain") } else { &said["presence"] };
        assert_eq!(&label["truth"], truth, "to agree is to say what the model said");
    }

    store(&site, &assessment(2, "2.25.99999"));
    let kept = items(&site, "/api/v1/assessments/set-aside");
    let told = ["target", "code", "agreement"].map(|name| kept[0][name].as_str().unwrap_or_default());
    assert_eq!(told, ["2.25.99999", "assessment.unknown-target", "agree"]);
    assert_eq!(site.json("/api/v1/labels")["items"].as_array().map(Vec::len), Some(labels.len()), "it is in no figure");
    let alarms = items(&site, "/api/v1/alarms");
    assert!(alarms.iter().any(|alarm| alarm["code"] == "assessment-untied"), "{alarms:?}");
    running.stop();
}
