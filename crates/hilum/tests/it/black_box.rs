//! A real product that is a DICOM node (pynetdicom and highdicom), behind the gate, watched by fixed cases, and found
//! in the traffic while it is not registered.

use crate::oip::python;
use crate::product::{LONG_DEADLINE, Product, import, import_with};
use crate::program::{PATIENCE, Running, Site, destination, package};
use hilum_dimse::{Association, AssociationOptions, DataSet, ProposedContext, StoreRequest};
use hilum_sign::{NewRecord, PersonKey, RecordKind, SignatureMeaning, ToSign};
use hilum_store::catalog::{self, CatalogOptions};
use hilum_store::governance::User;
use hilum_store::products::ProductRequestState;
use hilum_store::{BlobOptions, BlobStore, JobFilter, LocalBlobs};
use hilum_testkit::{Acquisition, FindingSpec, Phantom, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::{Digest, Timestamp};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A radiograph of somebody who does not exist, under an accession number that the product's behaviour goes by.
pub(crate) fn phantom(seed: u64, accession: &str) -> Phantom {
    let at = Timestamp::from_micros(1_795_424_400_000_000);
    let mut subject = Subject::seeded(seed, at);
    subject.accession = accession.to_owned();
    dx(seed, &subject, &Acquisition::radiograph().with_matrix(64, 64), &[FindingSpec::nodule()]).unwrap()
}

pub(crate) fn send(runtime: &tokio::runtime::Runtime, called_ae: &str, to: SocketAddr, phantom: &Phantom) {
    let modality = SimulatedModality::new("DX1".parse().unwrap(), called_ae.parse().unwrap(), to);
    let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(phantom.instances.clone())));
    assert_eq!(ledger.failures().count(), 0);
}

pub(crate) fn apply(site: &Site, name: &str, package: &str, more: &str) {
    let file = site.path(&format!("{name}.toml"));
    std::fs::write(&file, format!("[[deployment]]\nname='{name}'\n{package}\n{more}\n")).unwrap();
    let applied = site.run(&["apply", file.to_str().unwrap()]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
}

/// The journey of a study for a deployment, once it has ended.
pub(crate) fn ended(site: &Site, study: &Phantom, deployment: &str) -> Value {
    let begun = Instant::now();
    loop {
        let found = site.get(&format!("/api/v1/studies/{}", study.study_instance_uid)).filter(|(s, _)| *s == 200);
        let journey: Value = found.map(|(_, body)| serde_json::from_slice(&body).unwrap()).unwrap_or_default();
        let ends = |d: &&Value| d["deployment"] == deployment && d["disposition"].is_string();
        if let Some(found) = journey["deployments"].as_array().and_then(|list| list.iter().find(ends)) {
            return json!({ "n_instances": journey["n_instances"], "revision": journey["revision"], "deployment": found });
        }
        // The lease of a server that was killed runs out after a minute, and its work is taken up then.
        assert!(begun.elapsed() < 2 * PATIENCE, "{journey}\n{}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// `failed product.no-answer` and the like.
pub(crate) fn outcome(site: &Site, study: &Phantom, deployment: &str) -> String {
    let ended = ended(site, study, deployment);
    let name = ended["deployment"]["disposition"].as_str().unwrap().to_owned();
    let codes = ended["deployment"]["reasons"].as_array().cloned().unwrap_or_default();
    let code = codes.iter().filter_map(|reason| reason["code"].as_str()).find(|code| code.starts_with("product."));
    code.map_or(name.clone(), |code| format!("{name} {code}"))
}

pub(crate) fn quarantine(site: &Site) -> Vec<String> {
    let list = site.json("/api/v1/quarantine");
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|item| item["reason"]["code"].as_str()).map(str::to_owned).collect()
}

pub(crate) fn alarms(site: &Site) -> Vec<String> {
    let list = site.json("/api/v1/alarms");
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| format!("{}: {}", item["code"].as_str().unwrap(), item["text"].as_str().unwrap())).collect()
}

pub(crate) fn until(what: &str, site: &Site, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}\n{}", site.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn stdout(site: &Site, arguments: &[&str]) -> (i32, String) {
    let output = site.run(arguments);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), text)
}

