//! `hilum stats` from outside: JSON in, errors that name line and column, and the same figures as others have.

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs `hilum stats ... -` on a text.
fn stats(arguments: &[&str], csv: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hilum"))
        .arg("stats")
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A run that is refused by its arguments never reads.
    let _ = child.stdin.take().unwrap().write_all(csv);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn figure(arguments: &[&str], csv: &str) -> Value {
    let output = stats(arguments, csv.as_bytes());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn refusal(arguments: &[&str], csv: &str) -> String {
    let output = stats(arguments, csv.as_bytes());
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?} was not refused");
    String::from_utf8(output.stderr).unwrap()
}

#[track_caller]
fn close(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap_or_else(|| panic!("no number but {value}"));
    assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}");
}

/// The reference vector of `monitoring.md`: 20 cases with ties.
const CASES: &str = "label,score,score2,patient\n\
    0,0.10,0.20,a\n0,0.22,0.30,b\n1,0.35,0.30,c\n0,0.35,0.45,d\n1,0.80,0.70,e\n0,0.05,0.15,f\n0,0.41,0.50,g\n\
    1,0.65,0.55,h\n1,0.90,0.85,i\n0,0.30,0.25,j\n1,0.55,0.60,k\n0,0.55,0.40,l\n1,0.72,0.50,m\n1,0.20,0.35,n\n\
    0,0.15,0.10,o\n0,0.60,0.65,p\n1,0.95,0.88,q\n0,0.33,0.28,r\n1,0.48,0.40,s\n0,0.02,0.12,t\n";

#[test]
fn figures_equal_the_reference_vectors() {
    let auroc = figure(&["auroc"], CASES);
    close(&auroc["value"], 0.858_585_858_585_858_6);
    close(&auroc["lower"], 0.689_333_608_959_993_4);
    close(&auroc["upper"], 1.027_838_108_211_723_6);
    assert_eq!((&auroc["level"], &auroc["n"], &auroc["method"]), (&0.95.into(), &20.into(), &"auroc/delong".into()));
    assert_eq!((&auroc["n_cases"], &auroc["n_positive"], &auroc["n_negative"]), (&20.into(), &9.into(), &11.into()));

    let compared = figure(&["auroc-difference"], CASES);
    close(&compared["z"], 0.273_235_829_152_477_7);
    close(&compared["p_value"], 0.784_671_939_786_283_8);
    let matthews = figure(&["matthews", "--threshold", "0.5"], CASES);
    close(&matthews["value"], 0.492_365_963_917_330_9);
    assert_eq!(matthews["table"]["true_positives"], 6);
    close(&figure(&["brier"], CASES)["value"], 0.151_23);
    close(&figure(&["log-loss"], CASES)["value"], 0.457_417_698_007_722_86);
    close(&figure(&["ece"], CASES)["value"], 0.116);
    close(&figure(&["spiegelhalter"], CASES)["p_value"], 0.585_536_777_558_844_7);
    close(&figure(&["observed-expected"], CASES)["value"], 1.036_866_359_447_004_7);
    close(&figure(&["auprc"], CASES)["value"], 0.861_882_716_049_382_7);
}

