//! Only while it performs as expected, from outside: the deciding label, the very next study, kills, and the way back.

use crate::program::{PATIENCE, Site, destination, have, package};
use crate::rollout::{apply, ended, import, phantom, runtime, send};
use hilum_audit::AuditAction;
use hilum_store::CatalogOptions;
use hilum_testkit::{Acquisition, FindingSpec, SimulatedPacs, Subject, dx};
use hilum_types::{Timestamp, Uid};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Tells the stream to end, also when the test fails before it says so.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) const NAME: &str = "cxr";

/// Called where there is nothing, too often. Readers decide before the result is there.
pub(crate) const WATCHED: &str = "state='active'\ndestinations=['pacs']\n[deployment.monitoring]\nreviewed_by='physics'\nreview_days=7\n\
    [[deployment.monitoring.rule]]\nname='false-calls'\nmetric='specificity'\nfinding='nodule'\nbelow=0.9\nconfidence=0.95\n\
    action='suspend'\n";

/// When the first image of a study came in: everybody could see it from then on, and nobody an answer yet.
pub(crate) fn received_at(site: &Site, seed: u64) -> String {
    study_received_at(site, &phantom(seed, 0).study_instance_uid)
}

fn study_received_at(site: &Site, study_instance_uid: &Uid) -> String {
    let study = site.json(&format!("/api/v1/studies/{study_instance_uid}"));
    study["first_received_at"].as_str().unwrap_or_else(|| panic!("{study}")).to_owned()
}

/// `hilum label add`: nobody had seen the answer when they decided that there is nothing.
fn label_arguments(seed: u64, decided_at: &str) -> Vec<String> {
    let accession = format!("ACC{seed}");
    let fixed = ["label", "add", &accession, "--deployment", NAME, "--finding", "nodule", "--truth", "absent"];
    let rest = ["--by", "anna", "--decided-at", decided_at, "--json"];
    fixed.iter().chain(&rest).map(|text| (*text).to_owned()).collect()
}

fn label(site: &Site, seed: u64, decided_at: &str) -> Value {
    let arguments = label_arguments(seed, decided_at);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told: Value = serde_json::from_str(&site.done(&arguments)).unwrap();
    assert_eq!((&told["label"]["exposure"], &told["label"]["decided_at"]), (&"unexposed".into(), &decided_at.into()));
    told
}

pub(crate) fn evidence(site: &Site) -> Value {
    serde_json::from_str(&site.done(&["monitor", "evidence", NAME, "--json"])).unwrap()
}

/// The same, kept as a record.
fn recorded(site: &Site) -> Value {
    serde_json::from_str(&site.done(&["monitor", "evidence", NAME, "--record", "--json", "--by", "anna"])).unwrap()
}

pub(crate) fn standing(site: &Site) -> Value {
    let history: Value = serde_json::from_str(&site.done(&["deploy", "history", NAME, "--json"])).unwrap();
    history["changes"].as_array().unwrap().last().unwrap()["deployment"].clone()
}

/// What was done, in the order of the audit chain: acts are serial there, whatever the clocks of two processes say.
fn acts(site: &Site, runtime: &Runtime) -> Vec<AuditAction> {
    runtime.block_on(async {
        let url = format!("sqlite:{}", site.path("data/catalog.sqlite").display());
        let catalog = hilum_store::open(&url, &CatalogOptions::default()).await.unwrap();
        let (mut acts, mut after) = (Vec::new(), 0);
        loop {
            let page = catalog.audit_page(after, 1000).await.unwrap();
            let Some(last) = page.last() else { return acts };
            after = last.seq;
            acts.extend(page.iter().map(|entry| entry.event.action));
        }
    })
}

