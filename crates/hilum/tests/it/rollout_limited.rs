//! A version limited to a site and a station, from outside (MV-18): studies of several rooms sent by C-STORE, each answered
//! by exactly one version, and the reason on record.

use crate::program::{Site, destination, package, wait_for_delivery};
use crate::rollout::{apply, copy_with_version, delivered, ended, import, runtime, stdout};
use hilum_testkit::{Acquisition, FindingSpec, Phantom, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// A radiograph of that patient, taken by that machine.
fn radiograph(seed: u64, machine: &Acquisition) -> Phantom {
    let mut subject = Subject::seeded(seed, Timestamp::from_micros(1_795_424_400_000_000));
    subject.accession = format!("ACC{seed}");
    dx(seed, &subject, machine, &[FindingSpec::nodule()]).unwrap()
}

fn send(site: &Site, runtime: &Runtime, study: &Phantom) {
    let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
    let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(study.instances.clone())));
    assert_eq!(ledger.failures().count(), 0);
}

/// Identifiers of the results that were recorded for delivery.
fn delivered_uids(outcome: &Value) -> Vec<String> {
    let results = outcome["results"].as_array().unwrap();
    results.iter().map(|result| result["sop_instance_uid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn only_the_station_of_the_rollout_is_answered_by_the_new_version() {
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    let one = import(&site, &package("phantom-cxr"));
    let two = import(&site, &copy_with_version(&site, "1.1.0"));
    stdout(&apply(&site, "cxr", &one, "state='active'\ndestinations=['pacs']"));
    stdout(&apply(
        &site,
        "cxr-next",
        &two,
        // Names are compared without regard to case; the second station is named by its serial number.
        "state='limited'\nchampion='cxr'\ndestinations=['pacs']\n[deployment.rollout]\n\
         sites=['harbour general hospital']\nstations=['DXROOM1', 'NL-30112']",
    ));
    let running = site.serve("info");

    let elsewhere = |station: &str, institution: &str| Acquisition {
        station: station.into(),
        institution: institution.into(),
        ..Acquisition::radiograph_other_vendor()
    };
    let rooms = [
        ("room 1", Acquisition::radiograph(), Ok(())),
        ("bedside, by its serial number", Acquisition::radiograph_bedside(), Ok(())),
        ("room 2", Acquisition::radiograph_other_vendor(), Err("assignment.other-station")),
        ("room 1 of another site", elsewhere("DXROOM1", "Hill Clinic"), Err("assignment.other-site")),
        ("a site that says nothing", elsewhere("DXROOM1", ""), Err("assignment.other-site")),
        ("a station that says nothing", elsewhere("", "Harbour General Hospital"), Err("assignment.other-station")),
    ];
    let mut left = BTreeSet::new();
    for (seed, (room, machine, expected)) in (0..).zip(&rooms) {
        // Two patients in every room.
        for study in [radiograph(20 + 2 * seed, machine), radiograph(21 + 2 * seed, machine)] {
            send(&site, &runtime, &study);
            let (champion, next) = (ended(&site, &study, "cxr"), ended(&site, &study, "cxr-next"));
            for outcome in [&champion, &next] {
                assert_eq!(outcome["disposition"], "analysed", "{room}: {outcome}");
            }
            let (answers, silent) = if expected.is_ok() { (&next, &champion) } else { (&champion, &next) };
            assert!(delivered(answers) && !delivered(silent), "{room}: {answers}\n{silent}");
            left.extend(delivered_uids(answers));
            // Both sides say the same, and why.
            let code = expected.err().unwrap_or("assignment.limited");
            for outcome in [&champion, &next] {
                let decisions = outcome["decisions"].to_string();
                assert!(decisions.contains(&format!("\"{code}\"")), "{room}: {code} is not in {decisions}");
            }
        }
    }

    wait_for_delivery(&site);
    running.stop();
    let arrived: BTreeSet<String> = pacs.received().iter().map(|object| object.sop_instance_uid.clone()).collect();
    assert_eq!(arrived, left, "something else left than the one answer of each study");
    assert!(stdout(&site.run(&["audit", "verify"])).contains("whole"));
}
