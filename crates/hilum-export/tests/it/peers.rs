//! DuckDB as reader. The interpreter is `HILUM_PYTHON` or `python3`.

use crate::table::{asked, label, observation};
use hilum_export::{Format, Row, Table};
use hilum_monitor::{Label, Observation};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const N_ROWS: u32 = 12_345;

fn written<R: Row>(path: &Path, row: impl Fn(u32) -> R) {
    let file = std::fs::File::create(path).unwrap();
    let mut table = Table::new::<R>(file, Format::Parquet, &asked()).unwrap();
    for n in 0..N_ROWS {
        table.push(&row(n)).unwrap();
    }
    assert_eq!(table.finish().unwrap(), u64::from(N_ROWS));
}

/// Columns with their types, and the rows, as DuckDB reads them; moments come as microseconds since 1970.
fn read(path: &Path) -> Option<(Vec<String>, Vec<Value>)> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import duckdb"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let text = "duckdb is not importable; name an interpreter that has it in HILUM_PYTHON";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("skipped: {text}");
        return None;
    }
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
    written::<Observation>(&path, observation);
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
    written::<Label>(&path, label);
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
