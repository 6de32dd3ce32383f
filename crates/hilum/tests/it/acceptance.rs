//! What a clinical lead and a data scientist do: a reference set, a protocol, a verdict, a comparison, a replay.

use crate::program::{Site, package};
use hilum_testkit::{Acquisition, FindingSpec, Subject, dx};
use hilum_types::Timestamp;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Half of them with an effusion.
const N_CASES: u64 = 32;

fn text(output: &Output) -> (i32, String) {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&both).into_owned())
}

fn ok(site: &Site, arguments: &[&str]) -> String {
    let (code, said) = text(&site.run(arguments));
    assert_eq!(code, 0, "{arguments:?}: {said}");
    said
}

fn refused(site: &Site, arguments: &[&str]) -> String {
    let (code, said) = text(&site.run(arguments));
    assert_eq!(code, 1, "{arguments:?}: {said}");
    said
}

/// The digest on the line `name = "..."`.
pub(crate) fn digest(said: &str, name: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix(&format!("{name} = \""))).expect(said);
    line.trim_end_matches('"').to_owned()
}

/// A folder of phantoms with its table. Phantom `n` is of patient `n / 2`, so that patients have two cases.
pub(crate) fn phantoms(site: &Site, name: &str, seeds: std::ops::Range<u64>) -> (PathBuf, PathBuf) {
    let folder = site.path(name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut table = "file,label,patient_id,sex\n".to_owned();
    let at = Timestamp::from_micros(1_795_424_400_000_000);
    for n in seeds {
        let subject = Subject::seeded(n / 2, at);
        let findings = if n % 2 == 0 { vec![FindingSpec::effusion()] } else { vec![] };
        let phantom = dx(n, &subject, &Acquisition::radiograph(), &findings).unwrap();
        std::fs::write(folder.join(format!("{n:03}.dcm")), phantom.instances[0].part10()).unwrap();
        let label = if findings.is_empty() { "clear" } else { "effusion" };
        let sex = if n % 4 < 2 { "F" } else { "M" };
        writeln!(table, "{n:03}.dcm,{label},{},{sex}", subject.patient_id).unwrap();
    }
    let path = site.path(&format!("{name}.csv"));
    std::fs::write(&path, table).unwrap();
    (folder, path)
}

pub(crate) fn import<'a>(folder: &'a Path, table: &'a Path) -> Vec<&'a str> {
    let (folder, table) = (folder.to_str().unwrap(), table.to_str().unwrap());
    let mut words = vec!["reference", "import", folder, "--labels", table, "--name", "phantoms"];
    words.extend([
        "--group-columns",
        "sex",
        "--label-source",
        "as drawn",
        "--exposure",
        "unexposed",
        "--synthetic-data",
    ]);
    words
}

pub(crate) fn protocol(site: &Site, file: &str, set: &str, version: u32, specificity: f64, min: u64) -> PathBuf {
    let text = format!(
        "format = 1\nname = 'effusion'\nversion = {version}\npurpose = 'Find effusions on phantoms.'\n\
         reference_set = '{set}'\n[target]\nfinding = 'effusion'\npositive = ['effusion']\nnegative = ['clear']\n\
         [[criterion]]\nname = 'ranks'\nmetric = 'auroc'\nthreshold = 0.7\nmin_pos = {min}\nmin_neg = {min}\n\
         [[criterion]]\nname = 'alarms'\nmetric = 'specificity'\nthreshold = {specificity}\nmin_neg = {min}\n"
    );
    let path = site.path(file);
    std::fs::write(&path, text).unwrap();
    path
}

pub(crate) fn validate(site: &Site, protocol: &Path, out: &str) -> (i32, String) {
    let (protocol, out) = (protocol.to_str().unwrap(), site.path(out));
    let model = ["validate", "--model", "phantom-cxr@1.0.0", "--accept-underpowered"];
    text(&site.run(&[&model[..], &["--protocol", protocol, "--out", out.to_str().unwrap()]].concat()))
}

/// MV-10, MV-11, MV-14, MV-17, MV-24, MV-32, AV-23 from outside.
#[test]
fn a_model_is_accepted_or_not_on_local_cases() {
    let site = Site::new("");
    ok(&site, &["model", "import", &package("phantom-cxr")]);
    let (folder, table) = phantoms(&site, "cases", 0..N_CASES);

    // Everything wrong with folder and table is told at once, and nothing is kept.
    let broken = site.path("broken.csv");
    let rows = std::fs::read_to_string(&table).unwrap().replace("003.dcm", "303.dcm").replace("005.dcm", "004.dcm");
    std::fs::write(&broken, rows + "../cases.csv,clear,X,F\n").unwrap();
    std::fs::write(folder.join("006.dcm"), [0u8; 200]).unwrap();
    let said = refused(&site, &import(&folder, &broken)[..11]);
    for problem in [
        "there is no file \"303.dcm\"",
        "\"004.dcm\" is named by line 6 as well",
        "\"../cases.csv\" leads out of the folder",
        "\"006.dcm\" is not a DICOM file",
        "003.dcm: the table does not name it",
        "it is marked Synthetic Data = YES",
    ] {
        assert!(said.contains(problem), "{problem} is not in {said}");
    }
    assert!(ok(&site, &["reference", "list"]).contains("There is no case list"));

    // The same folder again is the same set.
    phantoms(&site, "cases", 0..N_CASES);
    let first = ok(&site, &import(&folder, &table));
    let set = digest(&first, "reference_set");
    assert!(first.contains("32 cases of 16 patients, imported"), "{first}");
    let again = ok(&site, &import(&folder, &table));
    assert!(again.contains("held already, nothing changed") && digest(&again, "reference_set") == set, "{again}");
    let shown = ok(&site, &["reference", "show", "phantoms"]);
    assert!(shown.contains("labels: as drawn; exposure unexposed") && shown.contains("sex: F 16, M 16"), "{shown}");
    let patient = Subject::seeded(0, Timestamp::from_micros(0)).patient_id;
    let json = ok(&site, &["reference", "show", &set[..12], "--json"]);
    assert!(!json.contains(&patient) && !json.contains(".dcm"), "a patient or a file name is in the record");

    // The start of the server sweeps leftovers, and the images of the set are none.
    site.serve("info").stop();

    // Training on these cases is refused and names them; training on others is entered.
    let trained = ["reference", "training", "phantom-cxr", folder.to_str().unwrap(), "--synthetic-data"];
    let said = refused(&site, &trained);
    assert!(
        said.contains("training of phantom-cxr with these cases is refused: ") && said.contains("the same patient")
    );
    let (others, _) = phantoms(&site, "others", 1000..1004);
    ok(&site, &["reference", "training", "phantom-cxr", others.to_str().unwrap(), "--synthetic-data"]);

    // Pass, fail and insufficient have their own exit status, and each leaves two files and a record.
    let lenient = protocol(&site, "lenient.toml", &set, 1, 0.5, 10);
    let frozen = ok(&site, &["protocol", "freeze", lenient.to_str().unwrap()]);
    assert!(!frozen.contains("post-hoc"), "{frozen}");
    let (code, said) = validate(&site, &lenient, "pass");
    assert_eq!(code, 0, "{said}");
    assert_eq!(digest(&said, "protocol"), digest(&frozen, "protocol"));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(site.path("pass/report.json")).unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["post_hoc"]), (&"pass".into(), &false.into()));
    assert_eq!(report["reference_set"]["earlier_runs"], 0);
    let page = std::fs::read_to_string(site.path("pass/report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"));
    assert!(!page.contains(&patient));

    // An edit after results were seen is the next version, and marked.
    let strict = protocol(&site, "strict.toml", &set, 1, 0.995, 10);
    assert!(refused(&site, &["protocol", "freeze", strict.to_str().unwrap()]).contains("set `version = 2`"));
    let strict = protocol(&site, "strict.toml", &set, 2, 0.995, 10);
    let (code, said) = validate(&site, &strict, "fail");
    assert_eq!(code, 3, "{said}");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(site.path("fail/report.json")).unwrap()).unwrap();
    assert_eq!((&report["post_hoc"], &report["reference_set"]["earlier_runs"]), (&true.into(), &1.into()));
    let scarce = protocol(&site, "scarce.toml", &set, 3, 0.5, 30);
    let (code, said) = validate(&site, &scarce, "insufficient");
    assert_eq!(code, 4, "{said}");
    assert!(ok(&site, &["reference", "list"]).contains("used 3 times"));

    // A name for people points at the version, and changes nothing that runs.
    ok(&site, &["model", "alias", "candidate", "phantom-cxr@1.0.0"]);
    assert!(ok(&site, &["model", "alias"]).contains("phantom-cxr@candidate"));
    ok(&site, &["model", "verify", "phantom-cxr@candidate"]);
    assert!(refused(&site, &["model", "alias", "candidate", "phantom-cxr@9"]).contains("has no version or alias"));

    // Two settings of one version: what flips is listed, and a replay is a record of the deployment.
    let imported = ok(&site, &["model", "import", &package("phantom-cxr")]);
    let package_line = imported.lines().find(|line| line.starts_with("package = ")).unwrap();
    let file = site.path("d.toml");
    std::fs::write(&file, format!("[[deployment]]\nname='effusions'\n{package_line}\nstate='shadow'\n")).unwrap();
    ok(&site, &["apply", file.to_str().unwrap()]);
    let both = ["model", "compare", "phantom-cxr@1.0.0", "phantom-cxr@1.0.0", "--reference", "phantoms"];
    let labels = ["--finding", "effusion", "--positive", "effusion", "--negative", "clear"];
    let same = refused(&site, &[&both[..], &labels].concat());
    assert!(same.contains("the same package with the same settings"), "{same}");
    let json = site.path("replay.json");
    let change = ["--operating-point", "effusion=0.999", "--for", "effusions", "--json", json.to_str().unwrap()];
    let said = ok(&site, &[&both[..], &labels, &change].concat());
    let compared: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!((&compared["n_cases"], &compared["max_abs_difference"]), (&N_CASES.into(), &0.0.into()));
    assert_eq!(
        (&compared["operating_points"]["from"], &compared["operating_points"]["to"]),
        (&0.512.into(), &0.999.into())
    );
    assert!(0 < compared["n_negative_flips"].as_u64().unwrap() && digest(&said, "replay").len() == 64, "{said}");

    // The engine compiled in gives the same answers within the tolerance of the package.
    let said = ok(&site, &[&both[..], &labels, &["--engine", "built-in", "--json", json.to_str().unwrap()]].concat());
    let compared: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert!(compared["max_abs_difference"].as_f64().unwrap() < 1e-3 && compared["n_flips"] == 0, "{said}");

    // Once it is known that the family has seen the cases, it is not run on them any more.
    let fact = ok(&site, &[&trained[..], &["--already-trained"]].concat());
    assert!(fact.contains("cannot be tested any more"), "{fact}");
    let (code, said) = validate(&site, &lenient, "overlap");
    assert!(code == 1 && said.contains("the run of phantom-cxr on \"phantoms\" is refused"), "{said}");
    assert!(said.contains("the same image") && !said.contains(&patient), "{said}");
    let said = refused(&site, &[&both[..], &labels, &change].concat());
    assert!(said.contains("the run of phantom-cxr on \"phantoms\" is refused"), "{said}");
    assert!(ok(&site, &["audit", "verify"]).contains("whole"));
}