/// AV-08: a product is gated, its objects leave byte for byte, nothing loops, and each way to fail has its reason.
#[test]
fn a_product_is_behind_the_gate_and_every_failure_has_its_reason() {
    let Some(python) = python("pynetdicom, highdicom, pydicom, numpy") else { return };
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&format!("[delivery]\nretry_seconds_first = 1\n{}", destination(&pacs)));
    let product = Product::start(&python, site.dimse);
    let package = import(&site, "nodule-box", product.address, "");
    apply(&site, "nodules", &package, "state='active'\ndestinations=['pacs']");
    let (status, said) = stdout(&site, &["check"]);
    assert!(status == 0 && said.contains("nodules: PRODUCT at 127.0.0.1") && said.contains("answers C-ECHO"), "{said}");
    let running = site.serve("info");

    let behave = |late: Value| {
        product.behave(
            json!({ "mode": "normal" }),
            json!({
                "TWICE": { "mode": "twice" },
                "SILENT": { "mode": "silent" },
                "LATE": late,
                "PATIENT": { "mode": "normal", "patient_id": "SOMEBODY-ELSE" },
                "STUDY": { "mode": "normal", "study_uid": "1.2.3.4.5" },
                "VERSION": { "mode": "normal", "version": "3.2" },
                "REFUSED": { "mode": "refuse", "status": 0x0122 },
                "BUSY": { "mode": "refuse", "status": 0xA700 },
            }),
        );
    };
    behave(json!({ "mode": "normal", "hold": true }));
    let studies: Vec<(&str, Phantom)> =
        ["GOOD", "TWICE", "SILENT", "LATE", "PATIENT", "STUDY", "VERSION", "REFUSED", "BUSY"]
            .into_iter()
            .enumerate()
            .map(|(n, accession)| (accession, phantom(50 + n as u64, accession)))
            .collect();
    for (_, study) in &studies {
        send(&runtime, "HILUM", site.dimse, study);
    }
    let outcomes: Vec<String> =
        studies.iter().map(|(accession, study)| format!("{accession}: {}", outcome(&site, study, "nodules"))).collect();
    insta::assert_snapshot!(outcomes.join("\n"), @r"
    GOOD: analysed
    TWICE: analysed
    SILENT: failed product.no-answer
    LATE: failed product.no-answer
    PATIENT: failed product.identity
    STUDY: failed product.no-answer
    VERSION: failed product.other-version
    REFUSED: failed product.refused
    BUSY: failed product.unreachable
    ");

    // What came back is bound to its study and no image of it: nothing loops.
    let good = ended(&site, &studies[0].1, "nodules");
    assert_eq!((&good["n_instances"], &good["revision"]), (&json!(1), &json!(1)), "{good}");
    let finding = &good["deployment"]["inference"]["findings"][0];
    assert!(finding["label"] == "nodule" && finding["score"].is_number(), "{good}");
    until("both answers are delivered", &site, || pacs.kept_uids().len() == 2);

    // The bytes are the maker's.
    let delivered = pacs.received();
    let text = |data_set: &[u8]| String::from_utf8_lossy(data_set).into_owned();
    assert!(delivered.iter().all(|object| text(object.data_set.as_ref().unwrap()).contains("Acme Imaging")));
    let sent: Vec<Digest> = ["GOOD", "TWICE"]
        .into_iter()
        .flat_map(|accession| product.events("made", accession))
        .map(|made| hex_digest(made["data_set"].as_str().unwrap()))
        .collect();
    assert!(delivered.iter().all(|object| sent.contains(&object.digest)), "an object was changed on its way");

    // What fits no question waits in quarantine with its reason, once, and the product was told so.
    behave(json!({ "mode": "normal" }));
    until("the late result comes", &site, || quarantine(&site).len() == 3);
    let mut reasons = quarantine(&site);
    reasons.sort();
    assert_eq!(reasons, ["product.identity", "product.late", "product.unasked"]);
    product.wait_for("sent", "LATE", 1);
    assert_eq!(product.events("sent", "LATE")[0]["statuses"], json!([0xC000]));
    let told = alarms(&site).join("\n");
    assert!(told.contains("product-identity") && told.contains("product-late"), "{told}");
    assert!(!told.contains("SOMEBODY-ELSE"), "an alarm names a patient: {told}");

    // A result of ours that an archive routes back to us reopens nothing.
    let back = delivered[0].clone();
    runtime.block_on(async {
        let context = ProposedContext::new(&back.sop_class_uid, &back.transfer_syntax_uid);
        let options = AssociationOptions::new("ARCHIVE".parse().unwrap(), "HILUM".parse().unwrap(), vec![context]);
        let mut association = Association::connect(site.dimse, &options).await.unwrap();
        let response = association
            .store(StoreRequest {
                sop_class_uid: &back.sop_class_uid,
                sop_instance_uid: &back.sop_instance_uid,
                transfer_syntax: &back.transfer_syntax_uid,
                data: DataSet::Bytes(back.data_set.as_ref().unwrap()),
            })
            .await
            .unwrap();
        assert_eq!(response.status.0, 0);
        association.release().await.unwrap();
    });
    for (_, study) in &studies[..2] {
        let journey = ended(&site, study, "nodules");
        assert_eq!((&journey["n_instances"], &journey["revision"]), (&json!(1), &json!(1)));
    }
    let books = site.json("/api/v1/books");
    let lines = books["books"].as_array().cloned().unwrap_or_default();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["balanced"] == true), "{books}");
    running.stop();
    assert!(stdout(&site, &["audit", "verify"]).1.contains("whole"));
}

