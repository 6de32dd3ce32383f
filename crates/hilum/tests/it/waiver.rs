//! A gap of an acceptance test that a person answers for, from outside (MV-10, UX-10): what a waiver takes, and what it is
//! refused for.

use crate::acceptance::{digest, import, phantoms, protocol, validate};
use crate::oip::python;
use crate::people::told;
use crate::program::{Site, package};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of 36 patients, each with one radiograph with an effusion and one without: men 28, women 8.
const N_CASES: u64 = 72;
const OF_MEN: u64 = 56;

/// The phantoms with their reference set, most of men.
fn reference_set(site: &Site) -> String {
    let (folder, table) = phantoms(site, "cases", 0..N_CASES);
    let text = std::fs::read_to_string(&table).unwrap();
    let sexed = |(row, line): (usize, &str)| match (row as u64).checked_sub(1) {
        None => line.to_owned(),
        Some(case) => {
            let (rest, _) = line.rsplit_once(',').unwrap();
            format!("{rest},{}", if case < OF_MEN { "M" } else { "F" })
        }
    };
    let lines: Vec<String> = text.lines().enumerate().map(sexed).collect();
    std::fs::write(&table, lines.join("\n") + "\n").unwrap();
    digest(&site.done(&import(&folder, &table)), "reference_set")
}

/// A protocol that asks something of men and of women, and lets a person answer for a group with too few cases.
fn by_sex(site: &Site, file: &str, set: &str, name: &str) -> PathBuf {
    let path = protocol(site, file, set, 1, 0.2, 20);
    let text = std::fs::read_to_string(&path).unwrap().replace("name = 'effusion'", &format!("name = '{name}'"));
    let asked = "[[subgroup]]\nattribute = 'sex'\nmetric = 'sensitivity'\nthreshold = 0.3\nmargin = 0.1\n\
                 on_insufficient = 'waive'\n";
    std::fs::write(&path, text + asked).unwrap();
    path
}

struct Tried<'a> {
    site: &'a Site,
    protocol: &'a Path,
}

impl Tried<'_> {
    /// Exit status and what was said of a run with a waiver.
    fn with(&self, waiver: &str) -> (i32, String) {
        let (protocol, out) = (self.protocol.to_str().unwrap(), self.site.path("report"));
        let asked = ["validate", "--model", "phantom-cxr@1.0.0", "--accept-underpowered", "--waiver", waiver];
        let output = self.site.run(&[&asked[..], &["--protocol", protocol, "--out", out.to_str().unwrap()]].concat());
        (output.status.code().unwrap_or(-1), told(&output).1)
    }

    /// A run that must be refused, and why.
    fn refused(&self, waiver: &str) -> String {
        let (code, said) = self.with(waiver);
        assert_eq!(code, 1, "{said}");
        said
    }

    /// Enter a waiver as anna.
    fn waive(&self, record: &str, group: Option<&str>) -> String {
        let password = self.site.path("anna.password").to_str().unwrap().to_owned();
        let mut words = vec!["record", "waive", record, "--reason", "few women are examined here", "--as", "anna"];
        words.extend(["--expires", "2099-01-01T00:00:00Z", "--password-file", &password]);
        words.extend(group.iter().flat_map(|group| ["--group", group]));
        let said = self.site.done(&words);
        said.split_whitespace().nth(1).unwrap().to_owned()
    }

    fn signed(&self, waiver: &str, by: &str) {
        let signed = told(&self.site.sign(waiver, by, "waived"));
        assert!(signed.0, "{}", signed.1);
    }
}

const WOMEN: &str = "sex=F sensitivity";

