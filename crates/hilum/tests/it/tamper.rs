//! Edits of the catalog and of stored packages by hand, each found and named (PR-12, GV-12, AV-07).

use crate::oip::python;
use crate::people::told;
use crate::program::{Site, deploy};
use hilum_store::CatalogOptions;
use hilum_store::governance::{CaseFingerprint, SetRole};
use hilum_types::{Digest, Timestamp};
use std::path::Path;
use std::process::Command;

/// A site where every governed table has rows.
fn site() -> (Site, String) {
    let site = Site::new("");
    for (name, role) in [("root", "governance"), ("anna", "clinical")] {
        site.person(name, role);
    }
    deploy(&site, "phantom-cxr", "shadow");
    let said = site.done(&["user", "trained", "anna", "--model", "phantom-cxr@1.0.0", "--what", "the course"]);
    let record = said.split_once("record ").unwrap().1[..12].to_owned();
    assert!(told(&site.sign(&record, "anna", "acknowledged")).0);
    let url = format!("sqlite:{}", site.path("data/catalog.sqlite").display());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let catalog = hilum_store::open(&url, &CatalogOptions::default()).await.unwrap();
        let (now, who) = (Timestamp::from_micros(1_795_424_400_000_000), "user:anna");
        let package = catalog.package_list().await.unwrap()[0].digest;
        catalog.alias_move("phantom-cxr", "candidate", &package, None, who, now).await.unwrap();
        let set = Digest::of(b"reference set");
        catalog.reference_use(&set, &Digest::of(b"protocol"), &package, who, now).await.unwrap();
        let case = CaseFingerprint { case_id: "c1".into(), patient: None, pixels: vec![Digest::of(b"image")] };
        catalog.fingerprints_add(&set, SetRole::Reference, "", &[case], who, now).await.unwrap();
    });
    (site, record)
}

/// Run SQL by hand on a database that nobody has open.
fn edit(python: &str, database: &Path, sql: &str) {
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.executescript(sys.argv[2])\nc.commit()\n\
                  c.execute('PRAGMA wal_checkpoint(TRUNCATE)')\nc.close()";
    let output = Command::new(python).args(["-c", script]).arg(database).arg(sql).output().unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn whatever_is_edited_by_hand_is_named() {
    let Some(python) = python("sqlite3") else { return };
    let (site, record) = site();
    let database = site.path("data/catalog.sqlite");
    assert!(site.done(&["audit", "verify"]).contains("Everything is as it was entered."));
    edit(&python, &database, "");
    let kept = std::fs::read(&database).unwrap();
    let record_is = format!("record {record}: ");
    let signature_is = format!("signature of anna over record {record}: ");
    let cases = [
        ("UPDATE record SET body = replace(body, 'course', 'curse')", format!("{record_is}its content was changed")),
        ("UPDATE record SET author = 'user:root'", format!("{record_is}its author or time was changed")),
        ("UPDATE record SET body = 'gone'", format!("{record_is}its content was changed")),
        ("UPDATE record SET created_at = 'yesterday'", "table record, row 1: it was changed by hand".into()),
        ("UPDATE signature SET role = 'technical'", format!("{signature_is}the signature is broken")),
        ("UPDATE signature SET meaning = 'approved_clinical'", format!("{signature_is}the signature is broken")),
        ("DELETE FROM signature", format!("{signature_is}what audit entry")),
        ("DELETE FROM signature; DELETE FROM record", format!("{record_is}what audit entry")),
        ("UPDATE user_account SET roles = '[\"governance\"]' WHERE name = 'anna'", "user anna: roles, key".into()),
        ("UPDATE user_account SET active = 0 WHERE name = 'root'", "user root: roles, key".into()),
        (
            "INSERT INTO user_account SELECT 'eve', display_name, roles, password_hash, public_key, sealed_key, active, \
             created_at FROM user_account WHERE name = 'root'",
            "user eve: the audit chain does not know this user".into(),
        ),
        ("UPDATE user_key SET public_key = 'aa' WHERE name = 'anna'", "user anna: the list of this user's keys".into()),
        ("UPDATE alias SET actor = 'user:eve'", "alias phantom-cxr/candidate: it was moved by hand".into()),
        ("UPDATE alias SET package = 'junk'", "table alias, row 1: it was changed by hand".into()),
        ("DELETE FROM alias", "alias phantom-cxr/candidate: it was taken out".into()),
        ("UPDATE alias_move SET moved_at = moved_at + 1", "alias phantom-cxr/candidate: its move number 1".into()),
        ("UPDATE reference_use SET actor = 'user:eve'", "its use number 1 was changed".into()),
        ("DELETE FROM reference_use", "reference set ".into()),
        ("UPDATE fingerprint SET case_id = 'c2'", "its fingerprints, role or model were changed".into()),
        ("UPDATE package SET version = '1.0.1'", "changed by hand after its import: version".into()),
        ("UPDATE package SET manifest = replace(manifest, '0.316', '0.9')", "after its import: manifest".into()),
        ("UPDATE package SET imported_at = imported_at - 1", "after its import: time of import".into()),
        ("UPDATE deployment SET state = 'active'", "deployment phantom-cxr: it was changed by hand".into()),
        ("UPDATE deployment_change SET state = 'active'", "deployment phantom-cxr: its revision 1 was changed".into()),
        (
            "UPDATE deployment SET spec = replace(spec, '600', '60'); \
             UPDATE deployment_change SET spec = replace(spec, '600', '60')",
            "deployment phantom-cxr: its revision 1 was changed".into(),
        ),
        ("DELETE FROM deployment", "deployment phantom-cxr: it was taken out".into()),
        ("UPDATE audit SET actor = 'user:eve' WHERE seq = 2", "THE AUDIT CHAIN IS BROKEN".into()),
    ];
    for (sql, expected) in cases {
        edit(&python, &database, sql);
        let said = site.refused(&["audit", "verify"]);
        assert!(said.contains(&expected), "{sql}\nwanted: {expected}\n{said}");
        for beside in ["catalog.sqlite-wal", "catalog.sqlite-shm"] {
            // They belong to the edited database; SQLite takes them away itself when the last one closes it.
            let _may_be_gone = std::fs::remove_file(site.path("data").join(beside));
        }
        std::fs::write(&database, &kept).unwrap();
    }
    assert!(site.done(&["audit", "verify"]).contains("Everything is as it was entered."));
}

#[test]
fn a_byte_of_a_stored_package_is_found_and_it_is_not_started() {
    let (site, _) = site();
    let packages = site.path("data/packages");
    let digest = site.done(&["model", "list"])[..64].to_owned();
    let model = packages.join(&digest).join("models/model.onnx");
    let mut bytes = std::fs::read(&model).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&model, bytes).unwrap();
    for arguments in [&["audit", "verify"][..], &["model", "verify", "phantom-cxr@1.0.0"]] {
        let said = site.refused(arguments);
        assert!(said.contains("models/model.onnx was changed"), "{said}");
    }
    let engines = hilum_infer::EngineConfig { onnx_runtime: None, built_in_only: true };
    let models = hilum_worker::Models::new(packages.clone(), engines);
    models.load(digest.parse().unwrap()).unwrap_err();
    std::fs::remove_dir_all(packages.join(&digest)).unwrap();
    assert!(site.refused(&["audit", "verify"]).contains("its folder is gone"));
}