/// The product logs digests of bare data sets as the catalog computes them would need BLAKE3, so it logs the bytes.
pub(crate) fn hex_digest(hex: &str) -> Digest {
    let nibble = |b: u8| (b as char).to_digit(16).unwrap() as u8;
    let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect();
    Digest::of(&bytes)
}

/// Killed while it waits: nothing is lost, and the product is not asked twice. Then shadow: nothing leaves (MV-16).
#[test]
fn a_wait_survives_a_kill_and_shadow_stays_silent() {
    let Some(python) = python("pynetdicom, highdicom, pydicom, numpy") else { return };
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    let product = Product::start(&python, site.dimse);
    let package = import_with(&site, "nodule-box", product.address, (LONG_DEADLINE, 1), "");
    apply(&site, "nodules", &package, "state='active'\ndestinations=['pacs']");
    apply(&site, "nodules-shadow", &package, "state='shadow'");
    // It answers once the server is there again: nobody would be there to take an answer before.
    product.behave(json!({ "mode": "normal", "hold": true }), json!({}));
    let mut running = site.serve("info");
    let study = phantom(80, "KILLED");
    send(&runtime, "HILUM", site.dimse, &study);
    // Two deployments ask the same product about the same study: one after the other, or answers could be mixed up.
    product.wait_for("study", "KILLED", 1);
    // Between the last image and its record nobody can know that all was sent: only what is recorded is not sent again.
    until("what was sent is recorded", &site, || waits_for_a_product(&runtime, &site));
    running.kill();
    let running = site.serve("info");
    product.behave(json!({ "mode": "normal" }), json!({}));
    assert_eq!(outcome(&site, &study, "nodules"), "analysed", "{}", site.log());
    assert_eq!(outcome(&site, &study, "nodules-shadow"), "analysed", "{}", site.log());
    assert_eq!(product.events("study", "KILLED").len(), 2, "one question for each deployment");
    until("the answer is delivered", &site, || pacs.kept_uids().len() == 1);
    let shadow = ended(&site, &study, "nodules-shadow");
    assert_eq!(shadow["deployment"]["deliveries"].as_array().map(Vec::len), Some(0));
    assert!(!shadow["deployment"]["results"].as_array().unwrap().is_empty(), "the shadow result was not recorded");
    running.stop();
    assert_eq!(pacs.received().len(), 1, "something left twice, or from the shadow");
}

/// Whether some question was sent and is waited for.
fn waits_for_a_product(runtime: &tokio::runtime::Runtime, site: &Site) -> bool {
    let url = format!("sqlite:{}", site.path("data/catalog.sqlite").display());
    runtime.block_on(async {
        let catalog = catalog::open(&url, &CatalogOptions::default()).await.unwrap();
        for job in catalog.job_list(&JobFilter::default(), 100).await.unwrap() {
            let requests = catalog.product_requests(&job.key).await.unwrap();
            if requests.iter().any(|request| request.state == ProductRequestState::Waiting) {
                return true;
            }
        }
        false
    })
}

