//! What an informatician does when a version turns out to be bad: list, propose, have it signed, retract, look (AV-11).

use crate::program::{PATIENCE, Site, free_port, have, package};
use hilum_dimse::Status;
use hilum_sign::{PersonKey, SignatureMeaning, ToSign};
use hilum_store::governance::User;
use hilum_store::{Catalog, CatalogOptions};
use hilum_testkit::{Acquisition, Behaviour, Script, SimulatedModality, SimulatedPacs, Subject, When, dx};
use hilum_types::{Digest, Timestamp};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

const KEY_OBJECT: &str = "1.2.840.10008.5.1.4.1.1.88.59";

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

fn destination(name: &str, address: SocketAddr, ae_title: &str) -> String {
    let (host, port) = (address.ip(), address.port());
    format!("[[destination]]\nname = '{name}'\nhost = '{host}'\nport = {port}\nae_title = '{ae_title}'\n")
}

/// `phantom-cxr` under two names: one that sends to `destinations`, one in shadow.
fn deploy(site: &Site, destinations: &str) {
    let imported = stdout(&site.run(&["model", "import", &package("phantom-cxr")]));
    let line = imported.lines().find(|line| line.starts_with("package = ")).unwrap();
    let text = format!(
        "[[deployment]]\nname = 'er'\n{line}\nstate = 'active'\ndestinations = {destinations}\n\
         [[deployment]]\nname = 'trial'\n{line}\nstate = 'shadow'\n"
    );
    std::fs::write(site.path("deploy.toml"), text).unwrap();
    stdout(&site.run(&["apply", site.path("deploy.toml").to_str().unwrap()]));
}

