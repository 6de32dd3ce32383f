//! The embedding that a package exposes, from the images to what is monitored of it.

use crate::support::*;
use hilum_infer::engine::TableEngine;
use hilum_infer::{Engines, GoldenInput, InferError, InstanceInput, RunSettings, StopSignal, Tensors};
use hilum_infer::{load_package, record_golden, run};
use hilum_monitor::embedding::{Embedding, ReferenceVectors, vector_of};
use hilum_monitor::envelope::Envelope;
use hilum_registry::{Tensor, Tolerance};
use std::sync::Arc;

/// The tiny package with its map of 8 x 8 numbers as embedding.
fn package(engines: &Engines) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (head, _) = TINY.split_once("[[output]]\nkind = \"heatmap\"").unwrap();
    let text = format!(
        "{head}[[output]]\nkind = \"embedding\"\ntensor = \"map\"\n\
         [resources]\nmemory_mb = 64\ndeadline_seconds = 300\n"
    );
    bare_package(folder.path(), &text, &tiny_model());
    for case in 0..3usize {
        let input = GoldenInput::Images(vec![square_image("MONOCHROME2", |row, _| row < 4 * case)]);
        record_golden(folder.path(), &format!("c{case}"), "", input, Tolerance::default(), engines).unwrap();
    }
    folder
}

/// An image of the reference set: a bright block in the upper left, of 1 to 6 by 1 to 4 of the 8 x 8 cells.
fn usual(n: usize) -> impl Fn(usize, usize) -> bool {
    move |row, column| row / 4 < 1 + n % 6 && column / 8 < 1 + n / 6 % 4
}

fn image(inside: impl Fn(usize, usize) -> bool) -> InstanceInput {
    instance(square_image("MONOCHROME2", inside))
}

#[test]
fn a_study_unlike_every_reference_case_is_outside() {
    let engines = tract_only();
    let folder = package(&engines);
    let package = load_package(folder.path(), &engines, None).unwrap();
    let vector = |images: Vec<InstanceInput>| {
        let outcome = run(&package, images, &RunSettings::default()).unwrap();
        vector_of(outcome.first_embedding()).unwrap().unwrap()
    };
    let mut reference = ReferenceVectors::default();
    (0..72).for_each(|n| reference.add(&vector(vec![image(usual(n))])).unwrap());
    let (learned, features) = Embedding::fit(&reference).unwrap();
    assert_eq!((learned.mean.len(), learned.variances.len(), learned.has_rest), (64, 7, true));
    let envelope = Envelope::fit(&features).unwrap();
    let check = |vector: &[f32]| envelope.check(&learned.features(vector).unwrap(), 0.05).unwrap();
    assert!(check(&vector(vec![image(usual(9))])).is_inside());
    let corner = |row: usize, column: usize| usual(9)(row, column) || (24 <= row && 48 <= column);
    let odd = check(&vector(vec![image(corner)]));
    assert!(odd.names().contains(&"embedding_rest".to_owned()), "{}", odd.sentence());
    // Each image is a run of its own; the study is their mean.
    let [one, other, both] = [vec![0], vec![5], vec![0, 5]]
        .map(|these: Vec<usize>| vector(these.into_iter().map(|n| image(usual(n))).collect()));
    assert!(one.iter().zip(&other).zip(&both).all(|((a, b), mean)| ((a + b) / 2.0 - mean).abs() < 1e-6));
}

/// A vector that is no vector is the model's failure, and says which number it is.
#[test]
fn an_embedding_that_is_not_finite_is_a_failure() {
    let answer = |inputs: &Tensors, _: &StopSignal| -> Result<Tensors, String> {
        let bright = inputs["image"].to_f64().iter().all(|value| 0.0 < *value);
        let mut map = vec![0.5f32; 64];
        map[7] = if bright { f32::NAN } else { 0.5 };
        let tensor = |shape: Vec<usize>, values| Tensor::from_f32(shape, values).map_err(|error| error.to_string());
        Ok(Tensors::from([
            ("map".to_owned(), tensor(vec![1, 1, 8, 8], map)?),
            ("score".to_owned(), tensor(vec![1, 1, 1, 1], vec![0.5])?),
        ]))
    };
    let engines = Engines::of(vec![Arc::new(TableEngine::new(answer))]);
    let folder = package(&engines);
    let package = load_package(folder.path(), &engines, None).unwrap();
    let outcome = run(&package, vec![image(|_, _| false)], &RunSettings::default()).unwrap();
    assert_eq!(outcome.first_embedding(), [vec![0.5; 64]]);
    let error = run(&package, vec![image(|_, _| true)], &RunSettings::default()).unwrap_err();
    assert!(matches!(&error, InferError::Output(_)), "{error}");
    assert!(error.to_string().contains("number 8 of embedding \"map\" is not finite"), "{error}");
}
