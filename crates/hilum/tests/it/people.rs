//! People, their passwords and what they sign, as the command line shows it (GV-02, PR-10, UX-10).

use crate::oip::python;
use crate::program::{Site, package};
use std::process::{Command, Output};

/// What a command said, and whether it succeeded.
pub(crate) fn told(output: &Output) -> (bool, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

impl Site {
    /// A command that must succeed; what it said.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let (done, said) = told(&self.run(arguments));
        assert!(done, "{arguments:?}: {said}");
        said
    }

    /// A command that must be refused; what it said.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let (done, said) = told(&self.run(arguments));
        assert!(!done, "{arguments:?}: {said}");
        said
    }

    /// A file with one line; its path.
    pub(crate) fn file(&self, name: &str, line: &str) -> String {
        std::fs::write(self.path(name), format!("{line}\n")).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Enter a person whose password is `<name> has a password`; the first one is `root`, who enters the others.
    pub(crate) fn person(&self, name: &str, role: &str) {
        let password = self.file(&format!("{name}.password"), &format!("{name} has a password"));
        let root = self.path("root.password").to_str().unwrap().to_owned();
        let mut arguments = vec!["user", "add", name, "--display", "Dr. Person", "--role", role];
        arguments.extend(["--password-file", &password]);
        if name != "root" {
            arguments.extend(["--as", "root", "--as-password-file", &root]);
        }
        self.done(&arguments);
    }

    /// Sign a record as somebody that [`Site::person`] entered.
    pub(crate) fn sign(&self, record: &str, name: &str, meaning: &str) -> Output {
        let password = self.path(&format!("{name}.password")).to_str().unwrap().to_owned();
        self.run(&["record", "sign", record, "--as", name, "--meaning", meaning, "--password-file", &password])
    }
}

/// The 12 digits after `record` in what a command said.
fn digest_in(said: &str) -> String {
    said.split_once("record ").and_then(|(_, rest)| rest.split_whitespace().next()).unwrap().to_owned()
}

#[test]
fn nobody_is_there_at_first_and_the_first_person_enters_the_others() {
    let site = Site::new("");
    assert!(site.done(&["user", "list"]).contains("Nobody is entered"), "PR-10: there is no default account");
    let password = site.file("p", "correct horse");
    let add = |name: &'static str, role: &'static str, more: &[&str]| {
        let mut arguments =
            vec!["user", "add", name, "--display", "A. Person", "--role", role, "--password-file", &password];
        arguments.extend(more);
        told(&site.run(&arguments))
    };
    let (done, said) = add("anna", "clinical", &[]);
    assert!(!done && said.contains("--role governance"), "{said}");
    let short = site.file("short", "short");
    let said =
        site.refused(&["user", "add", "root", "--display", "R", "--role", "governance", "--password-file", &short]);
    assert!(said.contains("at least 8 characters"), "{said}");
    assert!(add("root", "governance", &[]).0);
    let (done, said) = add("anna", "clinical", &[]);
    assert!(!done && said.contains("--as USER"), "{said}");
    let wrong = site.file("wrong", "wrong horse");
    let (done, said) = add("anna", "clinical", &["--as", "root", "--as-password-file", &wrong]);
    assert!(!done && said.contains("the password is wrong") && !said.contains("wrong horse"), "{said}");
    assert!(add("anna", "clinical", &["--as", "root", "--as-password-file", &password]).0);
    let (done, said) = add("bo", "technical", &["--as", "anna", "--as-password-file", &password]);
    assert!(!done && said.contains("does not hold the role governance"), "{said}");
    let (done, said) = add("anna", "technical", &["--as", "root", "--as-password-file", &password]);
    assert!(!done && said.contains("never given twice"), "{said}");

    // A password of one's own, one that was lost, other roles, and the end.
    let new = site.file("new", "another horse");
    site.done(&["user", "password", "anna", "--password-file", &password, "--new-password-file", &new]);
    site.refused(&["user", "password", "anna", "--password-file", &password, "--new-password-file", &new]);
    let as_root = ["--as", "root", "--as-password-file", &password];
    site.done(&[&["user", "password", "anna", "--new-password-file", &password][..], &as_root].concat());
    site.done(&[&["user", "roles", "anna", "--role", "clinical", "--role", "radiologist"][..], &as_root].concat());
    assert!(site.done(&["user", "list"]).contains("clinical, radiologist"));
    site.done(&[&["user", "deactivate", "anna"][..], &as_root].concat());
    assert!(site.done(&["user", "list"]).contains("deactivated"));
    let said = site.refused(&[&["user", "deactivate", "root"][..], &as_root].concat());
    assert!(said.contains("the last one with the role governance"), "{said}");
    assert!(site.done(&["audit", "verify"]).contains("Everything is as it was entered."));
}

