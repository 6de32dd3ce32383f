//! Shared data, peers, and comparison.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The shared files; `None`, with a note, where they are not there (an error in CI).
pub(crate) fn shared(file: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("HILUM_SHARED").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = root.join(file);
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("there is no {} below HILUM_SHARED", file));
    None
}

pub(crate) fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "missing under CI=true: {why}");
    println!("skipped: {why}");
}

/// What a script beside this file prints, as JSON. `None`, with a note, where the interpreter cannot load what `probe` loads.
pub(crate) fn peer(interpreter: &str, probe: &[&str], script: &str, arguments: &[&str]) -> Option<Value> {
    let able = Command::new(interpreter).args(probe).output().is_ok_and(|output| output.status.success());
    if !able {
        skip(&format!("{interpreter} {probe:?} fails"));
        return None;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script);
    let output = Command::new(interpreter).arg(path).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {arguments:?}: {errors}");
    let answer = serde_json::from_slice(&output.stdout);
    Some(answer.unwrap_or_else(|error| panic!("{script} {arguments:?}: {error}\n{errors}")))
}

/// The Python peer's answers for one library.
pub(crate) fn python(modules: &str, section: &str) -> Option<Value> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    peer(&python, &["-c", &format!("import {modules}")], "peers.py", &[section])
}

/// Fails unless both are within `tolerance` of each other, or within that share of the second where that is larger than 1.
#[track_caller]
pub(crate) fn close(what: &str, ours: f64, theirs: f64, tolerance: f64) {
    let apart = (ours - theirs).abs();
    assert!(apart <= tolerance * theirs.abs().max(1.0), "{what}: {ours} here, {theirs} there, {apart:e} apart");
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub(crate) fn flags(value: &Value) -> Vec<bool> {
    numbers(value).into_iter().map(|v| v != 0.0).collect()
}

pub(crate) fn whole(value: &Value) -> Vec<u32> {
    numbers(value).into_iter().map(|v| v as u32).collect()
}
