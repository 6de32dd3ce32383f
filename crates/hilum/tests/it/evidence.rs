//! What an auditor does: export twice, verify, break a byte, look for patients; what a maker does: render a card and edit it.

use crate::program::{CANARIES, Site, deploy, destination, send_canary, wait_for_delivery};
use hilum_sign::{MakerKey, NewRecord, PersonKey, RecordKind, SignatureMeaning, ToSign};
use hilum_store::governance::User;
use hilum_store::{Catalog, CatalogOptions};
use hilum_testkit::SimulatedPacs;
use hilum_types::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> Timestamp {
    Timestamp::from_micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", stdout(output), String::from_utf8_lossy(&output.stderr));
    stdout(output)
}

/// Every file below a folder, by path.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Two people, a record that both signed, and one that nobody did: entered through the store, as commands do.
async fn govern(catalog: &dyn Catalog, package: &str) {
    let person = |name: &str, role: &str, seed: u8| User {
        name: name.to_owned(),
        display_name: format!("{name} of the test"),
        roles: vec![role.to_owned()],
        password_hash: "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$unused".to_owned(),
        public_key: PersonKey::from_seed([seed; 32]).public_key(),
        sealed_key: "unused".to_owned(),
        active: true,
        created_at: now(),
    };
    let people = [
        ("anna", "clinical", 1, SignatureMeaning::ApprovedClinical),
        ("bo", "technical", 2, SignatureMeaning::ApprovedTechnical),
    ];
    for (name, role, seed, _) in people {
        catalog.user_add(&person(name, role, seed), "user:admin").await.unwrap();
    }
    let new =
        |kind, subject: &str, body| NewRecord { kind, subject: subject.to_owned(), body, author: "user:anna".into() };
    let change = new(RecordKind::Change, "phantom-cxr", json!({ "format": 1, "why": "first use" }));
    let record = catalog.record_add(&change, now()).await.unwrap().record.digest;
    for (signer, role, seed, meaning) in people {
        let to_sign = ToSign { record, meaning, signer: signer.to_owned(), role: role.to_owned(), signed_at: now() };
        catalog.signature_add(&PersonKey::from_seed([seed; 32]).sign(&to_sign), now()).await.unwrap();
    }
    let trained = new(RecordKind::UserTraining, "anna", json!({ "format": 1, "package": package, "what": "an hour" }));
    catalog.record_add(&trained, now()).await.unwrap();
}

struct Played {
    site: Site,
    key: PathBuf,
    uids: Vec<String>,
}

/// A site at which a study was analysed and delivered, and whose model people answer for.
fn played() -> Played {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    deploy(&site, "phantom-cxr", "active");
    let running = site.serve("info");
    let uids = send_canary(&site, &runtime);
    wait_for_delivery(&site);
    running.stop();
    runtime.block_on(async {
        let url = format!("sqlite:{}", site.path("data/catalog.sqlite").display());
        let catalog = hilum_store::catalog::open(&url, &CatalogOptions::default()).await.unwrap();
        let package = catalog.package_list().await.unwrap()[0].digest;
        govern(&*catalog, &package.to_string()).await;
    });
    let pair = MakerKey::from_random([7; 32]).unwrap();
    let key = site.path("site.pem");
    std::fs::write(&key, pair.to_pem().unwrap()).unwrap();
    std::fs::write(site.path("site.pub.pem"), pair.public().to_pem().unwrap()).unwrap();
    Played { site, key, uids: uids.to_vec() }
}

