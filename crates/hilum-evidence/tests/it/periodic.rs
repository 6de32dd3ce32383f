//! GV-04: exposure with intervals, what happened, and an honest list of what it cannot say.

use crate::fixture::{at, package, site};
use hilum_evidence::periodic::{BookDay, Counted};
use hilum_evidence::{PeriodicReport, Window};
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
    assert!(missing[0].starts_with("Performance in use") && missing.iter().any(|what| what.contains("not ended yet")));

    let record = report.record("user:anna");
    assert_eq!(record.digest(), report.record("user:bo").digest());
    let page = report.page().unwrap();
    assert!(page.contains("64.6 %") && page.contains("no declaration of conformity"), "{page}");
    assert!(Window::new(at(1), at(1)).is_err());
    assert!(PeriodicReport::new(&site.facts, "ct", window, &counted()).is_err());
}
