//! Acknowledged means durable (AV-03, R1, R3): the server is killed again and again while four senders send.
//!
//! `HILUM_CRASH_ROUNDS` sets the number of kills (6 when not set; `bench/crash.sh` runs 100 and more).

use crate::program::{Running, Site, have};
use hilum_store::catalog::{self, CatalogOptions};
use hilum_store::{BlobOptions, BlobStore, LocalBlobs, verify_storage};
use hilum_testkit::{Acquisition, Draw, Ledger, Phantom, SimulatedModality, Subject, dx};
use hilum_types::{Digest, Timestamp, Uid};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Where a kill is injected: on the way of a store, call by call (architecture section 4).
const SYSTEM_CALLS: [&str; 5] = ["fdatasync", "rename", "fsync", "pwrite64", "openat"];

fn phantom(seed: u64) -> Phantom {
    let at = Timestamp::from_micros(1_795_424_400_000_000);
    let acquisition = Acquisition::radiograph().with_matrix(48, 48);
    dx(seed, &Subject::seeded(seed, at), &acquisition, &[]).unwrap()
}

/// Attach strace so that the server is killed at the `when`-th call from now on.
fn kill_at(server: &Running, call: &str, when: u32) -> Child {
    let inject = format!("--inject={call}:signal=KILL:when={when}");
    Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={call}"), &inject, "-o", "/dev/null", "-p", &server.id().to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let rounds: u32 = std::env::var("HILUM_CRASH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let strace = have("strace");
    let site = Site::new("");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut acknowledged: BTreeMap<String, Digest> = BTreeMap::new();
    let mut draw = Draw::new(7, "crash");
    for round in 0..rounds {
        let mut server = site.serve("warn");
        let senders = runtime.spawn(send(site.dimse, round));
        let mut tracer = None;
        if strace && round % 2 == 1 {
            let call = SYSTEM_CALLS[(round / 2) as usize % SYSTEM_CALLS.len()];
            tracer = Some(kill_at(&server, call, 1 + draw.index(40) as u32));
        }
        // A random moment while objects come in; an injected kill may come earlier.
        runtime.block_on(async { tokio::time::sleep(Duration::from_secs_f64(0.05 + draw.unit())).await });
        server.kill();
        if let Some(mut tracer) = tracer {
            tracer.wait().unwrap();
        }
        for ledger in runtime.block_on(senders).unwrap() {
            for (uid, digests) in ledger.acknowledged() {
                acknowledged.insert(uid.to_owned(), *digests.first().unwrap());
            }
        }
    }
    // A last start sweeps what the kills left behind.
    drop(site.serve("warn"));
    let (missing, leftovers, orphans) = runtime.block_on(examine(&site, &acknowledged));
    println!("{rounds} kills, {} acknowledged, {missing} missing or different", acknowledged.len());
    assert!(!acknowledged.is_empty(), "no instance was ever acknowledged, so nothing was tested");
    assert_eq!((missing, leftovers, orphans), (0, 0, 0), "missing, temporary files, orphan blobs");
    let verified = site.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// Four senders, each with objects of its own, until the server goes away.
async fn send(server: std::net::SocketAddr, round: u32) -> Vec<Ledger> {
    let lanes = (0..4u64).map(|lane| async move {
        let seed = u64::from(round) * 10_000 + lane * 1_000;
        let mut ledger = Ledger::default();
        for number in 0..500 {
            let phantom = phantom(seed + number);
            let modality = SimulatedModality::new("SENDER".parse().unwrap(), "HILUM".parse().unwrap(), server);
            let sent = modality.send(Arc::<[_]>::from(phantom.instances)).await;
            let gone = sent.failures().next().is_some();
            ledger.sent.extend(sent.sent);
            if gone {
                break;
            }
        }
        ledger
    });
    let tasks: Vec<_> = lanes.map(tokio::spawn).collect();
    let mut ledgers = Vec::new();
    for task in tasks {
        ledgers.push(task.await.unwrap());
    }
    ledgers
}

async fn examine(site: &Site, acknowledged: &BTreeMap<String, Digest>) -> (usize, usize, usize) {
    let data = site.path("data");
    let blobs = LocalBlobs::open(&data, &BlobOptions { reserve_bytes: 0 }).unwrap();
    let url = format!("sqlite:{}", data.join("catalog.sqlite").display());
    let catalog = catalog::open(&url, &CatalogOptions::default()).await.unwrap();
    let mut missing = 0;
    for (uid, digest) in acknowledged {
        let uid: Uid = uid.parse().unwrap();
        let versions = catalog.instance_versions(&uid).await.unwrap();
        let [stored] = versions.as_slice() else {
            missing += 1;
            continue;
        };
        let bytes = blobs.blob_get(&stored.blob).await.unwrap();
        let scanned = hilum_dicom::read_part10_header(&bytes, &hilum_dicom::Limits::default()).unwrap();
        missing += usize::from(Digest::of(&bytes[scanned.data_set_offset..]) != *digest);
    }
    let temporary = std::fs::read_dir(data.join("incoming")).unwrap().count();
    let report = verify_storage(&blobs, &*catalog).await.unwrap();
    (missing + report.missing.len(), temporary, report.orphans.len())
}
