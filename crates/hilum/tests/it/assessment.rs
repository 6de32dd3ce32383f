//! Answers to results in structured reports, from outside: what other systems send, and what is sent of ours (AV-19).

use crate::program::{PATIENCE, Site, deploy, destination, free_port, have, wait_for_delivery};
use crate::recall::Killed;
use crate::rollout::{ended, phantom, runtime, send};
use hilum_dicom::{Bulk, DataSet, Limits, read_data_set, tags};
use hilum_testkit::{Received, SimulatedPacs};
use hilum_types::CodedConcept;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Enhanced SR.
const ENHANCED: &str = "1.2.840.10008.5.1.4.1.1.88.22";

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

/// An answer of a reader whom [`Site::person`] entered; the labels it became.
fn answer(site: &Site, user: &str, mut body: Value) -> usize {
    body["user"] = json!(user);
    body["password"] = json!(format!("{user} has a password"));
    let kind = "Content-Type: application/json\r\n";
    let told = site.request("POST", "/api/v1/assessments", kind, body.to_string().as_bytes());
    let (status, told) = told.expect("the server answers");
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&told));
    let told: Value = serde_json::from_slice(&told).unwrap();
    told["labels"].as_array().unwrap().len()
}

/// Assessment reports that the archive holds, once it holds so many, in the order of arrival.
fn reports(site: &Site, pacs: &SimulatedPacs, wanted: usize) -> Vec<Received> {
    let begun = Instant::now();
    loop {
        let held: Vec<Received> = pacs.received().into_iter().filter(|one| one.sop_class_uid == ENHANCED).collect();
        if wanted <= held.len() {
            return held;
        }
        assert!(begun.elapsed() < PATIENCE, "{} of {wanted} reports: {}", held.len(), site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn read(received: &Received) -> DataSet {
    let (bytes, syntax) = (received.data_set.as_ref().unwrap(), received.transfer_syntax_uid.parse().unwrap());
    read_data_set(bytes, Some(&syntax), Bulk::Keep, &Limits::default()).unwrap().data_set
}

/// Content items of that name below `item`, at any depth.
fn named<'d>(item: &'d DataSet, meaning: &str) -> Vec<&'d DataSet> {
    let (mut found, mut open) = (Vec::new(), vec![item]);
    while let Some(item) = open.pop() {
        for child in item.items(tags::CONTENT_SEQUENCE).iter().rev() {
            open.push(child);
        }
        if item.code(tags::CONCEPT_NAME_CODE_SEQUENCE).is_some_and(|name| name.meaning == meaning) {
            found.push(item);
        }
    }
    found
}

/// Codes, UIDs, texts and references of the items of that name.
fn values(item: &DataSet, meaning: &str) -> Vec<String> {
    let value = |item: &&DataSet| {
        let code = item.code(tags::CONCEPT_CODE_SEQUENCE).map(|code| code.meaning);
        let reference = item.item(tags::REFERENCED_SOP_SEQUENCE);
        code.or_else(|| item.string(tags::UID))
            .or_else(|| item.string(tags::TEXT_VALUE))
            .or_else(|| item.string(tags::PERSON_NAME))
            .or_else(|| reference?.string(tags::REFERENCED_SOP_INSTANCE_UID))
            .unwrap_or_default()
    };
    named(item, meaning).iter().map(value).collect()
}

/// Objects of a sequence of studies, series and instances.
fn referenced(set: &DataSet, sequence: hilum_dicom::Tag) -> BTreeSet<String> {
    let series = set.items(sequence).iter().flat_map(|study| study.items(tags::REFERENCED_SERIES_SEQUENCE));
    let objects = series.flat_map(|series| series.items(tags::REFERENCED_SOP_SEQUENCE));
    objects.filter_map(|object| object.string(tags::REFERENCED_SOP_INSTANCE_UID)).collect()
}

/// AV-19: what a reader answers arrives where the result is, tied to its objects and to the finding; once, whatever is
/// killed when; a correction names what it takes the place of; and what comes back is no second answer.
#[test]
fn what_readers_answer_is_told_to_whoever_holds_the_result() {
    let runtime = runtime();
    let start = || runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let (pacs, ris) = (start(), start());
    let silent = destination(&ris).replace("name = 'pacs'", "name = 'ris'");
    let site = Site::new(&format!(
        "{silent}{}assessments = true\n[delivery]\nassessment_quiet_seconds = 1\n",
        destination(&pacs)
    ));
    deploy(&site, "phantom-cxr", "active");
    let file = site.path("phantom-cxr.toml");
    let both = std::fs::read_to_string(&file).unwrap().replace("['pacs']", "['pacs', 'ris']");
    std::fs::write(&file, both).unwrap();
    site.done(&["apply", file.to_str().unwrap()]);
    site.person("root", "governance");
    site.person("anna", "radiologist");
    let mut running = site.serve("info");
    send(&site, &runtime, &phantom(1, 0));
    let outcome = ended(&site, &phantom(1, 0), "phantom-cxr");
    wait_for_delivery(&site);
    let sent = outcome["results"].as_array().unwrap().iter();
    let sent: BTreeSet<String> = sent.map(|one| one["sop_instance_uid"].as_str().unwrap().to_owned()).collect();
    assert!(1 < sent.len(), "{outcome}");
    // Of every day: midnight may pass meanwhile.
    let books = site.json("/api/v1/books?from=2020-01-01");
    let study = phantom(1, 0).study_instance_uid.to_string();
    let about = |more: Value| {
        let mut body = json!({ "study": study, "deployment": "phantom-cxr", "finding": "nodule" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };

    // The process is killed as soon as the answer is acknowledged, and before the archive can have its report: between
    // the last byte and its record nobody knows that it arrived.
    pacs.set_accepting(false);
    answer(&site, "anna", about(json!({ "agreement": "disagree", "comment": "a vessel, seen end on" })));
    running.kill();
    pacs.set_accepting(true);
    let mut running = site.serve("info");
    let told = reports(&site, &pacs, 1);
    let first = read(&told[0]);
    let finding = named(&first, "Assessment of finding");
    let [finding] = &finding[..] else { panic!("one answer: {}", finding.len()) };
    assert_eq!(values(finding, "Assessment"), ["Rejected"]);
    let said =
        outcome["inference"]["findings"].as_array().unwrap().iter().find(|one| one["label"] == "nodule").unwrap();
    let truth = if said["presence"] == "present" { "Absent" } else { "Present" };
    assert_eq!(values(finding, "Presence"), [truth], "what the reader says instead");
    assert_eq!(values(finding, "Comment"), ["a vessel, seen end on"]);
    assert_eq!(values(&first, "Person Observer Name"), ["Dr. Person"]);
    assert_eq!(values(&first, "Person Observer's Login Name"), ["anna"]);
    assert_eq!(values(finding, "Assessed result").into_iter().collect::<BTreeSet<_>>(), sent, "tied to the objects");
    assert_eq!(referenced(&first, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE), sent);
    // Tied to the finding: in the report that was assessed, the same identifier stands beside the same finding.
    let held = pacs.received();
    let assessed = held.iter().find(|one| one.sop_class_uid == "1.2.840.10008.5.1.4.1.1.88.34").map(read).unwrap();
    let tracking = values(finding, "Tracking Unique Identifier");
    let groups = named(&assessed, "Measurement Group");
    let mut groups = groups.iter().filter(|group| values(group, "Tracking Unique Identifier") == tracking);
    assert_eq!(values(groups.next().expect("the finding that was answered"), "Finding"), values(finding, "Finding"));
    assert_eq!(first.string(tags::STUDY_INSTANCE_UID).as_deref(), Some(study.as_str()));
    assert!(referenced(&first, tags::PREDECESSOR_DOCUMENTS_SEQUENCE).is_empty());

    // She thinks again.
    answer(&site, "anna", about(json!({ "agreement": "agree" })));
    let told = reports(&site, &pacs, 2);
    let uids: Vec<&str> = told.iter().map(|one| one.sop_instance_uid.as_str()).collect();
    assert!(uids.len() == 2 && uids[0] != uids[1], "each left once, also over the kill: {uids:?}");
    let second = read(&told[1]);
    assert_eq!(values(&second, "Assessment"), ["Accepted"]);
    let predecessor = BTreeSet::from([uids[0].to_owned()]);
    assert_eq!(referenced(&second, tags::PREDECESSOR_DOCUMENTS_SEQUENCE), predecessor);

    // Whoever types her name at a terminal says nothing in her name, and cannot look as if she had signed in.
    let typed = ["label", "add", &study, "--deployment", "phantom-cxr", "--finding", "nodule", "--truth", "uncertain"];
    let typed = [&typed[..], &["--source", "assessment", "--by", "anna"]].concat();
    site.done(&typed);
    let said = site.refused(&[&typed[..], &["--origin", "assessment:user:anna:1"]].concat());
    assert!(said.contains("answers by people who signed in"), "{said}");

    // The archive routes the report back, and then another system says something: only that is an answer.
    let labels = site.json("/api/v1/labels")["items"].as_array().unwrap().len();
    store(&site, &second.to_part10_bytes().unwrap());
    assert_eq!(
        site.json("/api/v1/books?from=2020-01-01")["books"],
        books["books"],
        "a report of an answer is no result of an analysis"
    );
    store(&site, &assessment(3, outcome["results"][0]["sop_instance_uid"].as_str().unwrap()));
    let n_findings = outcome["inference"]["findings"].as_array().unwrap().len();
    let begun = Instant::now();
    loop {
        let items = site.json("/api/v1/labels")["items"].as_array().unwrap().clone();
        let of_peers = items.iter().filter(|label| label["by"].as_str().unwrap_or_default().starts_with("peer:"));
        if of_peers.count() == n_findings {
            assert_eq!(items.len(), labels + n_findings, "{items:?}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{items:?} {}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    // What a peer said is not sent on; a restart sends nothing again that is recorded as sent; and who did not ask for
    // reports has none.
    wait_for_delivery(&site);
    running.kill();
    let running = site.serve("info");
    answer(&site, "anna", about(json!({ "agreement": "correct", "truth": "uncertain" })));
    let told = reports(&site, &pacs, 3);
    let third = read(&told[2]);
    assert_eq!((told.len(), values(&third, "Assessment")), (3, vec!["Modified".to_owned()]));
    assert_eq!(values(&third, "Presence"), ["Indeterminate"]);
    assert!(ris.received().iter().all(|one| one.sop_class_uid != ENHANCED), "it did not ask for them");
    running.stop();
    assert!(site.done(&["audit", "verify"]).contains("whole"));
}

/// DCMTK's storescp as archive: it takes the report, and dicom3tools and dsrdump find no error in the file it wrote.
#[test]
fn storescp_takes_the_report() {
    if !have("storescp") || !have("dciodvfy") || !have("dsrdump") {
        return;
    }
    let address = free_port();
    let (host, port) = (address.ip(), address.port());
    let site = Site::new(&format!(
        "[[destination]]\nname = 'pacs'\nhost = '{host}'\nport = {port}\nae_title = 'STORESCP'\nassessments = true\n\
         [delivery]\nassessment_quiet_seconds = 0\n"
    ));
    let folder = site.path("archive");
    std::fs::create_dir(&folder).unwrap();
    let archive = Command::new("storescp")
        .args(["-aet", "STORESCP", "-od", folder.to_str().unwrap(), &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let archive = Killed(archive.unwrap());
    let runtime = runtime();
    deploy(&site, "phantom-cxr", "active");
    site.person("root", "governance");
    site.person("anna", "radiologist");
    let running = site.serve("info");
    send(&site, &runtime, &phantom(1, 0));
    let outcome = ended(&site, &phantom(1, 0), "phantom-cxr");
    wait_for_delivery(&site);
    let result = outcome["results"][0]["sop_instance_uid"].as_str().unwrap();
    let n_findings = outcome["inference"]["findings"].as_array().unwrap().len();
    assert_eq!(answer(&site, "anna", json!({ "result": result, "agreement": "agree" })), n_findings);
    let begun = Instant::now();
    let report = loop {
        let delivered = site.json("/api/v1/deliveries?state=delivered")["items"].as_array().unwrap().clone();
        let report = delivered.into_iter().find(|one| one["result_kind"] == "assessment_report");
        if let Some(report) = report {
            break report;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    };
    running.stop();
    drop(archive);
    let uid = report["sop_instance_uid"].as_str().unwrap();
    let mut files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.to_string_lossy().ends_with(uid)).expect("the file of the report");
    let output = Command::new("dciodvfy").arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("EnhancedSR") && !text.contains("Error"), "{text}");
    let output = Command::new("dsrdump").arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("AI Result Assessment"), "{text}");
    assert_eq!(text.matches("\"Accepted\"").count(), n_findings, "{text}");
}