/// Send studies and wait until nothing is left to do about them.
fn send(site: &Site, runtime: &Runtime, seeds: std::ops::Range<u64>) {
    let at = Timestamp::from_micros(1_795_424_400_000_000);
    for seed in seeds.clone() {
        let subject = Subject { accession: format!("ACC{seed}"), ..Subject::seeded(seed, at) };
        let acquisition = Acquisition::radiograph().with_matrix(192, 192);
        let phantom = dx(seed, &subject, &acquisition, &[]).unwrap();
        let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
        let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(phantom.instances)));
        assert_eq!(ledger.failures().count(), 0);
    }
    let begun = Instant::now();
    loop {
        // Of every day: midnight may pass meanwhile.
        let books = site.json("/api/v1/books?from=2020-01-01");
        let lines = books["books"].as_array().unwrap();
        let analysed: u64 = lines.iter().filter_map(|line| line["dispositions"]["analysed"].as_u64()).sum();
        if analysed == 2 * seeds.end && no_delivery_waits(site) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{books}\n{}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn no_delivery_waits(site: &Site) -> bool {
    site.json("/api/v1/deliveries?state=queued")["items"].as_array().unwrap().is_empty()
}

fn wait(what: &str, site: &Site, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}: {}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn now() -> Timestamp {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    Timestamp::from_micros(micros as i64)
}

/// Two people sign, each with a key of their own.
fn approve(site: &Site, runtime: &Runtime, record: &str) {
    runtime.block_on(async {
        let url = format!("sqlite:{}", site.path("data/catalog.sqlite").display());
        let catalog: Arc<dyn Catalog> = hilum_store::open(&url, &CatalogOptions::default()).await.unwrap();
        let record: Digest = record.parse().unwrap();
        let approvals = [
            ("anna", "clinical", 1, SignatureMeaning::ApprovedClinical),
            ("bo", "technical", 2, SignatureMeaning::ApprovedTechnical),
        ];
        for (name, role, seed, meaning) in approvals {
            let key = PersonKey::from_seed([seed; 32]);
            let user = User {
                name: name.into(),
                display_name: name.into(),
                roles: vec![role.into()],
                password_hash: "$argon2id$".into(),
                public_key: key.public_key(),
                sealed_key: "sealed".into(),
                active: true,
                created_at: now(),
            };
            catalog.user_add(&user, "user:root").await.unwrap();
            let what = ToSign { record, meaning, signer: name.into(), role: role.into(), signed_at: now() };
            catalog.signature_add(&key.sign(&what), now()).await.unwrap();
        }
    });
}

fn propose(site: &Site) -> String {
    let proposed = site.run(&[
        "recall",
        "--model",
        "phantom-cxr@1.0.0",
        "--from",
        "2020-01-01",
        "--propose",
        "--reason",
        "the sides are swapped",
        "--ground",
        "patient-safety",
        "--by",
        "anna",
        "--json",
    ]);
    let value: serde_json::Value = serde_json::from_str(&stdout(&proposed)).unwrap();
    value["record"].as_str().unwrap().to_owned()
}

fn status(site: &Site, record: &str) -> (Option<i32>, serde_json::Value) {
    let output = site.run(&["recall", "--status", record, "--json"]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// `accession destination: held, answer`, by accession and destination.
fn answers(status: &serde_json::Value) -> Vec<String> {
    let mut lines = Vec::new();
    for study in status["studies"].as_array().unwrap() {
        for destination in study["destinations"].as_array().unwrap() {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let (name, held) = (text(&destination["destination"]), text(&destination["held"]));
            let accession = text(&study["accession_number"]);
            lines.push(format!("{accession} {name}: {held}, {}", text(&destination["answer"])));
        }
    }
    lines.sort();
    lines
}

#[test]
fn a_version_is_recalled_and_each_archive_is_told() {
    let runtime = runtime();
    let start = || runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let (pacs, ris) = (start(), start());
    let site = Site::new(&format!(
        "[delivery]\nretry_seconds_first = 1\nattempts_max = 2\n{}{}",
        destination("pacs", pacs.address(), "PACS"),
        destination("ris", ris.address(), "PACS")
    ));
    deploy(&site, "['pacs', 'ris']");
    let running = site.serve("info");
    send(&site, &runtime, 0..2);
    // The third study never gets into the second archive.
    ris.set_script(Script::always(Behaviour::Refuse(Status(0x0110))));
    send(&site, &runtime, 2..3);

    // The list, as text, JSON and table. Nothing is changed by it.
    let text = stdout(&site.run(&["recall", "--model", "phantom-cxr@1.0.0", "--from", "2020-01-01"]));
    assert!(text.contains("ran on 3 studies"), "{text}");
    assert!(text.contains("er still runs this version"), "{text}");
    assert!(text.contains("ris dead (given up after 2 attempts: refused for now with status 0110)"), "{text}");
    assert!(text.contains("not released (shadow)"), "{text}");
    let csv = site.path("list.csv");
    stdout(&site.run(&[
        "recall",
        "--model",
        "phantom-cxr@1.0.0",
        "--from",
        "2020-01-01",
        "--csv",
        csv.to_str().unwrap(),
        "--json",
    ]));
    let table = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(table.lines().count(), 1 + 3 * (4 + 2), "2 objects to 2 archives and 2 in shadow for each of 3 studies");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&csv).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let none =
        stdout(&site.run(&["recall", "--model", "phantom-cxr@1.0.0", "--from", "2020-01-01", "--to", "2020-02-01"]));
    assert!(none.contains("ran on 0 studies"), "{none}");
    let unknown = site.run(&["recall", "--model", "phantom-cxr@9", "--from", "2020-01-01"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("imported are 1.0.0"), "{unknown:?}");

    // Proposed, refused until two people have signed, carried out while the deployment is suspended.
    let record = propose(&site);
    let early = site.run(&["recall", "--carry-out", &record]);
    assert_eq!(early.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&early.stderr).contains("lacks approval in the clinical role"), "{early:?}");
    let (code, before) = status(&site, &record);
    assert_eq!((code, &before["studies"][0]["step"]), (Some(4), &"planned".into()));
    approve(&site, &runtime, &record);
    stdout(&site.run(&["suspend", "er", "--reason", "recalled", "--by", "bo"]));
    pacs.set_script(Script::when(When::SopClass(KEY_OBJECT.into()), Behaviour::Refuse(Status(0xA700))));
    ris.set_script(Script::default());
    let done = stdout(&site.run(&["recall", "--carry-out", &record[..12], "--by", "bo"]));
    assert!(done.contains("3 studies stopped, 3 rejection notes queued, 0 studies had not left"), "{done}");
    assert!(!done.contains("er still runs"), "{done}");
    let again = stdout(&site.run(&["recall", "--carry-out", &record, "--by", "bo"]));
    assert!(again.contains("all was done before"), "{again}");

    // The first archive has no room and is given up; the second took every note.
    wait("the notes are sent", &site, || no_delivery_waits(&site));
    let (code, told) = status(&site, &record);
    assert_eq!(code, Some(3));
    let expected = [
        "ACC0 pacs: delivered, refused",
        "ACC0 ris: delivered, accepted",
        "ACC1 pacs: delivered, refused",
        "ACC1 ris: delivered, accepted",
        "ACC2 pacs: delivered, refused",
        "ACC2 ris: possible, accepted",
    ];
    assert_eq!(answers(&told), expected);
    let text = String::from_utf8_lossy(&site.run(&["recall", "--status", &record]).stdout).into_owned();
    assert!(text.contains("refused with status A700") || text.contains("refused for now with status A700"), "{text}");
    assert!(text.contains("approved clinically by anna, technically by bo"), "{text}");

    // Room again: the dead letters are tried again, and all is told.
    pacs.set_script(Script::default());
    stdout(&site.run(&["delivery", "retry", "all", "--by", "bo"]));
    wait("the notes are sent again", &site, || status(&site, &record).0 == Some(0));
    for archive in [&pacs, &ris] {
        let notes = archive.received().into_iter().filter(|one| one.sop_class_uid == KEY_OBJECT && one.is_kept());
        assert_eq!(notes.count(), 3, "one note for each study");
    }

    // Pages and API say it, with the reason; the picture is no longer shown.
    let study = told["studies"][0]["study_key"].as_str().unwrap();
    let journey = site.json(&format!("/api/v1/studies/{study}"));
    let er = journey["deployments"].as_array().unwrap().iter().find(|d| d["deployment"] == "er").unwrap();
    assert_eq!((&er["status"], &er["reasons"][0]["code"]), (&"retracted".into(), &"result.retracted".into()));
    assert_eq!(er["inference"]["findings"], serde_json::json!([]));
    assert_eq!(journey["retractions"][0]["reason"], "the sides are swapped");
    assert_eq!(journey["retractions"][0]["deliveries"].as_array().unwrap().len(), 2);
    let picture = er["results"].as_array().unwrap().iter().find(|r| r["kind"] == "key_image").unwrap();
    let address = format!("/api/v1/results/{}/preview.png", picture["sop_instance_uid"].as_str().unwrap());
    assert_eq!(site.get(&address).unwrap().0, 410);
    let page = String::from_utf8(site.get(&format!("/studies/{study}")).unwrap().1).unwrap();
    assert!(page.contains("The sides are swapped (patient safety)") && page.contains("Result retracted"), "{page}");
    let recalls = site.json("/api/v1/recalls");
    assert_eq!(recalls["items"][0]["record"], record.as_str());
    let one = site.json(&format!("/api/v1/recalls/{record}"));
    assert_eq!((&one["complete"], &one["n_accepted"]), (&true.into(), &6.into()));
    assert_eq!(site.get("/api/v1/recalls/0123456789ab").unwrap().0, 404);
    assert_eq!(site.get("/api/v1/recalls/latest").unwrap().0, 400);
    let shown = stdout(&site.run(&["study", "show", "ACC0"]));
    assert!(shown.contains("the results were retracted: the sides are swapped"), "{shown}");
    running.stop();
    assert!(stdout(&site.run(&["audit", "verify"])).contains("whole"));
}

/// The command is killed at one write to the disk after the other; each next call goes on, and in the end every study has
/// one note, once.
#[test]
fn a_recall_that_was_killed_is_carried_on() {
    if !have("strace") {
        return;
    }
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination("pacs", pacs.address(), "PACS"));
    deploy(&site, "['pacs']");
    let running = site.serve("info");
    send(&site, &runtime, 0..3);
    let record = propose(&site);
    approve(&site, &runtime, &record);
    running.stop();
    let mut n_kills = 0;
    for when in 1usize.. {
        // strace counts calls by thread. Later and later, so that it ends; each call begins where the last was killed.
        let calls = [("fdatasync", 1), ("pwrite64", 5), ("rename", 1), ("fdatasync", 2), ("pwrite64", 12)];
        let (call, first) = calls[(when - 1) % calls.len()];
        let inject = format!("--inject={call}:signal=KILL:when={}", first + (when - 1) / (2 * calls.len()));
        let program = site.command(&["recall", "--carry-out", &record, "--by", "bo"]);
        let status = Command::new("strace")
            .args(["-f", "-qq", "-e", &format!("trace={call}"), &inject, "-o", "/dev/null"])
            .arg(program.get_program())
            .args(program.get_args())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        if status.success() {
            break;
        }
        n_kills += 1;
        assert!(when < 60, "it is never finished");
    }
    assert!(2 <= n_kills, "it was killed {n_kills} times, so nothing was tested");
    let running = site.serve("info");
    wait("the notes are sent", &site, || status(&site, &record).0 == Some(0));
    let notes: Vec<String> =
        pacs.received().into_iter().filter(|one| one.sop_class_uid == KEY_OBJECT).map(|o| o.sop_instance_uid).collect();
    let distinct: std::collections::BTreeSet<&String> = notes.iter().collect();
    assert_eq!((notes.len(), distinct.len()), (3, 3), "after {n_kills} kills");
    println!("{n_kills} kills, 3 notes");
    running.stop();
    assert!(stdout(&site.run(&["audit", "verify"])).contains("whole"));
}

/// DCMTK's storescp as archive: it takes the note, and dicom3tools finds no error in the file it wrote.
#[test]
fn storescp_takes_the_note() {
    if !have("storescp") || !have("dciodvfy") {
        return;
    }
    let address = free_port();
    let site = Site::new(&destination("pacs", address, "STORESCP"));
    let folder = site.path("archive");
    std::fs::create_dir(&folder).unwrap();
    let archive = Command::new("storescp")
        .args(["-aet", "STORESCP", "-od", folder.to_str().unwrap(), &address.port().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let archive = Killed(archive);
    let runtime = runtime();
    deploy(&site, "['pacs']");
    let running = site.serve("info");
    send(&site, &runtime, 0..1);
    let record = propose(&site);
    approve(&site, &runtime, &record);
    stdout(&site.run(&["recall", "--carry-out", &record, "--by", "bo"]));
    wait("storescp took the note", &site, || status(&site, &record).0 == Some(0));
    running.stop();
    drop(archive);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "report, key image and note: {files:?}");
    let note = files.iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with("KO.")).unwrap();
    let output = Command::new("dciodvfy").arg(note).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("KeyObjectSelectionDocument") && !text.contains("Error"), "{text}");
}

