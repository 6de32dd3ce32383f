//! Clinical use, earned step by step from outside: a validation, signatures, a trained overseer, promotion, and the evidence pack
//! that tells it all (MV-01, MV-10, GV-02, GV-03, UX-10).

use crate::acceptance::{digest, import as import_cases, phantoms, protocol, validate};
use crate::program::{Site, copy_tree, destination, package, wait_for_delivery};
use crate::rollout::{apply, ended, import, phantom, runtime, send};
use hilum_testkit::SimulatedPacs;
use std::path::Path;
use std::process::Command;

const DECLARED: &str = "purpose='clinical'\nowner='Radiology'\ndestinations=['pacs']\n\
    fallback='Read without the model, as before.'\n\
    [deployment.intended_use]\nage_years_min=18\nsynthetic_data=true\n\
    [deployment.monitoring]\nstop_rules=['complaints are read weekly']\nreviewed_by='physics'\nreview_days=7\n\
    [[deployment.monitoring.rule]]\nname='failing'\nmetric='failure_rate'\nabove=0.5\nconfidence=0.99\naction='suspend'\n\
    [deployment.monitoring.evidence]\nwindow_days=90\nn_min=20";

/// The demo package as one that may be used on patients: made and used within one institution.
fn in_house(site: &Site, version: &str) -> String {
    let target = site.path(&format!("in-house-{version}"));
    copy_tree(Path::new(&package("phantom-cxr")), &target);
    let manifest = target.join("hilum/package.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("status = \"research-only\""), "the package of this repository has another status now");
    let text = text.replace("status = \"research-only\"", "status = \"in-house\"");
    let stated = format!("version = \"{version}\"");
    std::fs::write(&manifest, text.replacen("version = \"1.0.0\"", &stated, 1)).unwrap();
    target.to_str().unwrap().to_owned()
}

/// The digest that a command printed as `record <digest>` or `name = "<digest>"`.
fn record_in(said: &str) -> String {
    let digits = |word: &&str| 12 <= word.len() && word.bytes().all(|b| b.is_ascii_hexdigit());
    said.split(|c: char| !c.is_ascii_alphanumeric())
        .find(digits)
        .unwrap_or_else(|| panic!("no record in {said}"))
        .to_owned()
}

fn approve(site: &Site, record: &str) {
    for (name, meaning) in [("anna", "approved_clinical"), ("bo", "approved_technical")] {
        let signed = site.sign(record, name, meaning);
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    }
}