#[test]
fn a_gap_passes_with_a_waiver_of_somebody_else_and_with_no_other() {
    let Some(python) = python("sqlite3") else { return };
    let site = Site::new("");
    for (name, role) in [("root", "governance"), ("anna", "clinical"), ("bo", "technical")] {
        site.person(name, role);
    }
    site.done(&["model", "import", &package("phantom-cxr")]);
    let set = reference_set(&site);
    let asked = by_sex(&site, "asked.toml", &set, "effusion");
    let other = by_sex(&site, "other.toml", &set, "effusion-of-others");
    let other = digest(&site.done(&["protocol", "freeze", other.to_str().unwrap()]), "protocol");

    // Eight women with an effusion: nothing can be said of them, and they are named.
    let (code, said) = validate(&site, &asked, "report");
    assert_eq!(code, 4, "{said}");
    assert!(said.contains(WOMEN) && said.contains("8 patients with the finding"), "{said}");
    assert!(!said.contains("sex=M sensitivity:"), "nothing is wrong with the men: {said}");
    let report = digest(&said, "validation");
    let tried = Tried { site: &site, protocol: &asked };

    // Nobody has signed it; its author has; then somebody else.
    let waiver = tried.waive(&report, Some(WOMEN));
    assert!(tried.refused(&waiver).contains("nobody but its author has signed it"));
    tried.signed(&waiver, "anna");
    assert!(tried.refused(&waiver).contains("nobody but its author has signed it"));

    // About another group, a gate that nobody may answer for, another protocol; and what is no waiver at all.
    let of_children = tried.waive(&report, Some("sex=child sensitivity"));
    tried.signed(&of_children, "bo");
    let said = tried.refused(&of_children);
    assert!(said.contains("no gate of the protocol has that name; it allows that for sex=F sens"), "{said}");
    let of_ranks = tried.waive(&report, Some("ranks"));
    tried.signed(&of_ranks, "bo");
    let said = tried.refused(&of_ranks);
    assert!(said.contains("the protocol lets nobody answer for that gate"), "{said}");
    let elsewhere = tried.waive(&other, Some(WOMEN));
    tried.signed(&elsewhere, "bo");
    let said = tried.refused(&elsewhere);
    assert!(said.contains("neither this protocol") && said.contains(&other[..12]), "{said}");
    assert!(tried.refused(&report).contains("the record is of kind validation"));

    // One for the men is in order and answers for nothing, because nothing is wrong with them.
    let of_men = tried.waive(&report, Some("sex=M sensitivity"));
    tried.signed(&of_men, "bo");
    let (code, said) = tried.with(&of_men);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains(&format!("waiver {of_men} of sex=M sensitivity has no effect")), "{said}");
    assert!(site.done(&["reference", "list"]).contains("used 2 times"), "a refused run used the cases up");

    // The one that holds.
    tried.signed(&waiver, "bo");
    let (code, said) = tried.with(&waiver);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 gap is answered for by signed waivers"), "{said}");
    let text = std::fs::read_to_string(site.path("report/report.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&text).unwrap();
    let women = written["subgroups"].as_array().unwrap().iter().find(|group| group["key"] == WOMEN).unwrap();
    assert_eq!((&written["verdict"], &women["verdict"]), (&"pass".into(), &"insufficient".into()), "{women}");
    assert!(women["waived_by"].as_str().unwrap().starts_with(&waiver), "{women}");
    assert_eq!(written["waivers"][0]["signed_by"], "bo");
    let page = std::fs::read_to_string(site.path("report/report.html")).unwrap();
    assert!(page.contains("few women are examined here"), "the page does not say why");
    let shown = site.done(&["record", "show", &digest(&said, "validation"), "--json"]);
    assert!(shown.contains("\"waived_until\": \"2099-01-01T00:00:00"), "its end is not on record");
    // So does one about the whole protocol, for which no report is needed.
    let whole = tried.waive(&digest(&said, "protocol"), None);
    tried.signed(&whole, "bo");
    assert_eq!(tried.with(&whole).0, 0);

    // A word of it edited by hand.
    let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\n\
                  c.execute(\"UPDATE record SET body = replace(body, 'few women', 'no women') WHERE kind = 'waiver'\")\n\
                  c.commit()";
    let edited = Command::new(python).args(["-c", script]).arg(site.path("data/catalog.sqlite")).status().unwrap();
    assert!(edited.success());
    let said = tried.refused(&waiver);
    assert!(said.contains("it was changed after it was entered; its signatures are void"), "{said}");
}
