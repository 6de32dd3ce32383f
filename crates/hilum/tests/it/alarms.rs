//! Alarms from outside: raised, told by e-mail and webhook to the configured contacts, passed on, answered, closed; and
//! books that do not balance. The mail server is aiosmtpd.

use crate::oip::{python, script};
use crate::program::{PATIENCE, Running, Site, deploy, free_port, have};
use crate::site::{disposition, phantom};
use hilum_monitor::alarm::{CauseCode, KNOWN_CODES};
use hilum_monitor::{Severity, Signal};
use hilum_store::catalog::{self, CatalogOptions};
use hilum_testkit::SimulatedModality;
use hilum_types::Timestamp;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Mail server and receiver of webhooks; killed when dropped.
pub(crate) struct Peers {
    folder: PathBuf,
    smtp: SocketAddr,
    http: SocketAddr,
    child: Option<Child>,
}

impl Peers {
    pub(crate) fn new(folder: &Path) -> Peers {
        let folder = folder.join("peers");
        std::fs::create_dir_all(&folder).unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Peers { folder, smtp: free_port(), http: free_port(), child: None }
    }

    pub(crate) fn start(&mut self, python: &str, n_refused: u32) {
        let mut command = Command::new(python);
        command.arg(script("alarm_peers.py")).arg(&self.folder);
        command.args([self.smtp.port().to_string(), self.http.port().to_string(), n_refused.to_string()]);
        self.child = Some(command.stdin(Stdio::null()).spawn().unwrap());
        wait(|| self.folder.join("ready").exists().then_some(()), "the peers did not start");
    }

    pub(crate) fn kept(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) fn config(&self) -> String {
        format!(
            "[notify]\nlink_base = 'https://hilum.example.org'\ncontacts = ['site']\n\
             [notify.smtp]\nhost = 'localhost'\nport = {}\nfrom = 'hilum@example.org'\nusername = 'hilum'\n\
             password = 's3cret'\n\
             [[notify.contact]]\nname = 'site'\nemail = 'site@example.org'\n\
             [[notify.contact]]\nname = 'physics'\nemail = 'physics@example.org'\nwebhook = 'http://{}/hooks'\n\
             webhook_secret = 'key-of-the-hooks'\n\
             [[notify.contact]]\nname = 'lead'\nemail = 'lead@example.org'\n\
             [delivery]\nretry_seconds_first = 1\nretry_seconds_max = 2\n",
            self.smtp.port(),
            self.http
        )
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _already_gone = child.kill();
            let _ended = child.wait();
        }
    }
}

pub(crate) fn wait<T>(mut look: impl FnMut() -> Option<T>, problem: &str) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{problem}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(since.as_micros() as i64)
}

fn signal(rule: &str, severity: Severity, at: Timestamp) -> Signal {
    Signal {
        deployment: "phantom-cxr".into(),
        rule: rule.into(),
        severity,
        cut: "station=CT2".into(),
        at,
        since: Some(at.plus_seconds(-86_400)),
        value: 24.5,
        threshold: 20.0,
        n: 85,
        method: "bernoulli_esr".into(),
        // What must never leave in a message.
        text: "SECRET^PATIENT fell".into(),
        studies: vec![],
    }
}

/// The server trusts the certificate of the mail server, as it would trust the house's own authority.
pub(crate) fn serve(site: &Site, peers: &Peers) -> Running {
    site.serve_with("info", &[("SSL_CERT_FILE", peers.folder.join("cert.pem").to_str().unwrap())])
}

fn raise(site: &Site, signals: &[(Signal, Timestamp)]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite:{}", site.path("data").join("catalog.sqlite").display());
        let catalog = catalog::open(&url, &CatalogOptions::default()).await.unwrap();
        for (signal, at) in signals {
            catalog.alarm_signal(signal, *at).await.unwrap();
        }
    });
}

