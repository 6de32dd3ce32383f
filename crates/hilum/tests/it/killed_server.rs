//! The server itself is killed while it enters the deciding label and takes studies in: after every kill, label and stop
//! are both there or neither is, and the very next study goes by it (issue 4, "The next study").

use crate::monitoring::{NAME, WATCHED, catalog_files, evidence, put_back, standing};
use crate::program::{PATIENCE, Running, Site, have, package};
use crate::rollout::{apply, ended, import, phantom, runtime, send};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the server is killed: at so many calls of that name after the label was sent. The last are more than there
/// are: that one is killed once it has answered.
const KILLS: [(&str, u32); 10] = [
    ("pwrite64", 1),
    ("pwrite64", 2),
    ("pwrite64", 4),
    ("pwrite64", 7),
    ("pwrite64", 11),
    ("fdatasync", 1),
    ("fdatasync", 2),
    ("fdatasync", 3),
    ("openat", 3),
    ("pwrite64", 60_000),
];

/// strace, once it is attached to the server, and what it goes on to say: a pipe that nobody holds would end it.
fn kill_at(server: &Running, call: &str, when: u32) -> (Child, Lines<BufReader<ChildStderr>>) {
    let inject = format!("--inject={call}:signal=KILL:when={when}");
    let mut child = Command::new("strace")
        .args(["-f", "-e", &format!("trace={call}"), &inject, "-o", "/dev/null", "-p", &server.id().to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let attached = format!("strace: Process {} attached", server.id());
    let first = said.by_ref().map(Result::unwrap).find(|line| line.starts_with(&attached));
    assert!(first.is_some(), "strace did not attach to the server");
    (child, said)
}

/// Anna says of a study that there is nothing, over the interface. `None`: the server died before it answered.
fn answer(site: &Site, seed: u64) -> Option<u16> {
    let study = phantom(seed, 0).study_instance_uid;
    let body = json!({ "study": study, "deployment": NAME, "finding": "nodule", "truth": "absent", "user": "anna",
        "password": "anna has a password", "key": format!("answer-{seed}") });
    let headers = "Content-Type: application/json\r\n";
    site.request("POST", "/api/v1/assessments", headers, body.to_string().as_bytes()).map(|(status, _)| status)
}

#[test]
fn a_killed_server_has_label_and_stop_or_neither() {
    if !have("strace") {
        return;
    }
    let runtime = runtime();
    let site = Site::new("");
    for (name, role) in [("root", "governance"), ("anna", "clinical")] {
        site.person(name, role);
    }
    let digest = import(&site, &package("phantom-cxr"));
    // In shadow nobody sees an answer, so whoever says what is true has seen none.
    let watched = WATCHED.replace("state='active'\ndestinations=['pacs']", "state='shadow'");
    let watched = watched.replace("below=0.9\nconfidence=0.95", "consecutive=2");
    assert!(apply(&site, NAME, &digest, &watched).status.success());
    let running = site.serve("info");
    let mut called = Vec::new();
    for seed in 1..=8 {
        send(&site, &runtime, &phantom(seed, 0));
        let outcome = ended(&site, &phantom(seed, 0), NAME);
        assert_eq!(outcome["disposition"], "analysed", "{outcome}");
        // The interface does not show what is in shadow.
        if site.done(&["study", "show", &format!("ACC{seed}")]).contains("Solitary nodule of lung present") {
            called.push(seed);
        }
    }
    let [first, deciding, ..] = called[..] else { panic!("the model called {called:?} only") };
    assert_eq!(answer(&site, first), Some(201));
    running.stop();
    assert_eq!((evidence(&site)["n_labels"].as_u64(), &standing(&site)["state"]), (Some(1), &"shadow".into()));
    let kept = catalog_files(&site);
    let (mut n_in_the_act, mut n_stops) = (0, 0);
    for (round, (call, when)) in (0u64..).zip(KILLS) {
        put_back(&site, &kept);
        let mut server = site.serve("warn");
        let (mut tracer, its_words) = kill_at(&server, call, when);
        let said = std::thread::scope(|scope| {
            // Load: a study comes in, at the same time, by an association that may break off.
            scope.spawn(|| {
                let study = phantom(100 + round, 0);
                let to =
                    hilum_testkit::SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
                crate::rollout::runtime().block_on(to.send(std::sync::Arc::<[_]>::from(study.instances.clone())));
            });
            answer(&site, deciding)
        });
        // One that died without an answer is seen to have ended only when strace has seen it.
        let (begun, patience) = (Instant::now(), if said.is_none() { PATIENCE } else { Duration::from_millis(500) });
        while !server.has_ended() && begun.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        n_in_the_act += u32::from(said.is_none() && server.has_ended());
        server.kill();
        its_words.for_each(drop);
        tracer.wait().unwrap();

        let running = site.serve("warn");
        let stands = standing(&site);
        let stopped = stands["state"] == "suspended";
        let n_labels = evidence(&site)["n_labels"].as_u64().unwrap();
        assert_eq!(n_labels == 2, stopped, "{call} {when}: {n_labels} labels, {stands}");
        assert!(said.is_none_or(|status| status == 201 && stopped), "{call} {when}: acknowledged {said:?}, and lost");
        let signals: Value = site.json(&format!("/api/v1/deployments/{NAME}/signals"));
        assert_eq!(signals["items"].as_array().unwrap().len(), usize::from(stopped), "{call} {when}: {signals}");
        // The very next study goes by what is durable.
        let next = phantom(200 + round, 0);
        send(&site, &runtime, &next);
        let outcome = ended(&site, &next, NAME);
        let expected = if stopped { "withheld" } else { "analysed" };
        assert_eq!(outcome["disposition"], expected, "{call} {when}: {outcome}");
        assert!(!stopped || outcome.to_string().contains("stop-rule:false-calls"), "{outcome}");
        n_stops += u32::from(stopped);
        running.stop();
    }
    println!("{} rounds, {n_in_the_act} servers killed before they answered, {n_stops} stops", KILLS.len());
    assert!(3 <= n_in_the_act, "only {n_in_the_act} servers were killed before they answered");
    assert!(0 < n_stops && n_stops < KILLS.len() as u32, "{n_stops} stops: too few of either outcome");
    assert!(site.done(&["audit", "verify"]).contains("whole"));
}