/// Every name that `--list` shows computes something on a file that has all columns.
#[test]
fn every_listed_method_answers() {
    let listed = Command::new(env!("CARGO_BIN_EXE_hilum")).args(["stats", "--list"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names = listed.lines().skip(1).take_while(|line| !line.is_empty()).filter(|line| !line.starts_with(' '));
    let mut n_methods = 0;
    for name in names.map(|line| line.split_whitespace().next().unwrap()) {
        let mut arguments = vec![name];
        // What a method needs is what it asks for.
        for needed in ["--threshold", "--margin"] {
            let said = String::from_utf8(stats(&arguments, CASES.as_bytes()).stderr).unwrap();
            if said.contains(&format!("needs {needed}")) {
                arguments.extend([needed, "0.45"]);
            }
        }
        let categories = "score,score2\n0,0\n1,1\n2,1\n0,1\n1,1\n2,2\n";
        let answer = figure(&arguments, if name == "kappa" { categories } else { CASES });
        assert_eq!(answer["figure"], name);
        assert!(answer["value"].is_number() && answer["n"].is_number() && answer["method"].is_string(), "{answer}");
        let has_interval = answer["lower"].is_number() && answer["upper"].is_number() && answer["level"] == 0.95;
        assert!(has_interval || answer["p_value"].is_number(), "{answer}");
        n_methods += 1;
    }
    assert!(30 <= n_methods, "{listed}");
}

#[test]
fn patients_widen_and_groups_part() {
    let doubled: String = CASES.to_owned() + &CASES.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>();
    let (once, twice) = (figure(&["auroc"], CASES), figure(&["auroc"], &doubled));
    assert_eq!((&twice["n"], &twice["n_cases"]), (&20.into(), &40.into()), "patients count, not cases");
    assert_eq!(twice["method"], "auroc/delong-clustered");
    assert!((twice["lower"].as_f64().unwrap() - once["lower"].as_f64().unwrap()).abs() < 0.02);
    let sensitivity = figure(&["sensitivity", "--threshold", "0.5"], &doubled);
    assert_eq!((&sensitivity["method"], &sensitivity["n"]), (&"sensitivity/wilson-clustered".into(), &9.into()));
    let said = refusal(&["matthews", "--threshold", "0.5"], &doubled);
    assert!(said.contains("a patient has several cases") && said.contains("--interval bootstrap-bca"), "{said}");
    let drawn = figure(&["matthews", "--threshold", "0.5", "--interval", "bootstrap-percentile"], &doubled);
    assert_eq!((&drawn["n"], &drawn["method"]), (&20.into(), &"matthews/bootstrap-percentile".into()));

    let grouped = "label,score,group\n1,0.9,A\n0,0.2,A\n1,0.4,A\n0,0.5,A\n1,0.8,B\n1,0.7,B\n";
    let answer = figure(&["auroc"], grouped);
    close(&answer["groups"]["A"]["value"], 0.75);
    let said = answer["groups"]["B"]["error"].as_str().unwrap();
    assert!(said.contains("at least 1 negatives, there are 0"), "{said}");
}

#[test]
fn the_seed_decides_a_bootstrap() {
    let with =
        |seed: &str| figure(&["auroc", "--interval", "bootstrap-bca", "--seed", seed, "--resamples", "400"], CASES);
    assert_eq!(with("7"), with("7"));
    assert_ne!(with("7"), with("8"));
    assert_eq!(with("7")["method"], "auroc/bootstrap-bca");
}

#[test]
fn errors_name_line_column_and_remedy_and_no_content() {
    for (arguments, csv, expected) in [
        (vec!["auroc"], "label,score\n1,0.5\nMeier^Anna,0.2\n", "line 3, column label: neither 1 nor 0"),
        (vec!["auroc"], "label,score\n1,0.5\n0,Meier^Anna\n", "line 3, column score: not a finite number"),
        (vec!["auroc"], "label,score\n1,nan\n", "line 2, column score: not a finite number"),
        (vec!["auroc"], "label,score\n1,\n", "line 2, column score: empty"),
        (vec!["auroc"], "label,score\n,0.5\n", "line 2, column label: empty"),
        (vec!["auroc"], "label,score,patient\n1,0.5,\n", "line 2, column patient: empty"),
        (vec!["auroc"], "label;score\n1;0.5\n", "separated by something else than commas"),
        (vec!["auroc"], "label,scores\n1,0.5\n", "needs a column \"score\""),
        (vec!["auroc"], "label,score\n1,0.5,Meier^Anna\n", "line 2: 3 cells, and the header has 2"),
        (vec!["auroc"], "label,score,score\n1,0.5,0.5\n", "two columns are named \"score\""),
        (vec!["auroc"], "label,score\n", "nothing below the header"),
        (vec!["auroc"], "", "needs a column"),
        (vec!["auroc"], "label,score\n1,0.5\n1,0.7\n", "AUROC needs at least 1 negatives, there are 0"),
        (vec!["auroc"], "label,score\r\n1,0.5\r\n0,x\r\n", "line 3, column score: not a finite number"),
        (vec!["brier"], "label,score\n1,0.5\n\n0,1.7\n", "line 4: Brier score takes [0, 1], not 1.7"),
        (vec!["kappa"], "score,score2\n1,0\n1,0.5\n", "line 3: kappa takes categories"),
        (vec!["sensitivity"], CASES, "needs --threshold"),
        (vec!["noninferiority-auroc"], CASES, "needs --margin"),
        (vec!["auroc", "--margin", "0.1"], CASES, "auroc does not use --margin"),
        (vec!["auroc", "--seed", "3"], CASES, "--seed and --resamples are the bootstrap's"),
        (vec!["auroc", "--interval", "wilson"], CASES, "choose of delong, delong-logit"),
        (vec!["auroc", "--level", "95"], CASES, "--level is a share"),
        (vec!["aucroc"], CASES, "`hilum stats --list` names all"),
    ] {
        let said = refusal(&arguments, csv);
        assert!(said.contains(expected), "{arguments:?} {csv:?}: {said}");
        assert!(!said.contains("Meier"), "{said}");
    }
    let missing = Command::new(env!("CARGO_BIN_EXE_hilum")).args(["stats", "auroc", "no-such.csv"]).output().unwrap();
    assert!(String::from_utf8(missing.stderr).unwrap().contains("no-such.csv cannot be read"));
}

#[test]
fn files_of_spreadsheets_are_read() {
    let plain = figure(&["auroc"], CASES);
    let dressed = format!("\u{feff}{}", CASES.replace('\n', "\r\n").replace(',', " , "));
    assert_eq!(figure(&["auroc"], &dressed), plain);
    let more = CASES.replace("patient\n", "patient,study\n").replace("a\n", "a,x\n");
    let more: String =
        more.lines().map(|l| if l.matches(',').count() == 3 { format!("{l},x\n") } else { format!("{l}\n") }).collect();
    let answer = figure(&["auroc"], &more);
    assert_eq!((&answer["value"], &answer["ignored_columns"][0]), (&plain["value"], &"study".into()));
}

/// The chest models: one command each gives what the oracle has.
#[test]
fn chest_models_equal_the_oracle() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("HILUM_SHARED").map_or_else(|| default.into(), std::path::PathBuf::from);
    let Ok(oracle) = std::fs::read(root.join("data/models/oracle_stats.json")) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "shared data are missing");
        println!("skipped: no shared data");
        return;
    };
    let oracle: Value = serde_json::from_slice(&oracle).unwrap();
    for model in ["cxr-pneumonia-v1", "cxr-pneumonia-v2", "cxr-pneumonia-squeezenet"] {
        let text = std::fs::read_to_string(root.join(format!("data/models/{model}/expected_scores.csv"))).unwrap();
        let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        let of_test = text.lines().map(cells).filter(|row| row[1] == "kermany-test");
        let csv: String = of_test.map(|row| format!("{},{}\n", row[3], row[7])).collect();
        let csv = format!("label,score\n{csv}");
        let (auroc, expected) = (figure(&["auroc"], &csv), &oracle[model]);
        close(&auroc["value"], expected["auc"].as_f64().unwrap());
        close(&auroc["lower"], expected["delong_ci95"][0].as_f64().unwrap());
        close(&auroc["upper"], expected["delong_ci95"][1].as_f64().unwrap());
        close(&figure(&["brier"], &csv)["value"], expected["brier"].as_f64().unwrap());
        close(&figure(&["ece"], &csv)["value"], expected["ece_10_equal_width"].as_f64().unwrap());
        let sensitivity = figure(&["sensitivity", "--threshold", &expected["threshold"].to_string()], &csv);
        assert_eq!(sensitivity["table"]["true_positives"], expected["tp"]);
        assert_eq!(sensitivity["table"]["false_positives"], expected["fp"]);
    }
}
