//! Who receives results is told when a deployment stops and when it goes on, from outside: the contacts of its destinations,
//! each once, whatever is killed (MV-05). The mail server is aiosmtpd.

use crate::alarms::{Peers, serve, wait};
use crate::oip::python;
use crate::program::{Site, deploy, have};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::{Duration, Instant};

fn mails_to(peers: &Peers, address: &str) -> Vec<Value> {
    peers.kept("mails.jsonl").into_iter().filter(|mail| mail["to"] == json!([address])).collect()
}

#[test]
fn contacts_of_destinations_are_told_once_of_every_change() {
    let Some(python) = python("aiosmtpd") else { return };
    if !have("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut peers = Peers::new(folder.path());
    let destination = |name: &str, contacts: &str| {
        format!(
            "[[destination]]\nname = '{name}'\nprotocol = 'stow'\nurl = 'http://127.0.0.1:9/s'\ncontacts = {contacts}\n"
        )
    };
    let receivers = destination("pacs", "['lead', 'physics']") + &destination("ris", "['physics']");
    let site = Site::new(&(peers.config() + &receivers));
    deploy(&site, "phantom-cxr", "active");
    let file = site.path("phantom-cxr.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("['pacs']", "['pacs', 'ris']");
    std::fs::write(&file, text).unwrap();
    assert!(site.run(&["apply", file.to_str().unwrap()]).status.success());
    // Stopped while nothing can be sent; the process is killed, and what was entered is sent by the next one.
    let running = serve(&site, &peers);
    site.done(&["suspend", "phantom-cxr", "--by", "anna", "--reason", "SECRET^PATIENT was missed"]);
    drop(running);
    peers.start(&python, 1);
    let running = serve(&site, &peers);
    // That a destination was added is told as well.
    let told = |n: usize| {
        let enough = || mails_to(&peers, "lead@example.org").len() == n && peers.kept("hooks.jsonl").len() == n + 1;
        wait(|| enough().then_some(()), &format!("not told: {:?} {}", peers.kept("mails.jsonl"), site.log()));
    };
    told(2);
    site.done(&["resume", "phantom-cxr", "--by", "anna", "--reason", "looked into"]);
    told(3);
    running.stop();
    for address in ["lead@example.org", "physics@example.org"] {
        let mails = mails_to(&peers, address);
        let of = |what: &str| {
            let subject = format!("[Hilum] phantom-cxr {what}");
            mails.iter().find(|mail| mail["subject"] == subject).unwrap_or_else(|| panic!("{subject} in {mails:?}"))
        };
        assert_eq!(mails.len(), 3, "one for each change, although it was tried again: {mails:?}");
        let (stopped, _redirected, _resumed) = (of("is suspended"), of("delivers in another way"), of("is used again"));
        let text = stopped["text"].as_str().unwrap();
        for part in [
            "Destinations: pacs, ris",
            "Why: by hand",
            "Results already delivered stay where they are.",
            "Next step: Read without it",
            "https://hilum.example.org/deployments/phantom-cxr",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    let (mails, hooks) = (peers.kept("mails.jsonl"), peers.kept("hooks.jsonl"));
    assert_eq!(mails.len(), 6, "nobody else is told: {mails:?}");
    let suspended = hooks.iter().find(|hook| hook["body"]["change"] == "suspended").unwrap();
    assert_eq!(suspended["body"]["destinations"], json!(["pacs", "ris"]));
    assert!(!format!("{mails:?}{hooks:?}").contains("SECRET"), "free text left the house");
    assert!(site.run(&["audit", "verify"]).status.success());
}

/// A channel may be silent for 30 seconds; whoever else receives the results does not wait for it.
#[test]
fn a_silent_server_holds_up_its_own_contact_only() {
    let (silent, lead) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    lead.set_nonblocking(true).unwrap();
    let contact = |name: &str, at: &TcpListener| {
        format!("[[notify.contact]]\nname = '{name}'\nwebhook = 'http://{}/'\n", at.local_addr().unwrap())
    };
    let receiver = "[[destination]]\nname = 'pacs'\nprotocol = 'stow'\nurl = 'http://127.0.0.1:9/s'\n\
                    contacts = ['silent', 'lead']\n";
    let site = Site::new(&(contact("silent", &silent) + &contact("lead", &lead) + receiver));
    deploy(&site, "phantom-cxr", "active");
    let running = site.serve("info");
    let begun = Instant::now();
    site.done(&["suspend", "phantom-cxr", "--by", "anna", "--reason", "odd"]);
    wait(|| lead.accept().ok(), "the second contact was not told");
    assert!(begun.elapsed() < Duration::from_secs(30), "it waited for the first one: {:?}", begun.elapsed());
    drop(running);
}