/// A real archive: Orthanc takes results and note, and finds under the note's references what it holds.
#[test]
fn orthanc_takes_the_note() {
    if !have("Orthanc") {
        return;
    }
    let (dicom, http) = (free_port(), free_port());
    let site = Site::new(&destination("pacs", dicom, "ORTHANC"));
    let storage = site.path("orthanc");
    let configuration = serde_json::json!({
        "StorageDirectory": storage, "IndexDirectory": storage, "Plugins": [], "DicomAet": "ORTHANC",
        "DicomPort": dicom.port(), "HttpPort": http.port(), "RemoteAccessAllowed": false, "DicomAlwaysAllowStore": true,
        "AuthenticationEnabled": false, "DicomModalities": {},
    });
    std::fs::write(site.path("orthanc.json"), configuration.to_string()).unwrap();
    let child =
        Command::new("Orthanc").arg(site.path("orthanc.json")).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _archive = Killed(child.unwrap());
    wait("Orthanc answers", &site, || ask(http, "GET", "/system", "").is_some());
    let runtime = runtime();
    deploy(&site, "['pacs']");
    let running = site.serve("info");
    send(&site, &runtime, 0..1);
    let record = propose(&site);
    approve(&site, &runtime, &record);
    stdout(&site.run(&["recall", "--carry-out", &record, "--by", "bo"]));
    wait("Orthanc took the note", &site, || status(&site, &record).0 == Some(0));
    running.stop();
    let instances = ask(http, "GET", "/instances", "").unwrap();
    let ids: Vec<&str> = instances.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3, "report, key image and note");
    let tags = ids.iter().map(|id| ask(http, "GET", &format!("/instances/{id}/simplified-tags"), "").unwrap());
    let note = tags.into_iter().find(|tags| tags["Modality"] == "KO").expect("the note is there");
    assert_eq!(note["ConceptNameCodeSequence"][0]["CodeValue"], "113037");
    let items = note["ContentSequence"].as_array().unwrap().iter();
    let named: Vec<&str> =
        items.filter_map(|item| item["ReferencedSOPSequence"][0]["ReferencedSOPInstanceUID"].as_str()).collect();
    assert_eq!(named.len(), 2);
    for uid in named {
        let found = ask(http, "POST", "/tools/lookup", uid).unwrap();
        assert_eq!(found[0]["Type"], "Instance", "what is rejected is held");
    }
}

/// One HTTP request to Orthanc; `None` when it does not answer.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<serde_json::Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
}

/// A child that does not outlive the test.
pub(crate) struct Killed(pub(crate) std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}