/// GV-03, GV-04, PR-13.
#[test]
fn a_pack_is_the_same_twice_and_every_flipped_byte_is_named() {
    let from = now().day();
    let Played { site, key, uids } = played();
    let path = |name: &str| site.path(name).to_str().unwrap().to_owned();
    // Midnight may pass meanwhile.
    let to = now().day();
    let report =
        ["evidence", "report", "--deployment", "phantom-cxr", "--from", &from, "--to", &to, "--out", &path("report")];
    assert!(good(&site.run(&report)).contains("missing: Performance in use"));
    let report: Value = serde_json::from_slice(&std::fs::read(site.path("report/report.json")).unwrap()).unwrap();
    assert_eq!((&report["arrived"], &report["versions"][0]["runs"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(report["deliveries"], json!([{ "count": 2, "name": "delivered" }]));

    // The last moment before the exports: what happens later must not show in a pack that ends here.
    let until = now();
    std::thread::sleep(std::time::Duration::from_millis(5));
    let export = |out: &str, more: &[&str]| {
        let out = path(out);
        let mut arguments = vec!["evidence", "export", "--out", &out];
        arguments.extend(more);
        good(&site.run(&arguments))
    };
    let told = export("a", &["--key", key.to_str().unwrap()]);
    assert!(told.contains("missing") && told.contains("Signed"), "{told}");
    export("b", &[]);
    let pack = tree(&site.path("a"));
    assert!(pack == tree(&site.path("b")), "the same inputs gave other bytes");
    assert!(!site.path("b.sig").exists(), "nothing is signed without a key");

    // The site moves on; the pack as of then stays what it was.
    good(&site.run(&["suspend", "phantom-cxr", "--reason", "a test"]));
    std::fs::write(site.path("text.md"), "## Security\n\nLater words.\n").unwrap();
    good(&site.run(&["model", "card-text", "phantom-cxr@1.0.0", &path("text.md")]));
    export("later", &["--to", &until.to_string()]);
    let later = tree(&site.path("later"));
    assert!(later == pack, "the pack as of then is not what it was");
    assert!(!later.values().any(|bytes| String::from_utf8_lossy(bytes).contains("Later words")));

    let listed: Vec<&str> = pack.keys().map(String::as_str).collect();
    for text in pack.values().map(|bytes| String::from_utf8_lossy(bytes)) {
        for canary in CANARIES.iter().copied().chain(uids.iter().map(String::as_str)) {
            assert!(!text.contains(canary), "the pack holds {canary}");
        }
    }
    assert!(listed.iter().any(|name| name.starts_with("reports/")), "{listed:?}");

    let public = path("site.pub.pem");
    let verify = |folder: &str, more: &[&str]| {
        let folder = path(folder);
        let mut arguments = vec!["evidence", "verify", &folder];
        arguments.extend(more);
        // Without --config: a pack is verified anywhere.
        Command::new(env!("CARGO_BIN_EXE_hilum")).args(arguments).output().unwrap()
    };
    let told = good(&verify("a", &["--key", &public]));
    assert!(told.contains("signed as a whole") && told.contains("3 records and 2 signatures"), "{told}");
    good(&verify("b", &[]));
    good(&verify("later", &[]));
    for (name, bytes) in &pack {
        let file = site.path("b").join(name);
        let mut changed = bytes.clone();
        let at = changed.len() / 2;
        changed[at] ^= 1;
        std::fs::write(&file, &changed).unwrap();
        let output = verify("b", &[]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(stdout(&output).contains(name.as_str()), "{name}: {}", stdout(&output));
        std::fs::write(&file, bytes).unwrap();
    }
    std::fs::write(site.path("b/more.txt"), "more").unwrap();
    assert!(stdout(&verify("b", &[])).contains("more.txt is not listed in manifest.sha256"));
    std::fs::remove_file(site.path("b/more.txt")).unwrap();
    std::fs::remove_file(site.path("b/people.json")).unwrap();
    assert!(stdout(&verify("b", &[])).contains("people.json is listed in manifest.sha256 and not there"));

    let sums = Command::new("sha256sum")
        .args(["--strict", "--check", "--quiet", "manifest.sha256"])
        .current_dir(site.path("a"))
        .output();
    good(&sums.unwrap());
    upstream_verifies(&site, &public);
    let again = site.run(&["evidence", "export", "--out", &path("a")]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"));

    // Once there is a label, and figures made of it are kept, the report does not say that there are none.
    let label =
        ["label", "add", "CANARYACC1", "--deployment", "phantom-cxr", "--finding", "nodule", "--truth", "absent"];
    good(&site.run(&label.into_iter().chain(["--by", "anna"]).collect::<Vec<_>>()));
    good(&site.run(&["monitor", "evidence", "phantom-cxr", "--record", "--by", "anna"]));
    let to = now().day();
    let labelled =
        ["evidence", "report", "--deployment", "phantom-cxr", "--from", &from, "--to", &to, "--out", &path("labelled")];
    assert!(!good(&site.run(&labelled)).contains("Performance in use"));
    let report: Value = serde_json::from_slice(&std::fs::read(site.path("labelled/report.json")).unwrap()).unwrap();
    assert_eq!(report["labels"][0]["count"], json!(1), "{report}");
    assert!(report["evidence"][0]["what"].as_str().unwrap().contains("1 studies, 1 labels"), "{report}");
}

/// OpenSSF's own tool takes the signature over the pack.
fn upstream_verifies(site: &Site, public: &str) {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let module = ["-m", "model_signing", "verify", "key"];
    let there = Command::new(&python).args(["-c", "import model_signing"]).output().is_ok_and(|o| o.status.success());
    if !there {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "model_signing is needed under CI=true; see .ci/peers");
        return println!("skipped: model_signing is not importable; name an interpreter that has it in HILUM_PYTHON");
    }
    let run = || {
        Command::new(&python)
            .args(module)
            .arg(site.path("a"))
            .arg("--signature")
            .arg(site.path("a.sig"))
            .args(["--public_key", public])
            .output()
            .unwrap()
    };
    good(&run());
    let file = site.path("a/index.json");
    let kept = std::fs::read(&file).unwrap();
    std::fs::write(&file, b"{}").unwrap();
    assert!(!run().status.success(), "upstream took a changed pack");
    std::fs::write(&file, kept).unwrap();
}

/// UX-07.
#[test]
fn a_card_is_rendered_from_records_and_an_edited_one_is_refused() {
    let site = Site::new("");
    deploy(&site, "phantom-cxr", "shadow");
    let path = |name: &str| site.path(name).to_str().unwrap().to_owned();
    let model = "phantom-cxr@1.0.0";
    let template = good(&site.run(&["model", "card-text", model, "--template"]));
    let filled = template.replace("## Funding\n", "## Funding\n\nThe project itself.\n");
    std::fs::write(site.path("text.md"), &filled).unwrap();
    assert!(good(&site.run(&["model", "card-text", model, &path("text.md")])).starts_with("1 field"));
    assert!(good(&site.run(&["model", "card-text", model, &path("text.md")])).contains("in force already"));
    good(&site.run(&["model", "card", model, "--out", &path("card")]));
    assert!(good(&site.run(&["model", "card", model, "--verify", &path("card")])).contains("is what the records say"));

    let readme = std::fs::read_to_string(site.path("card/README.md")).unwrap();
    assert!(readme.contains("### Funding\n\nThe project itself."));
    std::fs::write(site.path("card/README.md"), readme.replace("The project itself.", "A grant.")).unwrap();
    let output = site.run(&["model", "card", model, "--verify", &path("card")]);
    assert_eq!(output.status.code(), Some(1));
    let told = stdout(&output);
    assert!(told.contains("README.md was edited") && told.contains("A grant."), "{told}");

    good(&site.run(&["model", "card", model, "--out", &path("card")]));
    good(&site.run(&["suspend", "phantom-cxr", "--reason", "a test"]));
    let output = site.run(&["model", "card", model, "--verify", &path("card")]);
    assert_eq!((output.status.code(), stdout(&output).contains("the card is stale")), (Some(1), true));
    let bad = site.run(&["model", "card-text", model, &path("hilum.toml")]);
    assert!(String::from_utf8_lossy(&bad.stderr).contains("data_dir"), "an unknown field is named");
    let unknown = site.run(&["model", "card", "phantom-cxr@9", "--out", &path("other")]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("imported are 1.0.0"));
}