/// Declare who is told, beside the deployment.
fn declare_contacts(site: &Site) {
    deploy(site, "phantom-cxr", "shadow");
    let file = site.path("phantom-cxr.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let plan = "[deployment.monitoring.alarms]\ncontacts = ['physics', 'lead']\nowner = 'medical physics'\n";
    std::fs::write(&file, format!("{text}{plan}")).unwrap();
    let applied = site.run(&["apply", file.to_str().unwrap()]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    std::fs::write(&file, format!("{text}{}", plan.replace("'lead'", "'ledd'"))).unwrap();
    let refused = site.run(&["apply", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("contact \"ledd\" is not configured"), "{said}");
}

/// UX-14: every code and every cause stands in the guide, with its severity and next step.
#[test]
fn every_alarm_code_and_cause_is_documented() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/alarms.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for family in KNOWN_CODES {
        let severity = format!("{:?}", family.severity).to_lowercase();
        let row = format!("| `{}` | `{severity}` | {} |", family.code, family.next_step);
        assert!(guide.contains(&row), "docs/guides/alarms.md lacks {row}");
    }
    for cause in CauseCode::ALL {
        assert!(guide.contains(&format!("| `{}` | {} |", cause.name(), cause.words())), "{}", cause.name());
    }
}

/// MV-31: nothing raised is lost by kill -9, every channel of the contact is told once, and the message says what to do.
#[test]
fn alarms_reach_their_contacts_whatever_is_killed() {
    let Some(python) = python("aiosmtpd") else { return };
    if !have("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut peers = Peers::new(folder.path());
    let site = Site::new(&peers.config());
    declare_contacts(&site);
    // The mail server is down: what is raised waits in the catalog, and the process is killed.
    let mut running = serve(&site, &peers);
    raise(&site, &[(signal("ppv-floor", Severity::Review, now()), now())]);
    let key = wait(
        || site.json("/api/v1/alarms?open=true")["items"][0]["key"].as_str().map(str::to_owned),
        "the alarm is not listed",
    );
    wait(
        || {
            let detail = site.json(&format!("/api/v1/alarms/{key}"));
            (0 < detail["notifications"][0]["attempts"].as_u64().unwrap()).then_some(())
        },
        "nobody tried to send",
    );
    running.kill();
    peers.start(&python, 2);
    let running = serve(&site, &peers);
    let detail = wait(
        || {
            let detail = site.json(&format!("/api/v1/alarms/{key}"));
            (detail["notifications"][0]["state"] == "sent").then_some(detail)
        },
        &format!("not sent: {}", site.log()),
    );
    assert_eq!(detail["notifications"][0]["channels_done"], json!(["email", "webhook"]));
    let mails = peers.kept("mails.jsonl");
    let [mail] = &mails[..] else { panic!("one mail, although the webhook was tried again: {mails:?}") };
    assert_eq!(
        (&mail["to"], &mail["tls"], &mail["login"]),
        (&json!(["physics@example.org"]), &json!(true), &json!("hilum"))
    );
    assert_eq!(mail["auto"], "auto-generated");
    let text = mail["text"].as_str().unwrap();
    for part in ["phantom-cxr", "ppv-floor", "station=CT2", "24.5000", "n = 85", "Next step:", "medical physics"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains("https://hilum.example.org/deployments/phantom-cxr"), "{text}");
    let hooks = peers.kept("hooks.jsonl");
    let told: Vec<(&Value, &Value)> = hooks.iter().map(|hook| (&hook["refused"], &hook["signed"])).collect();
    let yes = json!(true);
    assert_eq!(told, [(&yes, &yes), (&yes, &yes), (&json!(false), &yes)]);
    assert!(hooks.iter().all(|hook| hook["key"] == hooks[0]["key"]), "one idempotency key: {hooks:?}");
    assert_eq!((&hooks[2]["body"]["code"], &hooks[2]["body"]["signal"]["n"]), (&json!("monitor-rule"), &json!(85)));
    assert!(!format!("{mails:?}{hooks:?}").contains("SECRET"), "free text left the house");
    running.stop();
}

/// MV-31, UX-13: grouped, passed on to the next contact, assigned, and closed with a cause of the list.
#[test]
fn alarms_are_passed_on_and_closed_with_a_cause() {
    let Some(python) = python("aiosmtpd") else { return };
    if !have("openssl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut peers = Peers::new(folder.path());
    peers.start(&python, 0);
    let site = Site::new(&peers.config());
    declare_contacts(&site);
    let long_ago = now().plus_seconds(-3 * 86_400);
    let raised =
        ["ppv-floor", "score-drift", "ppv-floor"].map(|rule| (signal(rule, Severity::Review, long_ago), long_ago));
    raise(&site, &raised);
    let running = serve(&site, &peers);
    wait(
        || {
            let to: Vec<Value> = peers.kept("mails.jsonl").iter().map(|mail| mail["to"][0].clone()).collect();
            (to.contains(&json!("physics@example.org")) && to.contains(&json!("lead@example.org"))).then_some(())
        },
        &format!("not passed on: {:?} {}", peers.kept("mails.jsonl"), site.log()),
    );
    let alarms = site.json("/api/v1/deployments/phantom-cxr/alarms?open=true");
    let alarm = &alarms["items"][0];
    assert_eq!(
        (alarms["items"].as_array().unwrap().len(), &alarm["n_raised"], &alarm["level"]),
        (1, &json!(3), &json!(1))
    );
    assert_eq!(alarm["rules"], json!(["ppv-floor", "score-drift"]));
    let key = alarm["key"].as_str().unwrap();
    let said = |output: std::process::Output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let (listed, text) = said(site.run(&["alarm", "list", "--deployment", "phantom-cxr"]));
    assert!(listed && text.contains(key) && text.contains("next step:") && text.contains("medical physics"), "{text}");
    let (done, text) = said(site.run(&["alarm", "assign", key, "Dr Lead", "--by", "anna"]));
    assert!(done, "{text}");
    let (done, text) = said(site.run(&["alarm", "acknowledge", key, "--by", "anna"]));
    assert!(done, "{text}");
    let (done, text) = said(site.run(&["alarm", "close", key, "--cause", "weather", "--by", "anna"]));
    assert!(!done && text.contains("acquisition_change"), "{text}");
    let body = json!({ "cause": "acquisition_change", "comment": "kernel changed on CT2", "by": "anna" }).to_string();
    let headers = "Content-Type: application/json\r\n";
    let address = format!("/api/v1/alarms/{key}/close");
    let (status, answer) = site.request("POST", &address, headers, body.as_bytes()).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(
        (status, &answer["closing"]["cause"], &answer["owner"]),
        (200, &json!("acquisition_change"), &json!("Dr Lead"))
    );
    let (status, again) = site.request("POST", &address, headers, body.as_bytes()).unwrap();
    assert_eq!(status, 404, "{}", String::from_utf8_lossy(&again));
    let (_, text) = said(site.run(&["alarm", "list", "--all"]));
    assert!(text.contains("closed by unproven:anna"), "{text}");
    running.stop();
    assert!(said(site.run(&["audit", "verify"])).0);
}

/// MV-31: what cannot be counted holds up no message.
#[test]
fn messages_are_sent_although_counting_fails() {
    let Some(python) = python("sqlite3") else { return };
    let config = format!(
        "[notify]\ncontacts = ['site']\n\
         [[notify.contact]]\nname = 'site'\nwebhook = 'http://{}/hooks'\nwebhook_secret = 'key-of-the-hooks'\n",
        free_port()
    );
    let site = Site::new(&config);
    deploy(&site, "phantom-cxr", "shadow");
    // A fact from before there were counts whose row is damaged.
    let edit = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
                c.execute('UPDATE tally_made SET seq = 0, until_seq = 1000')\n\
                c.execute(\"INSERT INTO monitor_fact VALUES (999, 'phantom-cxr', 'label', '', 'damaged', '', 0)\")\n\
                c.commit()\n";
    let catalog = site.path("data").join("catalog.sqlite");
    let edited = Command::new(&python).args(["-c", edit, catalog.to_str().unwrap()]).output().unwrap();
    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    let running = site.serve("info");
    raise(&site, &[(signal("ppv-floor", Severity::Review, now()), now())]);
    wait(
        || {
            let alarms = site.json("/api/v1/alarms?open=true");
            let key = alarms["items"][0]["key"].as_str()?;
            let detail = site.json(&format!("/api/v1/alarms/{key}"));
            (0 < detail["notifications"][0]["attempts"].as_u64()?).then_some(())
        },
        &format!("nobody tried to send: {}", site.log()),
    );
    running.stop();
    assert!(site.log().contains("what was observed before is not counted yet"), "{}", site.log());
}

/// MV-20: a study that vanished from the books raises an alarm on the next day, also when nothing ran at midnight.
#[test]
fn a_gap_in_the_books_is_an_alarm() {
    let Some(python) = python("sqlite3") else { return };
    let site = Site::new("");
    deploy(&site, "phantom-cxr", "shadow");
    let running = site.serve("info");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for seed in [1, 2] {
        let study = phantom(seed);
        let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
        runtime.block_on(modality.send(Arc::<[_]>::from(study.instances.clone())));
        assert_eq!(disposition(&site, &study, "phantom-cxr"), "analysed");
    }
    running.stop();
    // Yesterday, which nobody has looked at, even if midnight has just passed; and one outcome lost, as a fault or a hand
    // in the database would have it.
    let yesterday = now().plus_seconds(-86_400).day();
    let edit = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
                c.execute('UPDATE arrival SET day = ?', (sys.argv[2],))\n\
                c.execute('UPDATE study_revision SET day = ?', (sys.argv[2],))\n\
                c.execute('DELETE FROM disposition WHERE study_key = (SELECT MIN(study_key) FROM disposition)')\n\
                c.execute('DELETE FROM books_check')\n\
                c.commit()\n";
    let catalog = site.path("data").join("catalog.sqlite");
    let edited = Command::new(&python).args(["-c", edit, catalog.to_str().unwrap(), &yesterday]).output().unwrap();
    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    let running = site.serve("info");
    let alarm = wait(
        || {
            let alarms = site.json("/api/v1/alarms?open=true");
            alarms["items"].as_array().unwrap().iter().find(|alarm| alarm["code"] == "books-gap").cloned()
        },
        &format!("no alarm: {}", site.log()),
    );
    let text = alarm["text"].as_str().unwrap();
    assert!(text.contains("2 study revisions arrived, 1 ended") && text.contains(&yesterday), "{text}");
    assert_eq!((&alarm["deployment"], &alarm["severity"]), (&json!("phantom-cxr"), &json!("review")));
    running.stop();
}
