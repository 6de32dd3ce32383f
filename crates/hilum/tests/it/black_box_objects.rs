//! Segmentations and secondary captures of a product that is a DICOM node, made by highdicom: bound to the question, passed by
//! the gate, delivered as they came; what is malformed does not leave, with its reason (AV-08, AV-16, AV-17).

use crate::black_box::{alarms, apply, ended, hex_digest, outcome, phantom, quarantine, runtime, send, until};
use crate::oip::python;
use crate::product::{DEADLINE, Product, import_with};
use crate::program::{Site, destination};
use hilum_testkit::{Phantom, SimulatedPacs};
use hilum_types::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const REPORT: &str = "1.2.840.10008.5.1.4.1.1.88.33";
const SEGMENTATION: &str = "1.2.840.10008.5.1.4.1.1.66.4";
const CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

#[test]
fn segmentations_and_captures_of_a_product_are_delivered_as_they_came_or_not_at_all() {
    let Some(python) = python("pynetdicom, highdicom, pydicom, numpy") else { return };
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&format!("[delivery]\nretry_seconds_first = 1\n{}", destination(&pacs)));
    let product = Product::start(&python, site.dimse);
    // Some answers are of several objects, and however slowly one follows another they are one answer.
    let package = import_with(&site, "nodule-box", product.address, (DEADLINE, 15), "");
    apply(&site, "nodules", &package, "state='active'\ndestinations=['pacs']");
    let running = site.serve("info");

    let makes = |objects: &[&str], spoil: &str| json!({ "mode": "normal", "objects": objects, "spoil": spoil });
    let behaviours = [
        ("ALL", makes(&["sr", "seg", "sc"], "")),
        ("SEG", makes(&["seg"], "")),
        ("SC", makes(&["sc"], "")),
        ("SEGCUT", makes(&["sr", "seg"], "cut")),
        ("SCCUT", makes(&["sr", "sc"], "cut")),
        ("SEGEMPTY", makes(&["seg"], "no-pixels")),
        ("SCEMPTY", makes(&["sc"], "no-pixels")),
        ("SEGOTHER", makes(&["seg"], "other-segment")),
        ("SEGPATIENT", makes(&["sr", "seg"], "other-patient")),
        ("CUTOFF", json!({ "mode": "cut-off", "objects": ["seg"] })),
    ];
    let by_accession: serde_json::Map<String, Value> =
        behaviours.iter().map(|(accession, how)| ((*accession).to_owned(), how.clone())).collect();
    product.behave(json!({ "mode": "normal" }), by_accession.into());
    let studies: Vec<(&str, Phantom)> =
        (120..).zip(&behaviours).map(|(seed, (accession, _))| (*accession, phantom(seed, accession))).collect();
    for (_, study) in &studies {
        send(&runtime, "HILUM", site.dimse, study);
    }
    let outcomes: Vec<String> =
        studies.iter().map(|(accession, study)| format!("{accession}: {}", outcome(&site, study, "nodules"))).collect();
    insta::assert_snapshot!(outcomes.join("\n"), @r"
    ALL: analysed
    SEG: analysed
    SC: analysed
    SEGCUT: failed product.malformed
    SCCUT: failed product.malformed
    SEGEMPTY: failed product.malformed
    SCEMPTY: failed product.malformed
    SEGOTHER: failed product.malformed
    SEGPATIENT: failed product.identity
    CUTOFF: failed product.no-answer
    ");

    // Bound to the question: results of the study, and no images of it; what they say is on record.
    let of = |accession: &str| {
        let study = &studies.iter().find(|(name, _)| *name == accession).unwrap().1;
        ended(&site, study, "nodules")
    };
    let all = of("ALL");
    assert_eq!((&all["n_instances"], &all["revision"]), (&json!(1), &json!(1)), "{all}");
    let kinds: BTreeMap<&str, usize> =
        all["deployment"]["results"].as_array().unwrap().iter().fold(BTreeMap::new(), |mut counts, result| {
            *counts.entry(result["kind"].as_str().unwrap()).or_default() += 1;
            counts
        });
    assert_eq!(kinds, BTreeMap::from([("report", 1), ("segmentation", 1), ("key_image", 1)]), "{all}");
    assert_eq!(all["deployment"]["inference"]["findings"][0]["label"], "nodule", "{all}");
    for accession in ["ALL", "SEG"] {
        let ended = of(accession);
        assert_eq!(ended["deployment"]["inference"]["segments"][0]["meaning"], "Nodule", "{accession}: {ended}");
    }
    for (accession, text) in [
        ("SEGCUT", "a segmentation of 64 x 64 pixels and 1 frames whose pixel data end after 10 bytes"),
        ("SCCUT", "a secondary capture of 64 x 64 pixels and 1 frames whose pixel data end after 10 bytes"),
        ("SEGEMPTY", "a segmentation without pixel data"),
        ("SCEMPTY", "a secondary capture without pixel data"),
        ("SEGOTHER", "a segmentation whose frame 1 is of segment 1, which is not described"),
    ] {
        let ended = of(accession);
        assert!(ended["deployment"]["reasons"].to_string().contains(text), "{accession}: {ended}");
    }

    // Delivered as they came: the five objects of the three good answers, and nothing else.
    until("every good object is delivered", &site, || pacs.kept_uids().len() == 5);
    product.wait_for("sent", "CUTOFF", 1);
    running.stop();
    let made: Vec<(String, Digest)> = ["ALL", "SEG", "SC"]
        .into_iter()
        .flat_map(|accession| product.events("made", accession))
        .map(|made| (made["kind"].as_str().unwrap().to_owned(), hex_digest(made["data_set"].as_str().unwrap())))
        .collect();
    let mut sent: Vec<&str> = made.iter().map(|(class, _)| class.as_str()).collect();
    sent.sort_unstable();
    assert_eq!(sent, [SEGMENTATION, SEGMENTATION, CAPTURE, CAPTURE, REPORT]);
    let delivered = pacs.received();
    assert_eq!(delivered.len(), 5, "something was sent twice, or should not have left");
    for object in &delivered {
        let as_made = made.iter().any(|(class, digest)| (class, digest) == (&object.sop_class_uid, &object.digest));
        assert!(as_made, "an object of class {} was changed on its way", object.sop_class_uid);
    }

    // What is about somebody else waits in quarantine, what was cut off was not taken; a person was told.
    let running = site.serve("info");
    assert_eq!(product.events("sent", "CUTOFF")[0]["statuses"], json!([0xC000]));
    let waiting = quarantine(&site);
    assert!(waiting.contains(&"product.identity".to_owned()), "{waiting:?}");
    let told = alarms(&site).join("\n");
    assert!(told.contains("product-malformed") && told.contains("product-identity"), "{told}");
    assert!(!told.contains("SOMEBODY-ELSE"), "an alarm names a patient: {told}");
    running.stop();
}
