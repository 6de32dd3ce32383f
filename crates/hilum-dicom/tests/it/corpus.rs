//! The corpus in `$HILUM_SHARED/data/dicom` and its table of expected values.

use serde_json::Value;
use std::path::PathBuf;

/// Root of the corpus; `None`, with a note, when the folder is not there and this is not CI.
pub(crate) fn root() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = PathBuf::from(std::env::var("HILUM_SHARED").unwrap_or_else(|_| default.to_owned())).join("data/dicom");
    if root.is_dir() {
        return Some(root);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "the corpus is missing in CI");
    println!("skipped: no corpus");
    None
}

/// Each line of the table: what was expected and the bytes of the file.
pub(crate) fn entries() -> impl Iterator<Item = (Value, Vec<u8>)> {
    root().into_iter().flat_map(|root| {
        let table = std::fs::read_to_string(root.join("expected.jsonl")).expect("the corpus has its table");
        let lines: Vec<Value> = table.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
        lines.into_iter().map(move |entry| {
            let bytes = std::fs::read(root.join(name(&entry))).expect("the table names files of the corpus");
            (entry, bytes)
        })
    })
}

pub(crate) fn name(entry: &Value) -> &str {
    entry["file"].as_str().unwrap_or_default()
}