/// Two people sign a record as clinical and technical approvers.
fn approve(runtime: &tokio::runtime::Runtime, site: &Site, record: Digest) {
    let url = format!("sqlite:{}", site.path("data/catalog.sqlite").display());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as i64;
    let now = Timestamp::from_micros(now);
    runtime.block_on(async {
        let catalog = catalog::open(&url, &CatalogOptions::default()).await.unwrap();
        for (name, role, seed, meaning) in [
            ("anna", "clinical", 1, SignatureMeaning::ApprovedClinical),
            ("bo", "technical", 2, SignatureMeaning::ApprovedTechnical),
        ] {
            let key = PersonKey::from_seed([seed; 32]);
            let user = User {
                name: name.into(),
                display_name: name.into(),
                roles: vec![role.into()],
                password_hash: "$argon2id$none".into(),
                public_key: key.public_key(),
                sealed_key: "none".into(),
                active: true,
                created_at: now,
            };
            catalog.user_add(&user, "user:root").await.unwrap();
            let claim = ToSign { record, meaning, signer: name.into(), role: role.into(), signed_at: now };
            catalog.signature_add(&key.sign(&claim), now).await.unwrap();
        }
    });
}

/// The record of the newest run.
fn newest_record(runtime: &tokio::runtime::Runtime, site: &Site, deployment: &str) -> Digest {
    let url = format!("sqlite:{}", site.path("data/catalog.sqlite").display());
    runtime.block_on(async {
        let catalog = catalog::open(&url, &CatalogOptions::default()).await.unwrap();
        let runs = catalog.canary_runs(Some(deployment), 1).await.unwrap();
        runs[0].record.unwrap()
    })
}

/// MV-15: fixed cases begin by schedule; a silent change is told apart from a product that is down, raises an alarm
/// that names cases and differences, and suspends once the baseline is signed.
#[test]
fn a_product_that_changes_silently_is_caught_by_its_fixed_cases() {
    let Some(python) = python("pynetdicom, highdicom, pydicom, numpy") else { return };
    let runtime = runtime();
    let site = Site::new("[delivery]\nretry_seconds_first = 1\n");
    let product = Product::start(&python, site.dimse);
    let package = import(&site, "nodule-box", product.address, "");
    for seed in [90, 91] {
        let case = phantom(seed, &format!("CASE{seed}"));
        let folder = site.path(&format!("data/canary/case-{seed}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0.dcm"), case.instances[0].part10()).unwrap();
    }
    let canary = "[deployment.canary]\ncases='canary'\nscore_tolerance=0.05\n";
    apply(&site, "nodules", &package, &format!("state='shadow'\n{canary}"));
    let running = site.serve("info");
    until("the first run is begun by the schedule", &site, || {
        stdout(&site, &["canary", "list"]).1.contains("baseline unsigned")
    });
    let baseline = newest_record(&runtime, &site, "nodules");
    let (status, said) = stdout(&site, &["canary", "run", "nodules"]);
    assert!(status == 0 && said.contains("unchanged: 2 cases") && said.contains("baseline unsigned"), "{said}");

    // The score grows by 0.2, and nobody said so. The baseline is not signed: an alarm, no suspension.
    product.behave(json!({ "mode": "normal", "shift": 0.2 }), json!({}));
    let (status, said) = stdout(&site, &["canary", "run", "nodules"]);
    assert!(status == 3 && said.contains("case-90: report: Nodule (27925004, SCT) > Probability"), "{status} {said}");
    assert!(!stdout(&site, &["deployments"]).1.contains("suspended"));
    approve(&runtime, &site, baseline);

    // A product that is down did not change.
    product.behave(json!({ "mode": "refuse", "status": 0xA700 }), json!({}));
    let (status, said) = stdout(&site, &["canary", "run", "nodules"]);
    assert!(status == 4 && said.contains("no answer: 2 cases, 2 without an answer"), "{status} {said}");
    assert!(!stdout(&site, &["deployments"]).1.contains("suspended"));
    product.behave(json!({ "mode": "normal" }), json!({}));
    let (status, said) = stdout(&site, &["canary", "run", "nodules"]);
    assert!(status == 0 && said.contains("is signed"), "{status} {said}");

    product.behave(json!({ "mode": "normal", "shift": 0.2 }), json!({}));
    let (status, said) = stdout(&site, &["canary", "run", "nodules"]);
    assert!(status == 3, "{said}");
    let deployments = stdout(&site, &["deployments"]).1;
    assert!(deployments.contains("suspended") && deployments.contains("stop-rule:canary"), "{deployments}");
    let told = alarms(&site).join("\n");
    assert!(told.contains("canary-changed") && told.contains("case-90") && told.contains("case-91"), "{told}");
    assert!(told.contains("canary-no-answer"), "{told}");

    // Fixed cases are in nobody's books, and the schedule survives a restart: the day is not over.
    let studies = site.json("/api/v1/studies");
    assert_eq!(studies["studies"].as_array().map(Vec::len), Some(0), "{studies}");
    let runs = stdout(&site, &["canary", "list", "nodules"]).1.matches("  by ").count();
    running.stop();
    let running: Running = site.serve("info");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(stdout(&site, &["canary", "list", "nodules"]).1.matches("  by ").count(), runs);
    running.stop();
    // The same identifiers would be answered from memory: each run had its own.
    let asked = product.events("study", "CASE90");
    let uids: std::collections::BTreeSet<&str> = asked.iter().map(|event| event["study"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), asked.len());
    assert!(stdout(&site, &["audit", "verify"]).1.contains("whole"));
}

