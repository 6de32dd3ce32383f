//! The twelve weeks of `hilum demo`, from outside: what it tells, what stands in the catalog that it leaves, and which
//! catalogs it leaves alone.

use crate::program::Site;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Lines of a transcript that a newcomer still reads.
const LINES_MAX: usize = 60;

/// The parts of the story in their order, as the transcript tells them.
const STORY: &[&str] = &[
    "acceptance phantom-cxr 1.0.0 on local cases: pass",
    "first morning: 14 studies by C-STORE",
    "lateral: not eligible: view is LL",
    "child: not eligible: age is 9 years",
    "CT, last slice late, revision 2: not eligible: modality is CT",
    "Dr Demo suspends phantom-lung-seg",
    "withheld: phantom-lung-seg was suspended by Dr Demo",
    "week  6",
    "week  7",
    "first images of a group that the reference set lacks",
    "software 4.0.0",
    "rule unlike-reference: 10 studies outside the acquisition envelope in a row (station=DXROOM1)",
    "rule missed-nodules: sensitivity for nodule (station=DXROOM1) went below 0.65",
    "-> suspended",
    "the very next study is withheld: phantom-cxr was suspended by stop-rule:missed-nodules",
    "1.0.0 on 120 new cases of both scanners: fail",
    "1.1.0 on the same cases by the same protocol: pass",
    "1.1.0 takes the place of 1.0.0; phantom-cxr stays suspended",
    "by anna (clinical) and bo (technical); phantom-cxr active",
    "week 12",
    "withheld by the rule",
    "tried again because it was busy",
    "books      phantom-cxr",
    "chain whole",
    "Everything went as the story has it.",
];

fn after<'a>(text: &'a str, part: &str, whole: &str) -> &'a str {
    text.split_once(part).unwrap_or_else(|| panic!("{part:?} is not told, or too early:\n{whole}")).1
}

/// The site that the demo left, to be served again.
fn left_in(folder: tempfile::TempDir) -> Site {
    let text = std::fs::read_to_string(folder.path().join("hilum.toml")).unwrap();
    let config: toml::Table = toml::from_str(&text).unwrap();
    let listens = |part: &str| config[part]["listen"].as_str().unwrap().parse::<SocketAddr>().unwrap();
    Site { dimse: listens("dimse"), http: listens("http"), folder }
}

