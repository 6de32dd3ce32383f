//! Features against numpy, covariance against scikit-learn, and the envelope on real radiographs.

mod halves;
mod peers;
mod read;
mod real_radiographs;
mod splits;
mod stream;

use std::path::PathBuf;

/// The shared data; `None`, with a note, where they are not there (an error in CI).
fn shared() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("HILUM_SHARED").map_or_else(|| PathBuf::from(default), PathBuf::from);
    if root.join("data/cxr").is_dir() {
        return Some(root);
    }
    skip(&format!("there is no data/cxr at {}; set HILUM_SHARED", root.display()));
    None
}

fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "missing under CI=true: {why}");
    println!("skipped: {why}");
}

/// DICOM files of a folder in the order of their names, every `step`th.
fn files(folder: &std::path::Path, step: usize) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dcm"))
        .collect();
    files.sort();
    files.into_iter().step_by(step).collect()
}
