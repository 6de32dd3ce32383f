//! `hilum stats drift` from outside: one JSON line for each column, the reference figures, and errors that help (MV-21).

use serde_json::Value;
use std::process::{Command, Output};

/// Runs `hilum stats drift REF CUR ...` on two texts.
fn drift(reference: &[u8], current: &[u8], arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (reference, current) = (write("ref.csv", reference), write("cur.csv", current));
    let mut command = Command::new(env!("CARGO_BIN_EXE_hilum"));
    command.args(["stats", "drift"]).arg(reference).arg(current).args(arguments).output().unwrap()
}

#[track_caller]
fn lines(reference: &str, current: &str, arguments: &[&str]) -> Vec<Value> {
    let output = drift(reference.as_bytes(), current.as_bytes(), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn refusal(reference: &str, current: &str, arguments: &[&str]) -> String {
    let output = drift(reference.as_bytes(), current.as_bytes(), arguments);
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?} was not refused");
    String::from_utf8(output.stderr).unwrap()
}

#[track_caller]
fn close(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap_or_else(|| panic!("no number but {value}"));
    assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}");
}

/// A column of these cells under this name.
fn column<T: ToString>(name: &str, cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
    format!("{name}\n{}\n", cells.join("\n"))
}

/// The samples and counts of the reference vectors.
const A: [f64; 10] = [0.12, 0.35, 0.35, 0.41, 0.58, 0.60, 0.77, 0.80, 0.93, 1.10];
const B: [f64; 12] = [0.30, 0.35, 0.52, 0.66, 0.71, 0.85, 0.99, 1.05, 1.20, 1.31, 1.40, 1.52];

fn views(counts: [usize; 4]) -> String {
    let cells: Vec<&str> =
        ["PA", "AP", "LL", "LLD"].iter().zip(counts).flat_map(|(view, n)| std::iter::repeat_n(*view, n)).collect();
    column("view", &cells)
}

#[test]
fn figures_equal_the_reference_vectors() {
    let (a, b) = (column("noise", &A), column("noise", &B));
    let ks = &lines(&a, &b, &[])[0];
    close(&ks["value"], 0.4);
    close(&ks["p"], 0.282_949_248_893_521_3);
    assert_eq!((&ks["column"], &ks["type"], &ks["method"]), (&"noise".into(), &"numeric".into(), &"ks/exact".into()));
    assert_eq!((&ks["n_ref"], &ks["n_cur"], &ks["drift"]), (&10.into(), &12.into(), &false.into()));
    let moved = &lines(&a, &b, &["--method", "wasserstein"])[0];
    close(&moved["value"], 0.304);
    assert_eq!((&moved["threshold"], &moved["drift"]), (&0.1.into(), &true.into()));
    assert!(moved["p"].is_null() && 0.9 < moved["standardised"].as_f64().unwrap());

    let (a, b) = (views([50, 30, 15, 5]), views([38, 34, 18, 10]));
    let chi2 = &lines(&a, &b, &[])[0];
    close(&chi2["value"], 3.825_757_575_757_576);
    close(&chi2["p"], 0.280_904_274_785_026_33);
    assert_eq!((&chi2["type"], &chi2["method"]), (&"categorical".into(), &"chi2".into()));
    close(&lines(&a, &b, &["--method", "psi"])[0]["value"], 0.078_065_952_934_187_39);
    let js = &lines(&a, &b, &["--method", "js", "--threshold", "0.2"])[0];
    close(&js["value"], 0.118_048_560_785_816);
    assert_eq!(js["drift"], false);
}

/// Sixty rows each: a number that moves, one that does not, a category, a column with holes and broken cells.
fn studies(shift: f64, corrupt: &str) -> String {
    let mut text = "noise,age,scanner,dose,kvp\n".to_owned();
    for row in 0..60_u32 {
        let wave = f64::from(row * 37 % 60) / 60.0;
        let noise = if row == 7 { corrupt.to_owned() } else { format!("{}", wave + shift) };
        let scanner = if 0.0 < shift && row % 2 == 0 { "north-3" } else { "north-1" };
        let dose = ["", "NA", "1.5", "1.6", "1.7"][row as usize % 5];
        text += &format!("{noise},{},{scanner},{dose},{}\n", 40 + row * 7 % 30, [80, 100, 120][row as usize % 3]);
    }
    text
}

