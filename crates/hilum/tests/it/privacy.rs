//! PR-04: canary names, ids and UIDs go everywhere, and no log at TRACE and no metric contains one.

use crate::program::{PATIENCE, Site, deploy, destination, free_port, wait_for_delivery};
use hilum_testkit::{Acquisition, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

const CANARIES: [&str; 8] = [
    "CANARYNAME",
    "CANARYPID",
    "CANARYACC",
    "CANARYREF",
    "CANARYSID",
    // What reports say, what a reader remarks, and the password that the remark came with.
    "CANARYTEXT",
    "CANARYREMARK",
    "anna has a password",
];

/// One message over MLLP, and what is answered.
fn mllp(address: SocketAddr, message: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[b"\x0b", message.as_bytes(), b"\x1c\r"].concat()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\x1c\r") && stream.read(&mut byte).unwrap() != 0 {
        answer.push(byte[0]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reports of every kind, and a reader's answer: whole, and with something wrong in each.
fn say_what_is_true(site: &Site, reports: SocketAddr, study: &str) {
    let header = "MSH|^~\\&|RIS|H|HILUM||20261123||ORU^R01^ORU_R01|CANARYSID1|P|2.5.1|||||DE|UNICODE UTF-8\r";
    let patient = "PID|1||CANARYPID1^^^H||CANARYNAME^CANARYNAME||19500101|F\r";
    let order = "OBR|1||CANARYACC1F|||||||||||||||CANARYACC1|||||||F\r";
    let text = "OBX|1|TX|||CANARYTEXT: no nodule.||||||F\r";
    let whole = [header, patient, order, text].concat();
    let answer = mllp(reports, &whole);
    assert!(answer.contains("MSA|AA|CANARYSID1"), "{answer}");
    for wrong in [
        whole.replace("CANARYTEXT", "CANARYTEXT again"),
        whole.replace("|UNICODE UTF-8", "|CANARYTEXT").replace("CANARYSID1", "CANARYSID2"),
        whole.replace("ORU^R01^ORU_R01", "CANARYNAME^CANARYTEXT"),
        whole.replace("|||||||F\r", "|||||||CANARYTEXT\r").replace("CANARYSID1", "CANARYSID3"),
        [header, patient, text].concat().replace("CANARYSID1", "CANARYSID4"),
        text.to_owned(),
    ] {
        let answer = mllp(reports, &wrong);
        assert!(answer.contains("MSA|AE|") || answer.contains("MSA|AR|"), "{answer}");
    }

    let report = json!({
        "resourceType": "DiagnosticReport", "status": "final",
        "identifier": [{ "type": { "coding": [{ "code": "ACSN" }] }, "value": "CANARYACC1" }],
        "subject": { "identifier": { "value": "CANARYPID1" }, "display": "CANARYNAME" },
        "conclusion": "CANARYTEXT: no nodule.",
    });
    let post = |path: &str, kind: &str, body: String| {
        let (status, answer) =
            site.request("POST", path, &format!("Content-Type: {kind}\r\n"), body.as_bytes()).unwrap();
        (status, String::from_utf8_lossy(&answer).into_owned())
    };
    let fhir = |body: String| post("/fhir/DiagnosticReport", "application/fhir+json", body);
    let (status, told) = fhir(report.to_string());
    assert_eq!(status, 201, "{told}");
    let mut wrong = report.clone();
    wrong["status"] = json!("CANARYTEXT");
    let cut = report.to_string().split_at(report.to_string().len() - 9).0.to_owned();
    for wrong in [wrong.to_string(), cut] {
        let (status, told) = fhir(wrong);
        assert_eq!(status, 400, "{told}");
    }
    let mut other = report;
    other["subject"]["identifier"]["value"] = json!("CANARYPID2");
    other["meta"] = json!({ "versionId": "2" });
    assert_eq!(fhir(other.to_string()).0, 201, "another patient: kept, and tied to nothing");

    let answer = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({
            "study": study, "finding": "nodule", "agreement": "agree", "comment": "CANARYREMARK", "user": "anna",
            "password": "anna has a password",
        });
        change(&mut body);
        post("/api/v1/assessments", "application/json", body.to_string())
    };
    let (status, told) = answer(&|_| {});
    assert_eq!(status, 201, "{told}");
    for wrong in [
        answer(&|body| body["finding"] = json!("CANARYNAME")),
        answer(&|body| body["agreement"] = json!("CANARYREMARK")),
        answer(&|body| body["password"] = json!("CANARYREMARK: not hers")),
        answer(&|body| body["user"] = json!("CANARYNAME")),
        answer(&|body| body["CANARYREMARK"] = json!(true)),
        answer(&|body| body["comment"] = json!("CANARYREMARK".repeat(200))),
    ] {
        assert!((400..500).contains(&wrong.0), "{wrong:?}");
    }
}

#[test]
fn no_log_and_no_metric_holds_patient_data() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let reports = free_port();
    let hl7 = format!("[hl7]\nlisten = '{reports}'\n[[hl7.peer]]\nname = 'ris'\naddress = '127.0.0.1'\n");
    let site = Site::new(&(destination(&pacs) + &hl7));
    deploy(&site, "phantom-cxr", "active");
    let file = site.path("phantom-cxr.toml");
    let declared = std::fs::read_to_string(&file).unwrap();
    let extractor = "[[deployment.monitoring.labels.extractor]]\nfinding = 'nodule'\nname = 'nodules'\nversion = '1'\n\
                     present = ['nodule']\n";
    std::fs::write(&file, declared + extractor).unwrap();
    let applied = site.run(&["apply", file.to_str().unwrap()]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    site.person("root", "governance");
    site.person("anna", "radiologist");
    let running = site.serve("trace");
    let at = Timestamp::from_micros(1_795_424_400_000_000);
    let mut subject = Subject::seeded(1, at);
    subject.name = "CANARYNAME^CANARYNAME".into();
    subject.patient_id = "CANARYPID1".into();
    subject.accession = "CANARYACC1".into();
    subject.referring = "CANARYREF^X".into();
    subject.study_id = "CANARYSID".into();
    let phantom = dx(1, &subject, &Acquisition::radiograph(), &[]).unwrap();
    let uids = [&phantom.study_instance_uid, &phantom.instances[0].sop_instance_uid].map(ToString::to_string);

    // Well-formed, cut short, and through the other door; then every question an outsider can ask.
    let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
    let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(phantom.instances.clone())));
    assert_eq!(ledger.failures().count(), 0);
    let file = phantom.instances[0].part10();
    for part in [file, &file[..file.len() / 2], &file[..300]] {
        let mut body = b"--b\r\nContent-Type: application/dicom\r\n\r\n".to_vec();
        body.extend_from_slice(part);
        body.extend_from_slice(b"\r\n--b--\r\n");
        let kind = "Content-Type: multipart/related; type=\"application/dicom\"; boundary=b\r\n";
        site.request("POST", "/dicom-web/studies", kind, &body).unwrap();
    }
    wait_for_delivery(&site);
    say_what_is_true(&site, reports, &uids[0]);
    let labels = site.json("/api/v1/labels");
    let sources = ["assessment", "report"].map(|source| labels.to_string().contains(&format!("\"{source}\"")));
    assert_eq!(sources, [true, true], "{labels}");
    for path in [
        "/api/v1/studies?accession_number=CANARYACC1".to_owned(),
        format!("/api/v1/studies/{}", uids[0]),
        format!("/api/v1/instances/{}/file", uids[1]),
        "/api/v1/studies?accession_number=CANARYACC1&state=nonsense".to_owned(),
        "/CANARYNAME/CANARYPID?x=CANARYACC".to_owned(),
    ] {
        site.get(&path).unwrap();
    }
    let metrics = String::from_utf8(site.get("/metrics").unwrap().1).unwrap();
    running.stop();
    let shown = site.run(&["study", "show", "CANARYACC1"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));

    let log = site.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not as talkative as it was asked to be");
    for (what, text) in [("log", &log), ("metrics", &metrics)] {
        for canary in CANARIES.iter().copied().chain(uids.iter().map(String::as_str)) {
            let line = text.lines().find(|line| line.contains(canary));
            assert!(line.is_none(), "{what} holds {canary}: {}", line.unwrap_or_default());
        }
    }
}
