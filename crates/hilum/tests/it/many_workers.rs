//! Two `hilum work` processes share one PostgreSQL; one is killed in the middle, and no job is lost or done twice.

use crate::program::{PATIENCE, Site, deploy, destination};
use hilum_store::testing::PostgresCluster;
use hilum_testkit::{Acquisition, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const STUDIES: u64 = 12;

#[test]
fn two_workers_share_one_postgresql_and_one_may_die() {
    let Some(cluster) = PostgresCluster::start() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&format!(
        "[catalog]\nurl = {:?}\n[worker]\nslots = WORKERS\nlease_seconds = 3\n{}",
        cluster.database(),
        destination(&pacs)
    ));
    let configure = |slots: &str| {
        let path = site.path("hilum.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<String> = text
            .lines()
            .map(|line| if line.starts_with("slots = ") { format!("slots = {slots}") } else { line.to_owned() })
            .collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
    };
    configure("0");
    deploy(&site, "phantom-cxr", "active");
    let serving = site.serve("warn");
    configure("1");
    let mut first = site.start("work", "warn");
    let second = site.start("work", "warn");

    let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
    let at = Timestamp::from_micros(1_795_424_400_000_000);
    for seed in 0..STUDIES {
        let phantom = dx(seed, &Subject::seeded(seed, at), &Acquisition::radiograph(), &[]).unwrap();
        let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(phantom.instances)));
        assert_eq!(ledger.failures().count(), 0);
    }
    // Kill one as soon as the first result is there, while others are under way.
    let begun = Instant::now();
    while pacs.received().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no result came: {}", site.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill();

    let begun = Instant::now();
    loop {
        let books = site.json("/api/v1/books");
        let analysed: u64 =
            books["books"].as_array().unwrap().iter().filter_map(|l| l["dispositions"]["analysed"].as_u64()).sum();
        let queued = site.json("/api/v1/deliveries?state=queued")["items"].as_array().map_or(0, Vec::len);
        if analysed == STUDIES && queued == 0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE * 2, "not all analysed: {books}\n{}", site.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    // The same object may arrive twice when a worker died after the archive took it; another one never does.
    let unique: BTreeSet<String> = pacs.kept_uids().into_iter().collect();
    assert_eq!(unique.len() as u64, STUDIES * 2, "a report and a key image for each study");
    second.stop();
    serving.stop();
    let verified = site.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