#[test]
fn columns_are_told_apart_and_corrected_together() {
    let (before, after) = (studies(0.0, "0.5"), studies(0.5, "1e9"));
    let answer = lines(&before, &after, &["--categorical", "kvp"]);
    let of = |name: &str| answer.iter().find(|line| line["column"] == name).unwrap();
    let order: Vec<&str> = answer.iter().map(|line| line["column"].as_str().unwrap()).collect();
    assert_eq!(order, ["noise", "age", "scanner", "dose", "kvp"]);
    assert_eq!(
        (&of("noise")["drift"], &of("age")["drift"], &of("kvp")["drift"]),
        (&true.into(), &false.into(), &false.into())
    );
    assert_eq!((&of("scanner")["drift"], &of("scanner")["new_categories"]), (&true.into(), &1.into()));
    assert_eq!((&of("kvp")["type"], &of("kvp")["method"]), (&"categorical".into(), &"chi2".into()));
    assert_eq!((&of("dose")["n_ref"], &of("dose")["missing_ref"]), (&36.into(), &24.into()));
    // Holm: the smallest of five p-values times five.
    let smallest = answer.iter().map(|line| line["p"].as_f64().unwrap()).fold(1.0, f64::min);
    let adjusted = answer.iter().map(|line| line["p_adjusted"].as_f64().unwrap()).fold(1.0, f64::min);
    assert!((adjusted - 5.0 * smallest).abs() < 1e-15 && of("noise")["correction"] == "holm");
    let plain = lines(&before, &after, &["--correction", "none", "--columns", "noise,scanner"]);
    assert_eq!((plain.len(), &plain[0]["p"]), (2, &plain[0]["p_adjusted"]));
}

/// The traps of published tools: a single broken cell must not hide that all others moved.
#[test]
fn one_corrupt_cell_hides_nothing() {
    for corrupt in ["1e9", "-1e300", "inf", "NaN", "1e999", "broken"] {
        for (before, after) in
            [(studies(0.0, corrupt), studies(0.5, "1")), (studies(0.0, "0.5"), studies(0.5, corrupt))]
        {
            for method in ["ks", "psi", "js", "chi2", "wasserstein"] {
                let line = &lines(&before, &after, &["--method", method, "--columns", "noise"])[0];
                assert_eq!(
                    (&line["type"], &line["drift"]),
                    (&"numeric".into(), &true.into()),
                    "{corrupt} {method}: {line}"
                );
            }
        }
    }
}

#[test]
fn all_columns_together_give_one_line() {
    let (before, same, after) = (studies(0.0, "0.5"), studies(0.0, "0.4"), studies(0.5, "1"));
    for method in ["mmd", "c2st"] {
        let arguments = ["--method", method, "--columns", "noise,age,scanner", "--seed", "4"];
        let answer = lines(&before, &after, &arguments);
        assert_eq!((answer.len(), &answer[0]["drift"]), (1, &true.into()), "{answer:?}");
        assert_eq!(answer[0]["columns"], serde_json::json!(["noise", "age"]));
        assert_eq!(answer[0]["left_out"], serde_json::json!(["scanner"]));
        assert_eq!(answer, lines(&before, &after, &arguments), "the seed does not decide");
        assert_eq!(lines(&before, &same, &arguments)[0]["drift"], false);
        // Rows with a hole are left out, and said.
        let holes = &lines(&before, &after, &["--method", method, "--columns", "noise,dose"])[0];
        assert_eq!((&holes["n_ref"], &holes["rows_ref"], &holes["missing_ref"]), (&36.into(), &60.into(), &24.into()));
        let sampled = &lines(&before, &after, &["--method", method, "--columns", "noise,age", "--rows-max", "20"])[0];
        assert_eq!((&sampled["n_ref"], &sampled["n_cur"], &sampled["rows_cur"]), (&20.into(), &20.into(), &60.into()));
    }
    let classifier = &lines(&before, &after, &["--method", "c2st", "--columns", "noise,age"])[0];
    let bound = |name: &str| classifier[name].as_f64().unwrap();
    assert!(bound("lower") < bound("value") && bound("value") < bound("upper") && 0.7 < bound("value"));
}