#[test]
fn twelve_weeks_are_played_told_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(Path::new(env!("CARGO_BIN_EXE_hilum")))
        .args(["demo", "--once", "--data-dir"])
        .arg(folder.path())
        .env_remove("HILUM_LOG")
        .env_remove("HILUM_CATALOG_URL")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{errors}");
    println!("{said}");
    let mut rest = said.as_str();
    for part in STORY {
        rest = after(rest, part, &said);
    }
    assert!(said.lines().count() <= LINES_MAX, "{} lines", said.lines().count());
    let quiet = after(&said, "week  1", &said).split("week  7").next().unwrap();
    assert!(!quiet.contains("rule "), "a rule spoke in the quiet weeks:\n{quiet}");
    for week in said.lines().filter(|line| line.starts_with("week ")) {
        assert!(week.contains("n = ") && week.contains('['), "a figure without interval and n: {week}");
    }

    // What was played is there to be looked at.
    let site = left_in(folder);
    let running = site.serve("info");
    let timeline = site.json("/api/v1/deployments/phantom-cxr/timeline");
    let marks = timeline["marks"].as_array().unwrap();
    let first = |kind: &str, text: &str| {
        let is = |mark: &&Value| mark["kind"] == kind && mark["text"].as_str().is_some_and(|said| said.contains(text));
        let found = marks.iter().find(is).unwrap_or_else(|| panic!("no {kind} with {text:?}: {timeline:#}"));
        found["at"].as_str().unwrap().to_owned()
    };
    let course = [
        first("version", "declared active"),
        first("acquisition_group", "software 4.0.0"),
        first("signal", "rule unlike-reference"),
        first("suspended", "went below 0.65"),
        first("version", "came into use"),
        first("resumed", "1.1.0 finds nodules"),
    ];
    assert!(course.is_sorted(), "{course:?}");
    let sensitivities: Vec<&Value> = timeline["weeks"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|week| week["figures"].as_array().unwrap())
        .filter(|figure| figure["name"] == "sensitivity:nodule")
        .collect();
    assert!(9 <= sensitivities.len(), "performance is on the timeline: {timeline:#}");
    for figure in sensitivities {
        assert!(figure["n"].is_u64() && figure["lower"].as_f64() <= figure["value"].as_f64(), "{figure}");
        assert_eq!(figure["label_classes"], serde_json::json!(["unexposed"]));
    }
    let signals = site.json("/api/v1/deployments/phantom-cxr/signals");
    let stop = signals["items"].as_array().unwrap().iter().find(|signal| signal["action"] == "suspended").unwrap();
    assert_eq!((&stop["rule"], &stop["cut"]), (&"missed-nodules".into(), &"station=DXROOM1".into()));
    let withheld = site.json("/api/v1/studies?disposition=withheld&deployment=phantom-cxr&limit=1");
    let key = withheld["studies"][0]["key"].as_str().unwrap();
    let journey = site.json(&format!("/api/v1/studies/{key}"));
    let of_it =
        journey["deployments"].as_array().unwrap().iter().find(|one| one["deployment"] == "phantom-cxr").unwrap();
    let why = of_it.to_string();
    assert!(why.contains("stop-rule:missed-nodules") && why.contains("went below 0.65"), "{why}");
    let (status, page) = site.get("/deployments/phantom-cxr").unwrap();
    let page = String::from_utf8(page).unwrap();
    assert_eq!(status, 200);
    for told in ["not in use", "Sensitivity, nodule", "software 4.0.0", "unlike-reference"] {
        assert!(page.contains(told), "the page does not say {told:?}");
    }
    running.stop();
    assert!(site.done(&["audit", "verify"]).contains("whole"));
}

/// A demo that keeps everything in `folder`, in a shell that names a catalog.
fn demo_on(catalog_url: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hilum"));
    command.args(["demo", "--once", "--data-dir"]).arg(folder).env("HILUM_CATALOG_URL", catalog_url);
    command
}

#[test]
fn a_catalog_in_use_is_left_alone() {
    let site = Site::new("");
    site.person("root", "governance");
    let url = format!("sqlite:{}", site.path("data/catalog.sqlite").display());
    let before = site.done(&["audit", "verify"]);
    let folder = tempfile::tempdir().unwrap();
    let told = |output: Output| (output.status.success(), String::from_utf8(output.stderr).unwrap());
    let (played, said) = told(demo_on(&url, folder.path()).output().unwrap());
    assert!(!played && said.contains("the catalog that HILUM_CATALOG_URL names holds 1 user;"), "{said}");
    assert!(said.contains("so unset the variable, or name an empty database"), "{said}");
    let (played, said) = told(demo_on("sqlite:unused", folder.path()).args(["--catalog-url", &url]).output().unwrap());
    assert!(!played && said.contains("the catalog that --catalog-url names holds 1 user;"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    assert_eq!(site.done(&["audit", "verify"]), before);
}

/// Its password would stand in a file that people pass on.
#[test]
fn a_catalog_of_the_environment_stands_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("SECRET.sqlite").display());
    let mut demo = demo_on(&url, &folder.path().join("demo")).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let starts = lines.find(|line| line.starts_with("acceptance") || line.starts_with("model"));
    demo.kill().unwrap();
    demo.wait().unwrap();
    assert!(starts.is_some(), "it did not begin");
    assert!(folder.path().join("SECRET.sqlite").is_file() && !folder.path().join("demo/data/catalog.sqlite").exists());
    let text = std::fs::read_to_string(folder.path().join("demo/hilum.toml")).unwrap();
    assert!(!text.contains("SECRET"), "{text}");
}
