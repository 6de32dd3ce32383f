//! DuckDB as reader. The interpreter is `HILUM_PYTHON` or `python3`.

use crate::table::{asked, label, observation};
use hilum_export::{Format, Row, Table};
use hilum_monitor::figures::{FigureInput, LabelledObservation, figures};
use hilum_monitor::{Label, LabelSource, Observation, Truth};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const N_ROWS: u32 = 12_345;

fn written<R: Row>(path: &Path, rows: impl IntoIterator<Item = R>) {
    let file = std::fs::File::create(path).unwrap();
    let mut table = Table::new::<R>(file, Format::Parquet, &asked()).unwrap();
    let mut n_rows = 0;
    for row in rows {
        table.push(&row).unwrap();
        n_rows += 1;
    }
    assert_eq!(table.finish().unwrap(), n_rows);
}

/// An interpreter that has DuckDB.
fn interpreter() -> Option<String> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import duckdb"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let text = "duckdb is not importable; name an interpreter that has it in HILUM_PYTHON";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("skipped: {text}");
        return None;
    }
    Some(python)
}

/// Columns with their types, and the rows, as DuckDB reads them; moments come as microseconds since 1970.
fn read(path: &Path) -> Option<(Vec<String>, Vec<Value>)> {
    let python = interpreter()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/read.py");
    let output = Command::new(python).arg(script).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let columns = lines.next().unwrap();
    let columns = columns.as_array().unwrap().iter().map(|column| column.as_str().unwrap().to_owned()).collect();
    Some((columns, lines.collect()))
}

/// What stands in the interface, with what is absent there spelled out, and moments as microseconds.
fn shown(value: Value, absent: &[(&str, Value)], dropped: &[&str]) -> Value {
    let mut value = value;
    let fields = value.as_object_mut().unwrap();
    for (name, instead) in absent {
        fields.entry(*name).or_insert_with(|| instead.clone());
    }
    for name in dropped {
        fields.remove(*name);
    }
    value
}

#[test]
fn inferences_read_by_duckdb_are_what_was_observed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inferences.parquet");
    written::<Observation>(&path, (0..N_ROWS).map(observation));
    let Some((columns, rows)) = read(&path) else { return };
    assert_eq!(
        columns,
        [
            "study_key VARCHAR",
            "revision BIGINT",
            "deployment VARCHAR",
            "package VARCHAR",
            "event_at TIMESTAMP WITH TIME ZONE",
            "recorded_at TIMESTAMP WITH TIME ZONE",
            "disposition VARCHAR",
            "reason_code VARCHAR",
            "visible BOOLEAN",
            "seconds DOUBLE",
            "attributes MAP(VARCHAR, VARCHAR)",
            "features MAP(VARCHAR, DOUBLE)",
            "outputs MAP(VARCHAR, STRUCT(score DOUBLE, present BOOLEAN))",
            "outside_envelope VARCHAR[]",
        ]
    );
    assert_eq!(rows.len(), N_ROWS as usize);
    for (n, row) in rows.into_iter().enumerate() {
        let one = observation(u32::try_from(n).unwrap());
        let mut expected = serde_json::to_value(&one).unwrap();
        expected["event_at"] = json!(one.event_at.micros());
        expected["recorded_at"] = json!(one.recorded_at.micros());
        for output in
            expected.get_mut("outputs").and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
        {
            *output = shown(output.clone(), &[("score", Value::Null), ("present", Value::Null)], &[]);
        }
        let absent = [
            ("reason_code", Value::Null),
            ("seconds", Value::Null),
            ("outside_envelope", Value::Null),
            ("attributes", json!({})),
            ("features", json!({})),
            ("outputs", json!({})),
        ];
        assert_eq!(row, shown(expected, &absent, &[]), "row {n}");
    }
}

