//! What Alibi Detect and NannyML say of seeded samples. `bench/reference/run.sh` makes the files here anew; the tests need neither.
//!
//! Where a peer defines a figure otherwise, ours is given the same definition, or the test states the difference and its reason.

mod alibi;
mod nannyml;

use crate::support::numbers;
use hilum_stats::drift::SortedSample;
use serde_json::Value;

/// The cases of a section, at least one.
fn cases<'a>(answers: &'a Value, section: &str) -> &'a [Value] {
    answers[section].as_array().filter(|cases| !cases.is_empty()).unwrap()
}

fn name(case: &Value) -> &str {
    case["name"].as_str().unwrap()
}

/// Reference and current sample of a case.
fn samples(case: &Value) -> (SortedSample, SortedSample) {
    let sorted = |side: &str| SortedSample::new(numbers(&case[side])).unwrap();
    (sorted("reference"), sorted("current"))
}

/// Reference and current counts of a case.
fn counts(case: &Value) -> (Vec<u64>, Vec<u64>) {
    let whole = |side: &str| numbers(&case[side]).into_iter().map(|count| count as u64).collect();
    (whole("reference"), whole("current"))
}

/// Chi-squared with Yates' correction, which both peers apply to two categories (scipy's default) and Hilum never does.
fn yates(reference: &[u64], current: &[u64]) -> f64 {
    let rows = [reference, current].map(|row| row.iter().map(|&count| count as f64).collect::<Vec<f64>>());
    let totals = [rows[0].iter().sum::<f64>(), rows[1].iter().sum::<f64>()];
    let cells = (0..2).flat_map(|side| (0..reference.len()).map(move |cell| (side, cell)));
    let part = |(side, cell): (usize, usize)| {
        let expected = (rows[0][cell] + rows[1][cell]) * totals[side] / (totals[0] + totals[1]);
        ((rows[side][cell] - expected).abs() - 0.5).powi(2) / expected
    };
    cells.map(part).sum()
}