/// MV-15 for what runs here: the cases of a reference set through a model of this site; cases that are gone are told.
#[test]
fn a_model_of_this_site_is_watched_by_a_reference_set() {
    let runtime = runtime();
    let site = Site::new("");
    let imported = stdout(&site, &["model", "import", &package("phantom-cxr")]).1;
    let line = imported.lines().find(|line| line.starts_with("package = ")).unwrap().to_owned();
    let running = site.serve("info");
    let set = runtime.block_on(async {
        let blobs = LocalBlobs::open(&site.path("data"), &BlobOptions { reserve_bytes: 0 }).unwrap();
        let mut cases = Vec::new();
        for seed in [95, 96] {
            let bytes = phantom(seed, "SET").instances[0].part10().to_vec();
            let object = blobs.blob_put(bytes.into()).await.unwrap().digest;
            cases.push(json!({ "id": format!("case-{seed}"), "instances": [{ "object": object, "pixels": object }] }));
        }
        let body = json!({ "format": 1, "name": "set", "columns": [], "cases": cases });
        let author = "user:test".to_owned();
        let record = NewRecord { kind: RecordKind::ReferenceSet, subject: "set".to_owned(), body, author };
        let url = format!("sqlite:{}", site.path("data/catalog.sqlite").display());
        let catalog = catalog::open(&url, &CatalogOptions::default()).await.unwrap();
        catalog.record_add(&record, Timestamp::from_micros(1_795_424_400_000_000)).await.unwrap().record.digest
    });
    apply(&site, "watched", &line, &format!("state='shadow'\n[deployment.canary]\nreference_set='{set}'\n"));
    until("the schedule begins a run", &site, || stdout(&site, &["canary", "list"]).1.contains("baseline unsigned"));
    let (status, said) = stdout(&site, &["canary", "run", "watched"]);
    assert!(status == 0 && said.contains("unchanged: 2 cases"), "{status} {said}");
    apply(&site, "astray", &line, "state='draft'\n[deployment.canary]\ncases='nowhere'\n");
    let (status, said) = stdout(&site, &["canary", "run", "astray"]);
    assert!(status == 4 && said.contains("not carried out"), "{status} {said}");
    assert!(alarms(&site).iter().any(|alarm| alarm.starts_with("canary-unusable: the fixed cases of astray")));
    running.stop();
}

/// GV-01: results of an algorithm that nobody registered raise one alarm, and are listed until it is.
#[test]
fn an_unregistered_algorithm_in_the_traffic_is_reported() {
    let Some(python) = python("pynetdicom, highdicom, pydicom, numpy") else { return };
    let runtime = runtime();
    let site = Site::new("");
    let running = site.serve("info");
    let product = Product::start(&python, site.dimse);
    for seed in [70, 71] {
        send(&runtime, "PRODUCT", product.address, &phantom(seed, &format!("SOMEWHERE{seed}")));
    }
    until("both reports were looked into", &site, || {
        stdout(&site, &["inventory", "--unregistered"]).1.contains("2 objects")
    });
    let (_, said) = stdout(&site, &["inventory", "--unregistered"]);
    assert!(said.contains("UNREGISTERED  Nodule Box  version 3.1  by Acme Imaging"), "{said}");
    let told: Vec<String> = alarms(&site).into_iter().filter(|alarm| alarm.starts_with("unregistered-ai")).collect();
    assert!(told.len() == 1 && told[0].contains("Nodule Box"), "{told:?}");
    import(&site, "nodule-box", product.address, "");
    assert!(stdout(&site, &["inventory", "--unregistered"]).1.contains("No received object names an unregistered"));
    assert!(stdout(&site, &["inventory"]).1.contains("registered    Nodule Box"));
    running.stop();
}
