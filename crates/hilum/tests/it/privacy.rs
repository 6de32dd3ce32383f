//! PR-04: canary names, ids and UIDs go everywhere, and no log at TRACE and no metric contains one.

use crate::program::{Site, deploy, destination, wait_for_delivery};
use hilum_testkit::{Acquisition, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use std::sync::Arc;

const CANARIES: [&str; 5] = ["CANARYNAME", "CANARYPID", "CANARYACC", "CANARYREF", "CANARYSID"];

#[test]
fn no_log_and_no_metric_holds_patient_data() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    deploy(&site, "phantom-cxr", "active");
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
