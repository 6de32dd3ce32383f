//! Against hl7apy and the MLLP client of python-hl7. The interpreter is `HILUM_PYTHON` or `python3`.

use crate::mllp::house;
use hilum_store::BlobStore;
use hilum_store::labels::ReportFilter;
use std::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_of_hl7apy_is_taken_and_its_answer_is_valid() {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import hl7, hl7apy"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let text = "hl7 and hl7apy are not importable; name an interpreter that has them in HILUM_PYTHON";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("skipped: {text}");
        return;
    }
    let house = house("127.0.0.1").await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/peer.py");
    let port = house.address.port().to_string();
    let sent = tokio::task::spawn_blocking(move || Command::new(python).args([script, &port]).output().unwrap());
    let output = sent.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept = house.catalog.report_list(&ReportFilter::default(), 10).await.unwrap();
    assert_eq!((kept.len(), kept[0].accession_number.reveal().as_str()), (1, "A1"));
    let text = house.blobs.blob_get(&kept[0].blob).await.unwrap();
    assert_eq!(text, "Kein Erguß & kein Infiltrat.".as_bytes());
    house.stop.send_replace(true);
}