#[test]
fn two_people_approve_and_a_changed_record_shows_the_signatures_broken() {
    let Some(python) = python("sqlite3") else { return };
    let site = Site::new("");
    for (name, role) in [("root", "governance"), ("anna", "clinical"), ("bo", "technical")] {
        site.person(name, role);
    }
    site.done(&["model", "import", &package("phantom-cxr")]);
    let said = site.done(&["user", "trained", "anna", "--model", "phantom-cxr@1.0.0", "--what", "the course of May"]);
    let record = digest_in(&said);
    let signed = |name: &str, meaning: &str| told(&site.sign(&record, name, meaning));
    assert!(signed("anna", "acknowledged").0);
    let (done, said) = signed("anna", "approved_technical");
    assert!(!done && said.contains("does not hold the role \"technical\""), "{said}");
    let (done, said) = signed("anna", "approved_clinical");
    assert!(done && said.contains("missing  approval in the technical role"), "{said}");
    assert!(signed("bo", "approved_technical").0);
    let said = site.done(&["record", "show", &record]);
    assert!(said.contains("approved clinically by anna, technically by bo") && !said.contains("BROKEN"), "{said}");
    assert!(site.done(&["record", "list", "--kind", "user_training", "--subject", "anna"]).contains("approved"));
    assert!(site.done(&["record", "list", "--at", "2020-01-01T00:00:00Z"]).contains("no such record"));

    // A waiver is the word of another person than its author.
    let password = site.path("anna.password").to_str().unwrap().to_owned();
    let waive = ["record", "waive", &record, "--group", "sex:F", "--reason", "few cases", "--as", "anna"];
    let past = [&waive[..], &["--expires", "2020-01-01T00:00:00Z", "--password-file", &password]].concat();
    assert!(site.refused(&past).contains("ends in the future"));
    let said = site.done(&[&waive[..], &["--expires", "2099-01-01T00:00:00Z", "--password-file", &password]].concat());
    let waiver = said.split_whitespace().nth(1).unwrap().to_owned();
    assert!(told(&site.sign(&waiver, "anna", "waived")).0);
    assert!(site.done(&["record", "show", &waiver]).contains("waived   by nobody but the author"));
    assert!(told(&site.sign(&waiver, "bo", "waived")).0);
    assert!(site.done(&["record", "show", &waiver]).contains("waived   by bo"));

    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute(\"UPDATE record SET body = replace(body, 'May', 'Mai')\")\nc.commit()";
    let database = site.path("data/catalog.sqlite");
    assert!(Command::new(python).args(["-c", script]).arg(database).status().unwrap().success());
    let said = site.refused(&["record", "show", &record]);
    assert!(said.contains("THE RECORD WAS CHANGED") && said.contains("BROKEN: the record was changed"), "{said}");
    assert!(said.contains("approved clinically by nobody, technically by nobody"), "{said}");
    let (done, said) = signed("bo", "reviewed");
    assert!(!done && said.contains("was changed after it was entered"), "{said}");
    assert!(site.refused(&["audit", "verify"]).contains(&format!("record {record}: its content was changed")));
}