#[test]
fn labels_read_by_duckdb_are_what_was_entered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.parquet");
    written::<Label>(&path, (0..N_ROWS).map(label));
    let Some((columns, rows)) = read(&path) else { return };
    assert_eq!(columns[0], "label_key VARCHAR");
    assert_eq!(
        columns[12..],
        [
            "extractor_measured BOOLEAN",
            "inclusion_probability DOUBLE",
            "event_at TIMESTAMP WITH TIME ZONE",
            "recorded_at TIMESTAMP WITH TIME ZONE",
        ]
    );
    assert_eq!(rows.len(), N_ROWS as usize);
    for (n, row) in rows.into_iter().enumerate() {
        let one = label(u32::try_from(n).unwrap());
        let mut expected = serde_json::to_value(&one).unwrap();
        expected["label_key"] = json!(one.key);
        expected["class"] = json!(one.class().name());
        expected["event_at"] = json!(one.event_at.micros());
        expected["recorded_at"] = json!(one.recorded_at.micros());
        let absent = [
            ("agreement", Value::Null),
            ("extractor", Value::Null),
            ("independence", Value::Null),
            ("inclusion_probability", Value::Null),
            ("extractor_measured", json!(false)),
        ];
        // Who said it does not leave.
        assert_eq!(row, shown(expected, &absent, &["key", "by"]), "row {n}");
    }
}

/// The first, of a person or of an extractor that was never measured, is superseded by the second where that has the
/// better source or is the later one; the third is about a finding that the model never answers.
fn three_labels(n: u32) -> [Label; 3] {
    let mut first = label(n);
    (first.independence, first.extractor_measured, first.inclusion_probability) = (None, false, None);
    let mut second = first.clone();
    (second.key, second.extractor) = (format!("m{n:08}"), None);
    second.recorded_at = first.recorded_at.plus_seconds(60);
    second.source = if n.is_multiple_of(2) { LabelSource::Adjudication } else { LabelSource::Assessment };
    second.truth = if n.is_multiple_of(5) { Truth::Absent } else { Truth::Present };
    let mut third = second.clone();
    (third.key, third.finding) = (format!("n{n:08}"), "pneumonia".to_owned());
    [first, second, third]
}

/// The query of the reference computes the sensitivity that Hilum shows.
#[test]
fn the_query_of_the_reference_counts_as_hilum_does() {
    let Some(python) = interpreter() else { return };
    let observations: Vec<Observation> = (0..60).map(|n| Observation { revision: 1, ..observation(n) }).collect();
    let labels: Vec<Label> = (0..60).flat_map(three_labels).collect();
    let folder = tempfile::tempdir().unwrap();
    written(&folder.path().join("inferences.parquet"), observations.iter().cloned());
    written(&folder.path().join("labels.parquet"), labels.iter().cloned());

    let of_study = |label: &Label| observations.iter().find(|one| one.study_key == label.study_key).unwrap().clone();
    let with_study = |label: Label| LabelledObservation { observation: of_study(&label), label };
    let mut labelled: Vec<LabelledObservation> = labels.iter().cloned().map(with_study).collect();
    labelled.sort_by_key(|one| one.label.recorded_at);
    let as_of = asked().as_of;
    let input = FigureInput { observations: &observations, labelled: &labelled, extractors: &[], as_of };
    let shown = figures(&input, None).unwrap();
    let shown = shown.iter().filter(|one| one.name.name() == "sensitivity" && one.validated);
    let mut shown: Vec<Value> = shown.map(|one| json!([one.finding, one.figure.value, one.figure.n])).collect();
    shown.sort_by_key(Value::to_string);
    assert_eq!((shown.len(), &shown[1]), (2, &json!(["pneumonia", 0.0, 48])));

    let reference = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/export.md"));
    let (_, from_query) = reference.split_once("```sql\n").unwrap();
    let (query, _) = from_query.split_once("```").unwrap();
    let script = "import duckdb, json, sys; print(json.dumps(sorted(duckdb.execute(sys.argv[1]).fetchall())))";
    let output = Command::new(python).args(["-c", script, query]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let computed: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(computed, shown);
}
