//! Two versions of a model at one site, from outside: shadow, limited, promoted, rolled back, and what was left behind.

use crate::program::{PATIENCE, Site, copy_tree, destination, have, package, wait_for_delivery};
use hilum_testkit::{Acquisition, FindingSpec, Phantom, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const NAME: &str = "cxr";

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap()
}

pub(crate) fn phantom(seed: u64, day: i64) -> Phantom {
    let at = Timestamp::from_micros(1_795_424_400_000_000).plus_seconds(day * 86_400);
    let mut subject = Subject::seeded(seed, at);
    subject.accession = format!("ACC{seed}");
    dx(seed, &subject, &Acquisition::radiograph(), &[FindingSpec::nodule()]).unwrap()
}

pub(crate) fn send(site: &Site, runtime: &Runtime, phantom: &Phantom) {
    let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
    let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(phantom.instances.clone())));
    assert_eq!(ledger.failures().count(), 0);
}

/// The demo package under another version: the same model, another digest.
pub(crate) fn copy_with_version(site: &Site, version: &str) -> String {
    let target = site.path(&format!("package-{version}"));
    copy_tree(Path::new(&package("phantom-cxr")), &target);
    let manifest = target.join("hilum/package.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("version = \"1.0.0\""), "the package of this repository has another version now");
    std::fs::write(&manifest, text.replacen("version = \"1.0.0\"", &format!("version = \"{version}\""), 1)).unwrap();
    target.to_str().unwrap().to_owned()
}