#[test]
fn files_as_other_programs_write_them_are_read() {
    let plain = "noise,\"view, of chest\"\n1,PA\n2,AP\n3,\"a \"\"quoted\"\"\n line\"\n4,PA\n";
    let other =
        "\u{feff}\"noise\" ,\"view, of chest\"\r\n\r\n1, PA \r\n\"2\",AP\r\n3,\"a \"\"quoted\"\"\n line\"\r\n4,\"PA\"";
    let answer = lines(plain, other, &[]);
    assert_eq!(answer.len(), 2);
    for line in &answer {
        close(&line["value"], 0.0);
        assert_eq!((&line["p"], &line["n_ref"], &line["n_cur"]), (&1.0.into(), &4.into(), &4.into()));
    }
    // A long file is read in pieces and in several passes; what is at the end counts.
    let long = |last: f64| {
        let rows = (0..30_000_u32).map(|row| format!("{},{}\n", row % 977, if row < 29_000 { 0.0 } else { last }));
        format!("a,b\n{}", rows.collect::<String>())
    };
    let answer = lines(&long(0.0), &long(1.0), &[]);
    close(&answer[0]["value"], 0.0);
    close(&answer[1]["value"], 1000.0 / 30_000.0);
    assert_eq!(answer[1]["method"], "ks/asymptotic");
}

#[test]
fn errors_name_line_and_column_and_what_helps() {
    let good = "noise,view\n1,PA\n2,AP\n";
    for (reference, current, arguments, expected) in [
        (
            good,
            "noise,view\n1,PA\n2\n",
            &[][..],
            "cur.csv: line 3: 1 cells, and the header has 2; put text with commas in quotes",
        ),
        (good, "noise,view\n1,\"PA\n2,AP\n", &[], "line 2: a quote is opened and not closed"),
        (good, "noise,view\n1,\"PA\"x\n", &[], "line 2: text follows a closing quote"),
        (good, "", &[], "cur.csv: is empty"),
        (good, "noise,noise\n1,2\n", &[], "two columns are named \"noise\""),
        (good, "noise;view\n1;PA\n", &[], "have no column in common"),
        ("noise;view\n1;PA\n", good, &["--columns", "view"], "names no column \"view\"; it seems separated"),
        (good, good, &["--columns", "dose"], "names no column \"dose\""),
        (good, good, &["--columns", "view,view"], "twice"),
        (good, good, &["--method", "mmd", "--columns", "view"], "no column of numbers is in both files"),
        (good, good, &["--method", "ks", "--threshold", "0.2"], "does not use --threshold"),
        (good, good, &["--method", "psi", "--permutations", "99"], "does not use --permutations"),
        (good, good, &["--alpha", "5"], "--alpha is a share"),
        (good, good, &["--permutations", "0"], "--permutations is 1 to"),
        (good, good, &["--method", "mmd", "--correction", "bh"], "does not use --correction"),
    ] {
        let said = refusal(reference, current, arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let missing = Command::new(env!("CARGO_BIN_EXE_hilum"))
        .args(["stats", "drift", "no-such-file.csv", "no-such-file.csv"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no-such-file.csv: cannot be read"));
}

#[test]
fn a_column_without_a_figure_does_not_hide_the_others() {
    let rows = |from: u32, column: &str| {
        let rows = (from..from + 12_000).map(|row| format!("{},patient-{row},{}\n", row % 7, row % 3));
        format!("noise,{column},view\n{}", rows.collect::<String>())
    };
    let answer = lines(&rows(0, "who"), &rows(0, "who"), &[]);
    assert!(answer[1]["error"].as_str().unwrap().contains("identifier") && answer[1]["drift"].is_null());
    assert!(answer[0]["error"].is_null() && answer[2]["error"].is_null());
    // Columns that only one file has are named, and what a cell holds is not.
    let output = drift(rows(0, "who").as_bytes(), rows(0, "person").as_bytes(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let answer: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answer[1]["error"], "the current file lacks this column");
    assert_eq!(answer[3]["error"], "the reference lacks this column");
    assert!(!text.contains("patient-"));
    // Nothing but errors is a failure.
    let output = drift(b"x\n1\n2\n", b"x\nNA\nNA\n", &[]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("no cell of the current file is a number"));
}

/// `drift` stands beside the names of single statistics.
#[test]
fn single_statistics_are_asked_for_as_before() {
    let output = Command::new(env!("CARGO_BIN_EXE_hilum")).args(["stats", "--list"]).output().unwrap();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("auroc"));
    let output = Command::new(env!("CARGO_BIN_EXE_hilum")).args(["stats"]).output().unwrap();
    assert!(!output.status.success());
}
