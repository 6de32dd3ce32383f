//! GV-04: exposure with intervals, what happened, and an honest list of what it cannot say.

use crate::fixture::{at, package, site};
use hilum_evidence::periodic::{BookDay, Counted};
use hilum_evidence::{PeriodicReport, Window};
use hilum_sign::{NewRecord, Record, RecordKind};
use std::collections::BTreeMap;

fn counted() -> Counted {
    let day = |day: &str, arrived, analysed, failed, open| BookDay {
        day: day.to_owned(),
        arrived,
        analysed,
        not_eligible: arrived - analysed - failed - open,
        withheld: 0,
        failed,
        expired: 0,
        open,
    };
    Counted {
        days: vec![day("2026-11-23", 200, 150, 10, 0), day("2026-11-24", 63, 20, 0, 1)],
        reasons: BTreeMap::from([
            (("not_eligible".into(), "intended-use.view".into()), 82),
            (("failed".into(), "model.failed".into()), 10),
            (("analysed".into(), String::new()), 170),
        ]),
        runs: BTreeMap::from([(package(), 180)]),
        labels: BTreeMap::new(),
        deliveries: BTreeMap::from([("delivered".into(), 338), ("dead".into(), 2)]),
        delivery_seconds: vec![0.5, 1.0, 2.0, 40.0],
        alarms: vec![],
    }
}

#[test]
fn it_counts_and_names_what_is_missing() {
    let site = site();
    let window = Window::new(at(0), at(2 * 86_400)).unwrap();
    let report = PeriodicReport::new(&site.facts, "cxr", window, &counted()).unwrap();
    assert_eq!((report.arrived, report.open), (263, 1));
    let analysed = &report.dispositions[0];
    assert_eq!((analysed.name.as_str(), analysed.count, analysed.n), ("analysed", 170, 263));
    assert!(analysed.lower < analysed.value && analysed.value < analysed.upper);
    assert_eq!(report.reasons[0].name, "not_eligible: intended-use.view");
    assert_eq!(report.versions[0].model, "phantom-cxr@1.1.0");
    assert_eq!(report.changes.len(), 2);
    assert_eq!(report.tests.len(), 1);
    assert!(
        report.tests[0].what.contains("AUROC") && report.tests[0].what.contains("approved by anna"),
        "{:?}",
        report.tests
    );
    let missing: Vec<&str> = report.missing.iter().map(|missing| missing.what.as_str()).collect();
    assert!(missing[0].contains("no label was entered in this window, and no figures"), "{missing:?}");
    assert!(missing.iter().any(|what| what.contains("not ended yet")));

    let record = report.record("user:anna");
    assert_eq!(record.digest(), report.record("user:bo").digest());
    let page = report.page().unwrap();
    assert!(page.contains("64.6 %") && page.contains("no declaration of conformity"), "{page}");
    assert!(Window::new(at(1), at(1)).is_err());
    assert!(PeriodicReport::new(&site.facts, "ct", window, &counted()).is_err());
}

/// MV-20: labels and the figures kept of them are shown, and it is never said that there are none.
#[test]
fn labels_and_figures_in_use_are_told() {
    let mut site = site();
    let window = Window::new(at(0), at(2 * 86_400)).unwrap();
    let labelled = Counted {
        labels: BTreeMap::from([
            (("nodule".into(), "directly_exposed".into()), 3),
            (("nodule".into(), "unexposed".into()), 40),
        ]),
        ..counted()
    };
    let told = |site: &crate::fixture::Site, counted: &Counted| {
        let report = PeriodicReport::new(&site.facts, "cxr", window, counted).unwrap();
        let performance = report.missing.iter().find(|missing| missing.what.starts_with("Performance in use"));
        (performance.map(|missing| (missing.what.clone(), missing.remedy.clone())), report)
    };
    let (without, report) = told(&site, &labelled);
    let (what, remedy) = without.unwrap();
    assert!(what.contains("labels entered in this window: 43; no figures"), "{what}");
    assert!(remedy.contains("`hilum monitor evidence cxr --record`"), "{remedy}");
    let page = report.page().unwrap();
    assert!(page.contains("nodule, unexposed") && page.contains("nodule, directly exposed"), "{page}");

    let figure = |name: &str, cut: &str, classes: &[&str]| {
        serde_json::json!({
            "name": name, "finding": "nodule", "cut": cut, "validated": true, "value": 0.875, "lower": 0.739, "upper": 0.945,
            "n": 40, "method": "proportion/wilson", "label_classes": classes, "as_of": "2026-11-23T12:00:00.000000Z",
        })
    };
    let body = serde_json::json!({
        "format": 1, "deployment": "cxr", "from": "2026-08-25T12:00:00.000000Z", "as_of": "2026-11-23T12:00:00.000000Z",
        "n_observations": 263, "n_labels": 43,
        "figures": [figure("sensitivity", "", &["unexposed"]), figure("specificity", "station=CR-1", &["unexposed"]), figure("share_positive", "", &[])],
    });
    let kind = RecordKind::MonitoringEvidence;
    let kept = site.record(NewRecord { kind, subject: "cxr".into(), body, author: "user:anna".into() });
    let (missing, report) = told(&site, &labelled);
    assert_eq!(missing, None);
    let [entry] = report.evidence.as_slice() else { panic!("{:?}", report.evidence) };
    assert_eq!(entry.record, Some(kept));
    let expected = "performance in use, 2026-08-25 to 2026-11-23: 263 studies, 43 labels; sensitivity nodule 0.875 (0.739 to 0.945, n 40, \
                    proportion/wilson)";
    assert!(entry.what.starts_with(expected) && !entry.what.contains("specificity"), "{}", entry.what);
    let (what, _) = told(&site, &counted()).0.unwrap();
    assert!(what.contains("the figures kept in it rest on earlier labels, or on none"), "{what}");

    // A report that was entered before there were labels is still read.
    let mut record = report.record("user:anna");
    let body = record.body.as_object_mut().unwrap();
    for later in ["labels", "evidence"] {
        body.remove(later).unwrap();
    }
    let (digest, created_at) = (record.digest(), at(1));
    let NewRecord { kind, subject, body, author } = record;
    let earlier =
        PeriodicReport::from_record(&Record { digest, kind, subject, body, author, created_at, signatures: vec![] });
    assert!(earlier.unwrap().labels.is_empty());
}
