//! What an informatician does: check, import, dry run, apply, serve, suspend, restart, look.

use crate::program::{PATIENCE, Site, deploy, destination, package, wait_for_delivery};
use hilum_testkit::{Acquisition, FindingSpec, Phantom, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn phantom(seed: u64) -> Phantom {
    let at = Timestamp::from_micros(1_795_424_400_000_000);
    let mut subject = Subject::seeded(seed, at);
    subject.accession = format!("ACC{seed}");
    dx(seed, &subject, &Acquisition::radiograph(), &[FindingSpec::nodule()]).unwrap()
}

/// Wait until the study has a disposition for the deployment, and return its name.
pub(crate) fn disposition(site: &Site, phantom: &Phantom, deployment: &str) -> String {
    let begun = Instant::now();
    loop {
        let found =
            site.get(&format!("/api/v1/studies/{}", phantom.study_instance_uid)).filter(|(status, _)| *status == 200);
        let journey: serde_json::Value =
            found.map(|(_, body)| serde_json::from_slice(&body).unwrap()).unwrap_or_default();
        let deployments = journey["deployments"].as_array().cloned().unwrap_or_default();
        let ended = deployments.iter().find(|d| d["name"] == deployment || d["deployment"] == deployment);
        if let Some(name) = ended.and_then(|d| d["disposition"].as_str()) {
            return name.to_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "no disposition: {journey}\n{}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_model_is_declared_run_suspended_and_restarted() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    assert!(stdout(&site.run(&["check"])).contains("answers C-ECHO"));
    let send = |phantom: &Phantom| {
        let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
        let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(phantom.instances.clone())));
        assert_eq!(ledger.failures().count(), 0);
    };

    // UX-04: a study that is there already, and a declaration that is only tried.
    let running = site.serve("info");
    send(&phantom(1));
    let imported = stdout(&site.run(&["model", "import", &package("phantom-cxr")]));
    let package_line = imported.lines().find(|line| line.starts_with("package = ")).unwrap();
    let file = site.path("try.toml");
    let text = format!("[[deployment]]\nname='tried'\n{package_line}\nstate='shadow'\n");
    std::fs::write(&file, text).unwrap();
    let begun = Instant::now();
    loop {
        let tried = stdout(&site.run(&["apply", file.to_str().unwrap(), "--dry-run"]));
        if tried.contains("would have run on 1 of the last 1 complete study") && tried.contains("Nothing was written.")
        {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{tried}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!stdout(&site.run(&["deployments"])).contains("tried"), "a dry run wrote something");
    // It is complete, but perhaps not evaluated: what is deployed next would analyse it too.
    let evaluates = |depth: &serde_json::Value| {
        depth["kind"] == "evaluate" && ["queued", "leased"].iter().any(|state| depth["state"] == *state)
    };
    while site.json("/api/v1/queue")["depths"].as_array().unwrap().iter().any(evaluates) {
        assert!(begun.elapsed() < 2 * PATIENCE, "{}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }

    // AV-01, AV-03, AV-15: one result per study, in the archive, under the same study.
    deploy(&site, "phantom-cxr", "active");
    let second = phantom(2);
    send(&second);
    send(&second);
    assert_eq!(disposition(&site, &second, "phantom-cxr"), "analysed");
    wait_for_delivery(&site);
    let kept = pacs.kept_uids();
    assert_eq!(kept.len(), 2, "a report and a key image, each once");

    // MV-05, MV-08: the stop holds for the very next study and survives a restart.
    stdout(&site.run(&["suspend", "phantom-cxr", "--reason", "a test of the stop", "--by", "Dr Test"]));
    send(&phantom(3));
    assert_eq!(disposition(&site, &phantom(3), "phantom-cxr"), "withheld");
    running.stop();
    let applied = stdout(&site.run(&["apply", site.path("phantom-cxr.toml").to_str().unwrap()]));
    assert!(applied.contains("it stays suspended by Dr Test"), "applying a file lifted a suspension: {applied}");
    let running = site.serve("info");
    send(&phantom(4));
    assert_eq!(disposition(&site, &phantom(4), "phantom-cxr"), "withheld");
    let shown = stdout(&site.run(&["study", "show", "ACC4"]));
    assert!(shown.contains("suspended by Dr Test: a test of the stop"), "{shown}");
    stdout(&site.run(&["resume", "phantom-cxr", "--reason", "test over", "--by", "Dr Test"]));
    send(&phantom(5));
    assert_eq!(disposition(&site, &phantom(5), "phantom-cxr"), "analysed");
    wait_for_delivery(&site);
    assert_eq!(pacs.kept_uids().len(), 4);

    // MV-20: the books balance, and the chain is whole.
    let books = site.json("/api/v1/books");
    let lines = books["books"].as_array().cloned().unwrap_or_default();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["balanced"] == true), "{books}");
    running.stop();
    assert!(stdout(&site.run(&["audit", "verify"])).contains("whole"));
}

/// MV-16: nothing of a shadow deployment leaves, although its result is recorded.
#[test]
fn a_shadow_result_stays_inside() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    deploy(&site, "phantom-cxr", "shadow");
    let running = site.serve("info");
    let study = phantom(9);
    let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
    runtime.block_on(modality.send(Arc::<[_]>::from(study.instances.clone())));
    assert_eq!(disposition(&site, &study, "phantom-cxr"), "analysed");
    let journey = site.json(&format!("/api/v1/studies/{}", study.study_instance_uid));
    let deployment = &journey["deployments"][0];
    assert!(!deployment["results"].as_array().unwrap().is_empty(), "the shadow result was not recorded");
    assert_eq!(deployment["deliveries"].as_array().map(Vec::len), Some(0));
    assert_eq!(site.json("/api/v1/deliveries")["items"].as_array().map(Vec::len), Some(0));
    running.stop();
    assert!(pacs.received().is_empty());
}