/// What scores meant in an acceptance test is kept with it, without a word of whose they were. In use performance is estimated
/// from that when somebody asks, on the same scale, and apart from every figure.
#[test]
fn an_acceptance_test_keeps_what_scores_mean() {
    let runtime = crate::rollout::runtime();
    let site = Site::new("");
    let version = crate::rollout::import(&site, &package("phantom-cxr"));
    let (folder, table) = phantoms(&site, "cases", 0..N_CASES);
    let set = digest(&ok(&site, &import(&folder, &table)), "reference_set");
    let lenient = protocol(&site, "lenient.toml", &set, 1, 0.5, 10);
    let (code, said) = validate(&site, &lenient, "pass");
    assert_eq!(code, 0, "{said}");
    let validation = digest(&said, "validation");
    let record = ok(&site, &["record", "show", &validation, "--json"]);
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let kept = &record["body"]["label_free_reference"];
    assert_eq!((&kept["finding"], &kept["scores"]["n_cases"]), (&"effusion".into(), &N_CASES.into()));
    for class in ["with", "without"] {
        let scores: Vec<f64> = serde_json::from_value(kept["scores"][class].clone()).unwrap();
        assert!(scores.len() == 16 && scores.is_sorted(), "{class}: {scores:?}");
    }
    let members: Vec<&String> =
        kept.as_object().unwrap().keys().chain(kept["scores"].as_object().unwrap().keys()).collect();
    assert_eq!(members, ["finding", "scores", "n_cases", "with", "without"], "nothing names a case");

    assert!(crate::rollout::apply(&site, "effusions", &version, "state='shadow'").status.success());
    let running = site.serve("info");
    for seed in [501, 502] {
        let phantom = crate::rollout::phantom(seed, 0);
        crate::rollout::send(&site, &runtime, &phantom);
        assert_eq!(crate::rollout::ended(&site, &phantom, "effusions")["disposition"], "analysed");
    }
    let told = site.json("/api/v1/deployments/effusions/evidence?label_free=true");
    let estimates = told["label_free"].as_array().unwrap();
    assert!(!estimates.is_empty(), "{told}");
    for one in estimates {
        assert_eq!(
            (&one["finding"], &one["operating_point"], &one["n"]),
            (&"effusion".into(), &0.512.into(), &2.into())
        );
        assert_eq!((&one["reference"], &one["reliable"]), (&validation.as_str().into(), &false.into()));
        assert!(one["reasons"].to_string().contains("only 2 studies"), "{one}");
    }
    let plain = site.json("/api/v1/deployments/effusions/evidence");
    assert!(plain["label_free"].is_null() && !plain.to_string().contains("label-free"), "{plain}");
    running.stop();
}

/// The real models on every eighth patient: figures of the reports equal scikit-learn's. `bench/acceptance/run.sh` does all
/// patients and checks the verdicts too.
#[test]
fn reports_on_real_models_agree_with_scikit_learn() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("HILUM_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let target = Path::new(env!("CARGO_BIN_EXE_hilum")).ancestors().nth(2).unwrap();
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let peer = Command::new(&python).args(["-c", "import sklearn, numpy"]).output();
    let missing = [
        (!shared.join("data/models").is_dir()).then_some("the shared data (HILUM_SHARED)"),
        (!target.join("release/examples/make_golden").is_file()).then_some("the example make_golden of hilum-infer"),
        (!peer.is_ok_and(|output| output.status.success())).then_some("scikit-learn (HILUM_PYTHON)"),
    ];
    if let Some(what) = missing.into_iter().flatten().next() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{what} is needed under CI=true");
        println!("skipped: there is no {what}");
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let done = Command::new(python)
        .arg(root.join("bench/acceptance/accept.py"))
        .arg(out.path())
        .args(["--subset", "8"])
        .env("SHARED", shared)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let said = text(&done).1;
    assert!(done.status.success() && said.contains("all figures agree"), "{said}");
}