/// MV-05, MV-07: labels until the rule fires, while studies stream in; the very next study is withheld with rule and value;
/// it survives a restart; two people with evidence lift it.
#[test]
fn the_next_study_is_withheld_under_load_and_two_people_lift_it() {
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    for (name, role) in [("root", "governance"), ("anna", "clinical"), ("bo", "technical")] {
        site.person(name, role);
    }
    let digest = import(&site, &package("phantom-cxr"));
    assert!(apply(&site, NAME, &digest, WATCHED).status.success());
    let running = site.serve("info");
    for seed in 1..=12 {
        send(&site, &runtime, &phantom(seed, 0));
    }
    for seed in 1..=12 {
        assert_eq!(ended(&site, &phantom(seed, 0), NAME)["disposition"], "analysed");
    }
    let early = recorded(&site)["record"].as_str().unwrap().to_owned();
    // Studies stream in while the deciding label is entered.
    let (over, n_sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (since, n_labels) = std::thread::scope(|scope| {
        let _over = Ends(&over);
        let stream = scope.spawn(|| {
            let sending = crate::rollout::runtime();
            let mut seed = 100;
            while !over.load(Ordering::Relaxed) {
                send(&site, &sending, &phantom(seed, 0));
                seed += 1;
                n_sent.fetch_add(1, Ordering::Relaxed);
            }
            seed
        });
        let mut n_labels = 0;
        while standing(&site)["state"] != "suspended" {
            n_labels += 1;
            assert!(n_labels <= 12, "the rule never fired: {}", evidence(&site));
            label(&site, n_labels, &received_at(&site, n_labels));
        }
        // The first of these may have been on its way at the stop; the others are begun after it.
        let (begun, wanted) = (Instant::now(), n_sent.load(Ordering::Relaxed) + 5);
        while n_sent.load(Ordering::Relaxed) < wanted {
            assert!(begun.elapsed() < PATIENCE && !stream.is_finished(), "no study comes any more: {}", site.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        let last = stream.join().unwrap();
        let since = standing(&site)["suspension"]["since"].as_str().unwrap().to_owned();
        let mut n_withheld = 0;
        for seed in 100..last {
            let outcome = ended(&site, &phantom(seed, 0), NAME);
            let decisions = outcome["decisions"].as_array().cloned().unwrap_or_default();
            let released = decisions.iter().rfind(|decision| decision["stage"] == "before_release");
            match outcome["disposition"].as_str().unwrap() {
                "analysed" => assert!(released.is_some(), "{outcome}"),
                "withheld" => n_withheld += 1,
                other => panic!("{other}: {outcome}"),
            }
        }
        let acts = acts(&site, &runtime);
        let stop = acts.iter().position(|act| *act == AuditAction::StopRuleFired).expect("the stop is in the chain");
        let [before, after] = [&acts[..stop], &acts[stop..]].map(|part| part.contains(&AuditAction::ResultReleased));
        assert!(before && !after, "a result was released after the stop at {since}");
        assert!(0 < n_withheld, "no study came after the stop, so nothing was tested");
        (since, n_labels)
    });
    println!("{n_labels} labels until the stop at {since}");
    assert!(2 < n_labels, "one or two labels cannot be enough");

    // The very next study says which rule, and the value that decided.
    send(&site, &runtime, &phantom(50, 0));
    let outcome = ended(&site, &phantom(50, 0), NAME).to_string();
    for told in
        ["withheld", "stop-rule:false-calls", "specificity for nodule is below 0.9", &format!(" of {n_labels} (")]
    {
        assert!(outcome.contains(told), "{told} is not told: {outcome}");
    }
    let signals = site.json(&format!("/api/v1/deployments/{NAME}/signals"));
    assert_eq!(
        (&signals["items"][0]["action"], &signals["items"][0]["rule"]),
        (&"suspended".into(), &"false-calls".into())
    );
    let alarms = site.json("/api/v1/alarms").to_string();
    assert!(alarms.contains("suspended by rule false-calls"), "{alarms}");
    running.stop();
    let running = site.serve("info");
    send(&site, &runtime, &phantom(51, 0));
    assert_eq!(ended(&site, &phantom(51, 0), NAME)["disposition"], "withheld", "it survives a restart");

    // The way back: evidence from after the stop, two signatures, and a fresh start for the detectors.
    let said = site.refused(&["resume", NAME, "--reason", "it was nothing", "--by", "anna"]);
    assert!(said.contains("two people") && said.contains("--evidence"), "{said}");
    let propose = ["deploy", "propose", NAME, "--reason", "threshold put right"];
    let said = site.refused(&propose);
    assert!(said.contains("monitor evidence"), "{said}");
    let said = site.refused(&[&propose[..], &["--evidence", &early]].concat());
    assert!(said.contains("before the stop"), "{said}");
    let told = recorded(&site);
    let record = told["record"].as_str().unwrap().to_owned();
    let figures = told["figures"].to_string();
    assert!(figures.contains("specificity") && !figures.contains("accuracy"), "{figures}");
    let said =
        site.done(&["deploy", "propose", NAME, "--reason", "threshold put right", "--evidence", &record, "--json"]);
    let change = serde_json::from_str::<Value>(&said).unwrap()["record"].as_str().unwrap().to_owned();
    assert!(site.sign(&change, "anna", "approved_clinical").status.success());
    let said = site.refused(&["resume", NAME, "--reason", "threshold put right", "--by", "anna"]);
    assert!(said.contains("technical"), "one signature is not two: {said}");
    assert!(site.sign(&change, "bo", "approved_technical").status.success());
    site.done(&["resume", NAME, "--reason", "threshold put right", "--by", "anna"]);
    let history = site.done(&["deploy", "history", NAME, "--json"]);
    assert!(history.contains(&record) && history.contains(&change), "the change says on what evidence: {history}");
    assert_eq!(evidence(&site)["rules"].as_array().map(Vec::len), Some(0), "the detectors begin anew");
    send(&site, &runtime, &phantom(52, 0));
    assert_eq!(ended(&site, &phantom(52, 0), NAME)["disposition"], "analysed");
    // A label about a study from before the stop is in figures, and in no detector.
    label(&site, n_labels + 1, &received_at(&site, n_labels + 1));
    assert_eq!(evidence(&site)["rules"].as_array().map(Vec::len), Some(0));
    running.stop();
    assert!(site.done(&["audit", "verify"]).contains("whole"));
}

/// MV-30: the whole passes, one station is below its floor, and the very next study is withheld, of whatever station.
#[test]
fn a_station_below_its_floor_stops_the_model_while_the_whole_passes() {
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    let digest = import(&site, &package("phantom-cxr"));
    // The floor of the whole is one that all labels together keep: most of them are of the sound station.
    let floors = "state='active'\ndestinations=['pacs']\n[deployment.monitoring]\nreviewed_by='physics'\nreview_days=7\n\
        [[deployment.monitoring.rule]]\nname='whole'\nmetric='specificity'\nfinding='nodule'\nbelow=0.5\nconfidence=0.95\n\
        action='suspend'\n\
        [[deployment.monitoring.rule]]\nname='each-station'\nmetric='specificity'\nfinding='nodule'\nbelow=0.9\n\
        confidence=0.95\neach=['station']\naction='suspend'\n";
    assert!(apply(&site, NAME, &digest, floors).status.success());
    let running = site.serve("info");
    // Room 1 gets patients without a nodule and room 2 with one; by the labels none has any, so that room 2 is called wrongly.
    let of_room = |seed: u64, room: &str, findings: &[FindingSpec]| {
        let mut subject = Subject::seeded(seed, Timestamp::from_micros(1_795_424_400_000_000));
        subject.accession = format!("ACC{seed}");
        dx(seed, &subject, &Acquisition { station: room.into(), ..Acquisition::radiograph() }, findings).unwrap()
    };
    let sent = |seed: u64, room: &str, findings: &[FindingSpec]| {
        let study = of_room(seed, room, findings);
        send(&site, &runtime, &study);
        let outcome = ended(&site, &study, NAME);
        assert_eq!(outcome["disposition"], "analysed", "{outcome}");
        let found = outcome["inference"]["findings"].as_array().cloned().unwrap_or_default();
        found.iter().any(|finding| finding["label"] == "nodule" && finding["presence"] == "present")
    };
    let left: Vec<u64> = (1..=14).filter(|seed| !sent(*seed, "ROOM1", &[])).collect();
    let called: Vec<u64> = (21..=36).filter(|seed| sent(*seed, "ROOM2", &[FindingSpec::nodule()])).collect();
    assert!(8 <= left.len() && 6 <= called.len(), "the model left {left:?} and called {called:?}");
    let label_of = |seed: u64, room: &str, findings: &[FindingSpec]| {
        label(&site, seed, &study_received_at(&site, &of_room(seed, room, findings).study_instance_uid));
    };
    for seed in &left {
        label_of(*seed, "ROOM1", &[]);
    }
    assert_eq!(standing(&site)["state"], "active");
    let mut wrong = called[..6].iter();
    while standing(&site)["state"] == "active" {
        let seed = wrong.next().unwrap_or_else(|| panic!("the floor of the station never fired: {}", evidence(&site)));
        label_of(*seed, "ROOM2", &[FindingSpec::nodule()]);
    }
    let signals = site.json(&format!("/api/v1/deployments/{NAME}/signals"));
    let items = signals["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "the whole passes: {signals}");
    assert_eq!((&items[0]["rule"], &items[0]["cut"]), (&"each-station".into(), &"station=ROOM2".into()));
    for (seed, room) in [(41, "ROOM1"), (42, "ROOM2")] {
        let study = of_room(seed, room, &[]);
        send(&site, &runtime, &study);
        let outcome = ended(&site, &study, NAME);
        assert_eq!(outcome["disposition"], "withheld", "{outcome}");
        let told = outcome.to_string();
        assert!(told.contains("stop-rule:each-station") && told.contains("(station=ROOM2)"), "{told}");
    }
    running.stop();
    assert!(site.done(&["audit", "verify"]).contains("whole"));
}

/// The files of the catalog, to be put back.
pub(crate) fn catalog_files(site: &Site) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(site.path("data")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("catalog.sqlite");
    files.filter(named).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

pub(crate) fn put_back(site: &Site, kept: &[(std::path::PathBuf, Vec<u8>)]) {
    for (path, _) in catalog_files(site) {
        std::fs::remove_file(path).unwrap();
    }
    kept.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
}

/// `hilum label add`, killed at the `when`-th call of that name. Whether it ended by itself.
fn label_killed_at(site: &Site, (seed, decided_at): &(u64, String), call: &str, when: u32) -> bool {
    let inject = format!("--inject={call}:signal=KILL:when={when}");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={call}"), &inject, "-o", "/dev/null"])
        .arg(Path::new(env!("CARGO_BIN_EXE_hilum")))
        .args(label_arguments(*seed, decided_at))
        .arg("--config")
        .arg(site.path("hilum.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.success()
}

/// Wherever the act of the deciding label is killed, label and stop are both durable, or neither is.
#[test]
fn a_killed_label_leaves_both_or_neither() {
    if !have("strace") {
        return;
    }
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    let digest = import(&site, &package("phantom-cxr"));
    let watched = WATCHED.replace("below=0.9\nconfidence=0.95", "consecutive=2");
    assert!(apply(&site, NAME, &digest, &watched).status.success());
    let running = site.serve("info");
    let mut called = Vec::new();
    for seed in 1..=12 {
        send(&site, &runtime, &phantom(seed, 0));
        let outcome = ended(&site, &phantom(seed, 0), NAME);
        assert_eq!(outcome["disposition"], "analysed");
        let findings = outcome["inference"]["findings"].as_array().cloned().unwrap_or_default();
        if findings.iter().any(|finding| finding["label"] == "nodule" && finding["presence"] == "present") {
            called.push((seed, received_at(&site, seed)));
        }
    }
    running.stop();
    let [first, deciding, ..] = called.as_slice() else { panic!("the model called {called:?} only") };
    label(&site, first.0, &first.1);
    assert_eq!((evidence(&site)["n_labels"].as_u64(), &standing(&site)["state"]), (Some(1), &"active".into()));
    let kept = catalog_files(&site);
    let (mut n_kills, mut n_stops) = (0, 0);
    for call in ["pwrite64", "fdatasync", "openat"] {
        let stride = if call == "openat" { 9 } else { 1 };
        for when in (1..).step_by(stride) {
            put_back(&site, &kept);
            let ended = label_killed_at(&site, deciding, call, when);
            n_kills += u32::from(!ended);
            let n_labels = evidence(&site)["n_labels"].as_u64().unwrap();
            let stands = standing(&site);
            let stopped = stands["state"] == "suspended";
            assert_eq!(n_labels == 2, stopped, "{call} {when}: {n_labels} labels, {stands}");
            let signals = site.done(&["monitor", "signals", NAME, "--json"]);
            assert_eq!(signals.lines().count(), usize::from(stopped), "{call} {when}: {signals}");
            n_stops += u32::from(stopped);
            if ended {
                assert!(stopped, "{call}: it ended by itself and did not stop");
                break;
            }
        }
    }
    println!("{n_kills} kills, {n_stops} stops");
    assert!(10 < n_kills && 3 <= n_stops, "{n_kills} kills, {n_stops} stops: nothing was tested");
    assert!(site.done(&["audit", "verify"]).contains("whole"));
}
