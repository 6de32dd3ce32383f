//! A product that is a DICOM node, and images unlike those it was accepted on: they are measured here, whatever the product makes
//! of them, and its answer is withheld with the reason (AV-08, MV-04, MV-23).

use crate::acceptance::{import as import_cases, phantoms};
use crate::black_box::{apply, ended, runtime, send, until};
use crate::oip::python;
use crate::product::{LONG_DEADLINE, Product, import_with};
use crate::program::{Site, destination};
use hilum_testkit::{Acquisition, FindingSpec, Phantom, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;

/// Just enough for the rate: what lies outside is farther out than every one of them, so a case of the set lies inside.
const N_CASES: u64 = 48;

/// A phantom like those of the reference set, but for its acquisition.
fn study(n: u64, acquisition: &Acquisition) -> Phantom {
    let mut subject = Subject::seeded(n / 2, Timestamp::from_micros(1_795_424_400_000_000));
    subject.accession = format!("ENV{n}");
    let findings = if n.is_multiple_of(2) { vec![FindingSpec::effusion()] } else { vec![] };
    dx(n, &subject, acquisition, &findings).unwrap()
}

#[test]
fn the_answer_of_a_product_is_withheld_outside_the_envelope() {
    let Some(python) = python("pynetdicom, highdicom, pydicom, numpy") else { return };
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&format!("[delivery]\nretry_seconds_first = 1\n{}", destination(&pacs)));
    let product = Product::start(&python, site.dimse);
    let package = import_with(&site, "nodule-box", product.address, (LONG_DEADLINE, 1), "");
    let declare = |outside: &str| {
        let envelope = format!("outside='{outside}'\nfalse_withhold_rate=0.021\ngroup_cases=2\n");
        let plan = format!("state='active'\ndestinations=['pacs']\n[deployment.monitoring.envelope]\n{envelope}");
        apply(&site, "nodules", &package, &plan);
    };
    declare("withhold");
    let (folder, table) = phantoms(&site, "cases", 0..N_CASES);
    site.done(&import_cases(&folder, &table));
    let learn = ["monitor", "envelope", "--reference", "phantoms", "--model", "nodule-box@3.1"];
    let said = site.done(&[&learn[..], &["--deployment", "nodules"]].concat());
    assert!(said.contains("learned from 48 cases of 1 acquisition groups"), "{said}");
    let running = site.serve("info");
    // How a study ends, with code and text of what decided.
    let told = |phantom: &Phantom| {
        send(&runtime, "HILUM", site.dimse, phantom);
        let deployment = ended(&site, phantom, "nodules")["deployment"].clone();
        let reason = deployment["reasons"][0].clone();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        (text(&deployment["disposition"]), text(&reason["code"]), text(&reason["text"]))
    };
    let usual = Acquisition::radiograph();
    let noisy = Acquisition { noise: 15.0, ..usual.clone() };

    // Like the accepted ones: the answer leaves as it came.
    assert_eq!(told(&study(2, &usual)).0, "analysed");
    until("the answer is delivered", &site, || pacs.kept_uids().len() == 1);

    // Noisy: the product answered, and what it said stays here; the reason names the value that decided.
    let (disposition, code, text) = told(&study(4, &noisy));
    assert_eq!((disposition.as_str(), code.as_str()), ("withheld", "envelope.outside"), "{text}");
    assert!(text.starts_with("outside the acquisition envelope of record ") && text.contains("noise "), "{text}");
    assert_eq!(product.events("made", "ENV4").len(), 1, "it was asked");

    // Other software is a group that it was not accepted on.
    let updated = Acquisition { software: "3.3.0".into(), ..usual.clone() };
    let (disposition, code, text) = told(&study(6, &updated));
    assert_eq!((disposition.as_str(), code.as_str()), ("withheld", "group.new"), "{text}");
    assert!(text.contains("software 3.3.0"), "{text}");

    // Objects of a product leave as they came, so nothing can be marked on them: they stay here.
    declare("mark");
    let (disposition, code, text) = told(&study(8, &noisy));
    assert_eq!((disposition.as_str(), code.as_str()), ("withheld", "envelope.unmarked"), "{text}");
    assert!(text.contains("outside the acquisition envelope") && text.contains("cannot be marked on them"), "{text}");

    // The next usual one leaves: what was withheld stopped nothing, and nothing of it was sent meanwhile.
    assert_eq!(told(&study(10, &usual)).0, "analysed");
    until("the next answer is delivered", &site, || pacs.kept_uids().len() == 2);
    running.stop();
    assert_eq!(pacs.received().len(), 2, "an answer that was withheld left");
    assert!(site.done(&["audit", "verify"]).contains("whole"));
}