#[test]
fn clinical_use_is_earned() {
    let runtime = runtime();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    for (name, role) in [("root", "governance"), ("anna", "clinical"), ("bo", "technical")] {
        site.person(name, role);
    }
    let version = import(&site, &in_house(&site, "1.0.0"));
    let declared = apply(&site, "cxr", &version, DECLARED);
    assert!(declared.status.success(), "{}", String::from_utf8_lossy(&declared.stderr));

    // Nothing is proven yet, and everything that is missing is told at once.
    let said = site.refused(&["deploy", "ready", "cxr", "--to", "active"]);
    for missing in ["no validation", "trained", "nobody has approved"] {
        assert!(said.to_lowercase().contains(missing), "{missing} is not told: {said}");
    }

    // An acceptance on local cases, approved by two people.
    let (folder, table) = phantoms(&site, "cases", 0..32);
    let set = digest(&site.done(&import_cases(&folder, &table)), "reference_set");
    let asked = protocol(&site, "asked.toml", &set, 1, 0.5, 10);
    let (code, said) = validate(&site, &asked, "report");
    assert_eq!(code, 0, "{said}");
    let validation = digest(&said, "validation");
    let said = site.refused(&["deploy", "promote", "cxr", "--to", "accepted"]);
    assert!(said.contains("approval"), "nobody has signed: {said}");
    approve(&site, &validation);
    site.done(&["deploy", "promote", "cxr", "--to", "accepted"]);
    site.done(&["deploy", "promote", "cxr", "--to", "shadow"]);

    // A trained overseer, and two approvals of exactly this step.
    let said = site.done(&[
        "user",
        "trained",
        "anna",
        "--model",
        &format!("phantom-cxr@{}", &version[..12]),
        "--what",
        "course",
    ]);
    let acknowledged = site.sign(&record_in(&said), "anna", "acknowledged");
    assert!(acknowledged.status.success(), "{}", String::from_utf8_lossy(&acknowledged.stderr));
    let step = ["cxr", "--to", "active", "--reason", "the first model here, so there is nobody to limit it against"];
    let said = site.refused(&[&["deploy", "promote"][..], &step].concat());
    assert!(said.contains("propose"), "{said}");
    let proposed = site.done(&[&["deploy", "propose"][..], &step].concat());
    approve(&site, &record_in(&proposed));
    site.done(&[&["deploy", "promote"][..], &step].concat());

    // It answers, and its results are no longer marked as research only.
    let running = site.serve("info");
    send(&site, &runtime, &phantom(7, 0));
    let outcome = ended(&site, &phantom(7, 0), "cxr");
    assert_eq!(outcome["disposition"], "analysed", "{outcome}");
    wait_for_delivery(&site);
    running.stop();

    // The next version takes the same way, and a signed replay of the change on the same cases besides (MV-14).
    let next = import(&site, &in_house(&site, "1.1.0"));
    let challenger = format!("champion='cxr'\n{DECLARED}\n[deployment.rollout]\nshare=0.5");
    let declared = apply(&site, "cxr-next", &next, &challenger);
    assert!(declared.status.success(), "{}", String::from_utf8_lossy(&declared.stderr));
    let (asked, out) = (asked.to_str().unwrap(), site.path("report-2"));
    let accepted = ["validate", "--model", "phantom-cxr@1.1.0", "--accept-underpowered", "--protocol", asked];
    let said = site.done(&[&accepted[..], &["--out", out.to_str().unwrap()]].concat());
    approve(&site, &digest(&said, "validation"));
    site.done(&["deploy", "promote", "cxr-next", "--to", "accepted"]);
    site.done(&["deploy", "promote", "cxr-next", "--to", "shadow"]);
    let said = site.done(&["user", "trained", "anna", "--model", "phantom-cxr@1.1.0", "--what", "what changed"]);
    assert!(site.sign(&record_in(&said), "anna", "acknowledged").status.success());
    let said = site.refused(&["deploy", "ready", "cxr-next", "--to", "limited"]);
    assert!(said.contains("replay"), "nobody has replayed the change: {said}");
    let both = ["model", "compare", "phantom-cxr@1.0.0", "phantom-cxr@1.1.0", "--reference", "phantoms"];
    let labels = ["--finding", "effusion", "--positive", "effusion", "--negative", "clear", "--for", "cxr-next"];
    approve(&site, &digest(&site.done(&[&both[..], &labels].concat()), "replay"));
    for to in ["limited", "active"] {
        let step = ["cxr-next", "--to", to, "--reason", "equal on every case"];
        let proposed = site.done(&[&["deploy", "propose"][..], &step].concat());
        approve(&site, &record_in(&proposed));
        site.done(&[&["deploy", "promote"][..], &step].concat());
    }
    assert!(site.done(&["deploy", "history", "cxr"]).contains(&next[..12]));
    site.done(&["deploy", "rollback", "cxr", "--reason", "the old one was loved", "--by", "anna"]);

    // The pack links all of it, says what is missing, and holds.
    let pack = site.path("pack");
    site.done(&["evidence", "export", "--out", pack.to_str().unwrap()]);
    let index = std::fs::read_to_string(pack.join("index.json")).unwrap();
    assert!(index.contains(&validation) && index.contains("missing"), "{index}");
    let verified = Command::new(env!("CARGO_BIN_EXE_hilum")).args(["evidence", "verify"]).arg(&pack).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    assert!(site.done(&["audit", "verify"]).contains("Everything is as it was entered."));
}
