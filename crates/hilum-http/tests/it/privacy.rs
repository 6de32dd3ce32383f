//! PR-04: with canary names and identifiers injected, no log line, error or metric holds one.

use crate::house::House;
use crate::object::Object;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Captured;
    fn make_writer(&'a self) -> Captured {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_line_names_a_patient() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(captured.clone())
        .with_ansi(false)
        .finish();
    // For the whole process: a default of one thread is missed by callsites that another test met first.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let house = House::new().await;
    // Ten digits, which no time in the log and no digest holds by chance.
    let mut object = Object::new(4_242_424_242, 1);
    object.patient_name = "CANARY^NAME".into();
    object.patient_id = "CANARYID".into();
    object.accession = "CANARYACC".into();
    object.description = "CANARYDESC".into();
    house.stow(&[object.clone()]).await;
    let mut cut = object.file();
    cut.truncate(cut.len() - 20);
    let _ = house.send(crate::house::stow_request("/dicom-web/studies", &[cut])).await;
    let _ = house.json("/api/v1/studies?accession_number=CANARYACC").await;
    let _ = house.json(&format!("/api/v1/studies/{}", object.study)).await;
    let (_, file) = house.get(&format!("/api/v1/instances/{}/file", object.instance)).await;
    assert!(!file.is_empty());
    for address in [
        "/api/v1/studies/CANARYACC".to_owned(),
        "/api/v1/studies?unknown=CANARYACC".to_owned(),
        "/CANARYACC?x=CANARYID".to_owned(),
        format!("/api/v1/studies/{}.9", object.study),
    ] {
        let (_, body) = house.get(&address).await;
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(!body.contains("CANARY") && !body.contains("4242424242"), "{address}: {body}");
    }
    let _ = house.post_form("/find", "accession=CANARYACC").await;
    let metrics = house.page("/metrics").await;
    let logged = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("http.route=\"/api/v1/studies/{study}\""), "the log was captured: {logged}");
    for text in [&logged, &metrics] {
        for canary in ["CANARY", "4242424242"] {
            let line = text.lines().find(|line| line.contains(canary));
            assert_eq!(line, None);
        }
    }
}
