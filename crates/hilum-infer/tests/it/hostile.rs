//! Packages on disk that would reach out of their folder or lie (privacy threat row 10).

use crate::support::*;
use hilum_infer::{Engines, engine::TractEngine};
use hilum_infer::{InferError, Tensors, engine::TableEngine, load_package, register_package};
use hilum_registry::Tensor;
use std::sync::Arc;

fn refusal(folder: &std::path::Path) -> String {
    match load_package(folder, &tract_only(), None) {
        Err(InferError::Refused(refused)) => refused.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[cfg(unix)]
#[test]
fn links_out_of_the_package_are_refused() {
    let folder = tiny_package(&tract_only());
    let license = folder.path().join("LICENSE");
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    std::fs::remove_file(&license).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &license).unwrap();
    assert!(refusal(folder.path()).contains("LICENSE: it is a symbolic link"));
    std::fs::remove_file(&license).unwrap();
    let inside = folder.path().join("docs/README.md");
    std::fs::hard_link(inside, &license).unwrap();
    assert!(refusal(folder.path()).contains("hard links"));
}

#[test]
fn a_pickle_named_onnx_and_a_missing_folder_are_refused() {
    let folder = tiny_package(&tract_only());
    write(folder.path(), "models/model.onnx", b"\x80\x02\x8a\x0al\xfc");
    assert!(refusal(folder.path()).contains("Python pickle"));
    assert!(refusal(&folder.path().join("nowhere")).contains("there is nothing in the package"));
}

/// A graph that passes our checks and that no engine can run: an error, no crash.
#[test]
fn a_graph_that_no_engine_runs_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = tiny_model();
    let at = model.windows(7).position(|w| w == b"Sigmoid").unwrap();
    model[at..at + 7].copy_from_slice(b"Sigmoix");
    bare_package(folder.path(), TINY, &model);
    for engines in [tract_only(), engines()] {
        let input = hilum_infer::GoldenInput::Images(vec![square_image("MONOCHROME2", |_, _| true)]);
        let tolerance = hilum_registry::Tolerance::default();
        let result = hilum_infer::record_golden(folder.path(), "c", "", input, tolerance, &engines);
        assert!(matches!(result, Err(InferError::Engine { .. })), "{result:?}");
    }
}

#[test]
fn engines_that_disagree_are_found_at_registration() {
    let folder = tiny_package(&tract_only());
    let tensor = |shape: Vec<usize>, value: f32| {
        let n = shape.iter().product();
        Tensor::from_f32(shape, vec![value; n]).unwrap()
    };
    let outputs = Tensors::from([
        ("map".to_owned(), tensor(vec![1, 1, 8, 8], 0.5)),
        ("score".to_owned(), tensor(vec![1, 1, 1, 1], 0.5)),
    ]);
    let engines = Engines::of(vec![Arc::new(TractEngine), Arc::new(TableEngine::constant(outputs))]);
    let error = register_package(folder.path(), &engines).unwrap_err();
    assert!(matches!(error, InferError::EnginesDisagree { .. }), "{error}");
}