/// Import a version; its digest.
pub(crate) fn import(site: &Site, folder: &str) -> String {
    let told = stdout(&site.run(&["model", "import", folder]));
    let line = told.lines().find(|line| line.starts_with("package = ")).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

pub(crate) fn apply(site: &Site, name: &str, digest: &str, more: &str) -> Output {
    let file = site.path(&format!("{name}.toml"));
    let text = format!("[[deployment]]\nname='{name}'\npackage='{digest}'\n{more}\n");
    std::fs::write(&file, text).unwrap();
    site.run(&["apply", file.to_str().unwrap()])
}

/// What became of a study for a deployment, once it has ended for both.
pub(crate) fn ended(site: &Site, phantom: &Phantom, deployment: &str) -> Value {
    let begun = Instant::now();
    loop {
        let path = format!("/api/v1/studies/{}", phantom.study_instance_uid);
        let found = site.get(&path).filter(|(status, _)| *status == 200);
        let journey: Value = found.map(|(_, body)| serde_json::from_slice(&body).unwrap()).unwrap_or_default();
        let all = journey["deployments"].as_array().cloned().unwrap_or_default();
        if !all.is_empty() && all.iter().all(|one| one["disposition"].is_string()) {
            return all.into_iter().find(|one| one["deployment"] == deployment).unwrap_or_default();
        }
        assert!(begun.elapsed() < PATIENCE, "the study has not ended: {journey}\n{}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn delivered(outcome: &Value) -> bool {
    outcome["deliveries"].as_array().is_some_and(|deliveries| !deliveries.is_empty())
}

/// A champion in use, a challenger in shadow, both imported by the way every package takes.
fn two_versions(site: &Site) -> (String, String) {
    let one = import(site, &package("phantom-cxr"));
    let two = import(site, &copy_with_version(site, "1.1.0"));
    assert_ne!(one, two);
    stdout(&apply(site, NAME, &one, "state='active'\ndestinations=['pacs']"));
    stdout(&apply(
        site,
        "cxr-next",
        &two,
        "state='shadow'\nchampion='cxr'\ndestinations=['pacs']\n[deployment.rollout]\nshare=1.0",
    ));
    (one, two)
}

/// MV-16..18, AV-09: every step with the real program, and back within the minute.
#[test]
fn a_version_is_tried_promoted_and_taken_back() {
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    let (one, two) = two_versions(&site);
    let running = site.serve("info");

    // Shadow: both run, one is delivered.
    send(&site, &runtime, &phantom(1, 0));
    let (champion, next) = (ended(&site, &phantom(1, 0), NAME), ended(&site, &phantom(1, 0), "cxr-next"));
    assert_eq!((&champion["disposition"], delivered(&champion)), (&Value::from("analysed"), true), "{champion}");
    assert_eq!((&next["disposition"], delivered(&next)), (&Value::from("analysed"), false), "{next}");

    // Limited to all patients: the other one is delivered, and the champion runs beside it.
    assert!(stdout(&site.run(&["deploy", "ready", "cxr-next", "--to", "limited"])).contains("may go"));
    stdout(&site.run(&["deploy", "promote", "cxr-next", "--to", "limited", "--by", "anna"]));
    send(&site, &runtime, &phantom(2, 0));
    let (champion, next) = (ended(&site, &phantom(2, 0), NAME), ended(&site, &phantom(2, 0), "cxr-next"));
    assert!(delivered(&next) && !delivered(&champion), "{next}\n{champion}");
    let steps = champion["decisions"].to_string();
    assert!(steps.contains("assignment.limited"), "the assignment is not in the decision: {steps}");
    wait_for_delivery(&site);
    let compared = json(&site.run(&["deploy", "compare", NAME, "cxr-next", "--json"]));
    assert_eq!(compared["n_pairs"], 2, "{compared}");
    let agreement =
        compared["findings"].as_array().unwrap().iter().map(|finding| finding["agreement"]["value"].clone());
    assert!(agreement.clone().count() > 0 && agreement.clone().all(|value| value == 1.0), "the same model: {compared}");

    // A step meant for another package is refused; the right one moves the champion.
    let wrong = site.run(&["deploy", "promote", "cxr-next", "--to", "active", "--expect", &two[..12]]);
    assert_eq!(wrong.status.code(), Some(3), "{}", String::from_utf8_lossy(&wrong.stdout));
    let done = json(&site.run(&["deploy", "promote", "cxr-next", "--to", "active", "--expect", &one[..12], "--json"]));
    assert_eq!(
        (&done["champion"]["package"], &done["deployment"]["state"]),
        (&Value::from(two.clone()), &Value::from("retired"))
    );
    send(&site, &runtime, &phantom(3, 0));
    let champion = ended(&site, &phantom(3, 0), NAME);
    assert!(delivered(&champion) && champion.to_string().contains(&two), "{champion}");

    // A file from before does not take that back; one act of one person does, at once.
    let stale = apply(&site, NAME, &one, "state='active'\ndestinations=['pacs']\nowner='x'");
    assert!(
        !stale.status.success() && String::from_utf8_lossy(&stale.stderr).contains("a file does not take that back")
    );
    let begun = Instant::now();
    stdout(&site.run(&["deploy", "rollback", NAME, "--reason", "two wrong sides", "--by", "anna"]));
    send(&site, &runtime, &phantom(4, 0));
    let champion = ended(&site, &phantom(4, 0), NAME);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert!(delivered(&champion) && champion.to_string().contains(&one), "{champion}");
    let history = json(&site.run(&["deploy", "history", NAME, "--json"]));
    let acts: Vec<&str> =
        history["changes"].as_array().unwrap().iter().filter_map(|change| change["act"].as_str()).collect();
    assert_eq!(acts, ["applied", "promoted", "rolled_back"]);
    let promoted_at = history["changes"][1]["changed_at"].as_str().unwrap();
    let stood = json(&site.run(&["deploy", "history", NAME, "--at", promoted_at, "--json"]));
    assert_eq!(stood["stood"]["deployment"]["package_digest"], two.as_str());
    wait_for_delivery(&site);
    running.stop();
    assert!(site.log().contains("version ready"), "no version was kept ready:\n{}", site.log());
    assert!(stdout(&site.run(&["audit", "verify"])).contains("whole"));
}

/// A listener that counts who connects; nothing may.
fn trap() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let seen = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            seen.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (port, count)
}

/// MV-16: a week of studies through a shadow deployment, every declared way out watched: nothing leaves by any.
#[test]
fn nothing_leaves_during_a_shadow_week() {
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let ((dimse, dimse_calls), (stow, stow_calls)) = (trap(), trap());
    let site = Site::new(&format!(
        "{}[[destination]]\nname = 'store'\nhost = '127.0.0.1'\nport = {dimse}\nae_title = 'STORE'\n\
         [[destination]]\nname = 'stow'\nprotocol = 'stow'\nurl = 'http://127.0.0.1:{stow}/studies'\n",
        destination(&pacs)
    ));
    let digest = import(&site, &package("phantom-cxr"));
    // Limited to a site that examines nobody here is silent as well.
    let other = import(&site, &copy_with_version(&site, "1.1.0"));
    let everywhere = "destinations=['pacs', 'store', 'stow']";
    stdout(&apply(&site, "silent", &digest, &format!("state='shadow'\n{everywhere}")));
    stdout(&apply(
        &site,
        "elsewhere",
        &other,
        &format!("state='limited'\n{everywhere}\n[deployment.rollout]\nsites=['Nowhere']"),
    ));
    let running = site.serve("info");
    let mut week = Vec::new();
    for day in 0..7 {
        for n in 0..3 {
            let study = phantom(100 + 10 * day as u64 + n, day);
            send(&site, &runtime, &study);
            week.push(study);
        }
    }
    for study in &week {
        for name in ["silent", "elsewhere"] {
            let outcome = ended(&site, study, name);
            assert_eq!(outcome["disposition"], "analysed", "{outcome}");
            assert!(!outcome["results"].as_array().unwrap().is_empty(), "the result was not recorded");
            assert!(!delivered(&outcome), "{outcome}");
        }
    }
    assert_eq!(site.json("/api/v1/deliveries")["items"].as_array().map(Vec::len), Some(0));
    running.stop();
    assert!(pacs.received().is_empty());
    assert_eq!((dimse_calls.load(Ordering::SeqCst), stow_calls.load(Ordering::SeqCst)), (0, 0));
}

/// `hilum deploy promote`, killed at the `when`-th call of that name. Whether it ended by itself.
fn promote_killed_at(site: &Site, name: &str, call: &str, when: u32) -> bool {
    let inject = format!("--inject={call}:signal=KILL:when={when}");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={call}"), &inject, "-o", "/dev/null"])
        .arg(env!("CARGO_BIN_EXE_hilum"))
        .args(["deploy", "promote", name, "--to", "active", "--by", "anna", "--config"])
        .arg(site.path("hilum.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.success()
}

/// Wherever a promotion is killed, exactly one version of the champion is in use, and both sides agree which.
#[test]
fn a_killed_promotion_leaves_exactly_one_version_in_use() {
    if !have("strace") {
        return;
    }
    let site = Site::new("[[destination]]\nname='pacs'\nhost='127.0.0.1'\nport=9\nae_title='PACS'\n");
    let (one, two) = two_versions(&site);
    let mut name = "cxr-next".to_owned();
    let (mut n_kills, mut n_steps) = (0, 0);
    for call in ["pwrite64", "fdatasync", "openat"] {
        // Opening files comes hundreds of times before the first statement; the others are few.
        let stride = if call == "openat" { 9 } else { 1 };
        for when in (1..).step_by(stride) {
            let ended = promote_killed_at(&site, &name, call, when);
            n_kills += u32::from(!ended);
            let champion = &stood(&site, NAME);
            let challenger = &stood(&site, &name);
            let in_use = champion["package_digest"].as_str().unwrap();
            assert_eq!(champion["state"], "active", "{call} {when}");
            let expected = if in_use == two { "retired" } else { "shadow" };
            assert!(in_use == one || in_use == two, "{champion}");
            assert_eq!(challenger["state"], expected, "{call} {when}: both sides must tell the same");
            if in_use == two {
                n_steps += 1;
                stdout(&site.run(&["deploy", "rollback", NAME, "--reason", "again"]));
                name = format!("cxr-{call}-{when}").replace("pwrite64", "write");
                stdout(&apply(&site, &name, &two, "state='shadow'\nchampion='cxr'\ndestinations=['pacs']"));
            }
            if ended {
                break;
            }
        }
    }
    println!("{n_kills} kills, {n_steps} promotions carried out");
    assert!(10 < n_kills && 3 <= n_steps, "{n_kills} kills, {n_steps} steps: nothing was tested");
    assert!(stdout(&site.run(&["audit", "verify"])).contains("whole"));
}

fn stood(site: &Site, name: &str) -> Value {
    let history = json(&site.run(&["deploy", "history", name, "--json"]));
    history["changes"].as_array().unwrap().last().unwrap()["deployment"].clone()
}

/// A clinical deployment comes into use by no file, and `promote` says everything that is missing (MV-01).
#[test]
fn clinical_use_is_refused_with_everything_missing() {
    let site = Site::new("[[destination]]\nname='pacs'\nhost='127.0.0.1'\nport=9\nae_title='PACS'\n");
    let digest = import(&site, &package("phantom-cxr"));
    let declared = apply(&site, NAME, &digest, "purpose='clinical'\nstate='active'\ndestinations=['pacs']");
    assert!(String::from_utf8_lossy(&declared.stderr).contains("a clinical deployment is not declared active"));
    stdout(&apply(&site, NAME, &digest, "purpose='clinical'\ndestinations=['pacs']"));
    let refused = site.run(&["deploy", "promote", NAME, "--to", "active", "--json"]);
    assert_eq!(refused.status.code(), Some(3));
    let told: Value = serde_json::from_slice(&refused.stdout).unwrap();
    let missing: Vec<&str> =
        told["missing"].as_array().unwrap().iter().map(|one| one["requirement"].as_str().unwrap_or("step")).collect();
    let expected = [
        "step",
        "owner",
        "regulatory_status",
        "acceptance",
        "monitoring_plan",
        "rollback_target",
        "trained_overseer",
        "approval",
    ];
    assert_eq!(missing, expected, "{told}");
    assert_eq!(stood(&site, NAME)["state"], "draft");
}
