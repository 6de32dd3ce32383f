//! What leaves as a table: rows that other programs read, and nobody's name.

use crate::program::{Site, deploy, destination, wait_for_delivery};
use hilum_testkit::{Acquisition, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use std::process::Output;
use std::sync::Arc;

const CANARIES: [&str; 5] = ["CANARYNAME", "CANARYPID", "CANARYACC", "CANARYREF", "CANARYSID"];

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// PR-13: analysed and labelled phantoms leave without a name, number, date or UID of theirs, and the chain says so.
#[test]
fn an_export_names_no_patient() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    deploy(&site, "phantom-cxr", "active");
    let running = site.serve("info");
    let mut subject = Subject::seeded(1, Timestamp::from_micros(1_795_424_400_000_000));
    subject.name = "CANARYNAME^X".into();
    subject.patient_id = "CANARYPID1".into();
    subject.accession = "CANARYACC1".into();
    subject.referring = "CANARYREF^X".into();
    subject.study_id = "CANARYSID".into();
    let phantom = dx(1, &subject, &Acquisition::radiograph(), &[]).unwrap();
    let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
    let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(phantom.instances.clone())));
    assert_eq!(ledger.failures().count(), 0);
    wait_for_delivery(&site);
    running.stop();
    let deployments = good(&site.run(&["deployments"]));
    let name = deployments.split_whitespace().next().expect("one deployment").to_owned();
    let finding = {
        let out = site.path("first.csv");
        good(&site.run(&["export", "inferences", "--deployment", &name, "--csv", "--out", out.to_str().unwrap()]));
        let mut rows = csv::Reader::from_path(out).unwrap();
        let outputs = rows.headers().unwrap().iter().position(|column| column == "outputs").unwrap();
        let row = rows.records().next().expect("one study was analysed").unwrap();
        let said: serde_json::Value = serde_json::from_str(&row[outputs]).unwrap();
        said.as_object().unwrap().keys().next().expect("the model says something").clone()
    };
    let labelled = ["label", "add", "CANARYACC1", "--deployment", &name, "--finding", &finding, "--truth", "absent"];
    good(&site.run(&labelled));
    let uids = [&phantom.study_instance_uid, &phantom.instances[0].sop_instance_uid].map(ToString::to_string);
    for what in ["inferences", "labels"] {
        for (file, csv) in [(format!("{what}.parquet"), false), (format!("{what}.csv"), true)] {
            let out = site.path(&file);
            let mut asked = vec!["export", what, "--deployment", &name, "--out", out.to_str().unwrap()];
            asked.extend(csv.then_some("--csv"));
            let said = good(&site.run(&asked));
            assert!(said.contains(": 1 row as known on"), "{said}");
            assert!(!site.run(&asked).status.success(), "an earlier file is not written over");
            let bytes = std::fs::read(&out).unwrap();
            for canary in CANARIES.iter().copied().chain(uids.iter().map(String::as_str)) {
                let found = bytes.windows(canary.len()).any(|window| window.eq_ignore_ascii_case(canary.as_bytes()));
                assert!(!found, "{file} holds {canary}");
            }
            if csv {
                let text = String::from_utf8(bytes).unwrap();
                assert!(text.contains(&name) && text.contains(&finding), "the search looks at what is there: {text}");
            }
        }
    }
    good(&site.run(&["audit", "verify"]));
    let before = ["export", "labels", "--deployment", &name, "--as-of", "2020-01-01T00:00:00Z", "--out"];
    let out = site.path("before.parquet");
    let said = good(&site.run(&[&before[..], &[out.to_str().unwrap()]].concat()));
    assert!(said.contains(": 0 rows as known on 2020-01-01"), "{said}");
}
