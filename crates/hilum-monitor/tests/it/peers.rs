//! The same formulas in numpy, and the covariance of scikit-learn.

use crate::read::{Pixels, decode};
use crate::{files, shared, skip};
use hilum_monitor::embedding::{Embedding, ReferenceVectors};
use hilum_monitor::envelope::ledoit_wolf;
use hilum_monitor::image::{Samples, measure};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// What the peer answers to a request, as JSON; `None`, with a note, where there is no such Python.
fn python(request: &Value) -> Option<Value> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let able = Command::new(&python).args(["-c", "import numpy, scipy, sklearn"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        skip("Python with numpy, scipy and scikit-learn (HILUM_PYTHON)");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/peers.py");
    let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the peer failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// Seeded pictures of awkward kinds: few rows, margins, two values, negative and fractional values, large values.
fn pictures() -> Vec<Pixels> {
    let mut state = 3u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut made = Vec::new();
    for (rows, columns, kind) in
        [(16, 16, 0), (17, 133, 1), (90, 41, 2), (200, 150, 3), (64, 64, 4), (120, 77, 5), (33, 50, 6), (2500, 20, 1)]
    {
        let mut values: Vec<f32> = (0..rows * columns)
            .map(|at| {
                let (y, x) = ((at / columns) as f32, (at % columns) as f32);
                let smooth = 1000.0 + 200.0 * (y / 17.0).sin() + 5.0 * x;
                match kind {
                    0 => (40.0 * uniform()).round(),
                    1 => smooth + 30.0 * uniform(),
                    2 => (smooth - 1500.0 + 9.0 * uniform()).clamp(-600.0, -200.0),
                    3 => (smooth + 60.0 * uniform()).round(),
                    4 => {
                        if uniform() < 0.3 {
                            1.0
                        } else {
                            0.0
                        }
                    }
                    5 => 60000.0 * uniform(),
                    _ => 0.001 * uniform(),
                }
            })
            .collect();
        if kind == 3 {
            values[..columns * 12].fill(0.0);
            values[columns * 190..].fill(0.0);
            values.chunks_mut(columns).for_each(|row| row[..20].fill(0.0));
        }
        let rescale = if kind == 5 {
            [-0.5, 30000.0]
        } else if kind == 1 {
            [2.0, -1024.0]
        } else {
            [1.0, 0.0]
        };
        made.push(Pixels { values, rows, columns, rescale });
    }
    made
}

#[test]
fn mv_04_features_equal_numpy() {
    let mut all = pictures();
    if let Some(shared) = shared() {
        let cxr = shared.join("data/cxr");
        let picked = files(&cxr.join("kermany-test"), 180).into_iter().chain(files(&cxr.join("hannover"), 80));
        all.extend(picked.map(|path| decode(&path).unwrap()));
    }
    let request = json!({ "images": all.iter().map(|image| json!({
        // Every stored value is a single-precision number, and those are written so that they come back exactly.
        "values": image.values, "rows": image.rows, "columns": image.columns, "rescale": image.rescale,
    })).collect::<Vec<_>>() });
    let Some(answer) = python(&request) else { return };
    let mut n_compared = 0;
    for (at, image) in all.iter().enumerate() {
        let Pixels { values, rows, columns, rescale } = image;
        let samples = Samples { values, rows: *rows, columns: *columns, spacing_mm: None, rescale: *rescale };
        let ours = measure(&samples).unwrap().0;
        let theirs = answer["images"][at].as_object().unwrap();
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        let span = ours["p99"].abs().max(ours["p1"].abs()).max(1e-3);
        for (name, value) in &ours {
            let other = theirs[name].as_f64().unwrap();
            // Of what is measured in grey values, a millionth of the grey values; of the others, of the value or of 1.
            let size = if ["mean", "sd", "p1", "p50", "p99", "noise"].contains(&name.as_str()) {
                span
            } else {
                other.abs().max(1.0)
            };
            assert!((value - other).abs() <= 1e-6 * size, "image {at}, {name}: {value} here, {other} there");
            n_compared += 1;
        }
    }
    println!("{n_compared} values of {} images agree to 1e-6", all.len());
}

#[test]
fn covariance_equals_scikit_learn() {
    let mut state = 11u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let (n, p) = (60, 9);
    let mut rows: Vec<f64> = Vec::new();
    for _ in 0..n {
        let common = uniform();
        rows.extend((0..p).map(|k| common * k as f64 + uniform()));
    }
    for column in 0..p {
        let mean = rows.iter().skip(column).step_by(p).sum::<f64>() / n as f64;
        rows.iter_mut().skip(column).step_by(p).for_each(|value| *value -= mean);
    }
    let table: Vec<&[f64]> = rows.chunks(p).collect();
    let Some(answer) = python(&json!({ "covariance": table })) else { return };
    let (ours, weight) = ledoit_wolf(&rows, p);
    assert!((weight - answer["weight"].as_f64().unwrap()).abs() < 1e-12);
    for (ours, theirs) in ours.iter().zip(answer["covariance"].as_array().unwrap()) {
        assert!((ours - theirs.as_f64().unwrap()).abs() < 1e-12);
    }
}

/// Mean, components, variances, projections and what is left over equal the principal component analysis of scikit-learn, signs
/// included; with more cases than numbers, and with fewer.
#[test]
fn components_equal_scikit_learn() {
    let mut state = 5u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    for (n, d) in [(240, 30), (90, 160), (85, 12)] {
        let row = |_| {
            let strong: [f64; 8] = std::array::from_fn(|k| 3.0 * uniform() / (k + 1) as f64);
            let along = |at: usize| (0..8).map(|k| strong[k] * (1.0 + (at * (k + 2)) as f64 * 0.29).sin()).sum::<f64>();
            (0..d).map(|at| (10.0 + along(at) + 0.1 * uniform()) as f32).collect::<Vec<f32>>()
        };
        let rows: Vec<Vec<f32>> = (0..n).map(row).collect();
        let Some(answer) = python(&json!({ "vectors": rows, "k": 8 })) else { return };
        let mut reference = ReferenceVectors::default();
        rows.iter().for_each(|row| reference.add(row).unwrap());
        let (found, _) = Embedding::fit(&reference).unwrap();
        let theirs = |name: &str, at: usize| answer[name][at].as_f64().unwrap();
        for (k, (variance, component)) in found.variances.iter().zip(found.components.chunks(d)).enumerate() {
            assert!((variance / theirs("variances", k) - 1.0).abs() < 1e-6, "{n} x {d}, {k}");
            for (at, ours) in component.iter().enumerate() {
                let other = answer["components"][k][at].as_f64().unwrap();
                assert!((f64::from(*ours) - other).abs() < 1e-5, "{n} x {d}, {k} {at}: {ours} {other}");
            }
        }
        for (at, row) in rows.iter().enumerate() {
            let ours = found.features(row).unwrap();
            for k in 0..8 {
                let (ours, other) =
                    (ours[&format!("embedding_{}", k + 1)], answer["projected"][at][k].as_f64().unwrap());
                assert!((ours - other).abs() < 1e-4, "{n} x {d}, case {at}, {k}: {ours} {other}");
            }
            assert!((ours["embedding_rest"] - theirs("rest", at)).abs() < 1e-4, "{n} x {d}, case {at}");
        }
    }
}
