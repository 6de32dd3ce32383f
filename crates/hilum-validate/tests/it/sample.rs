//! A list of cases like that of a real acceptance: probabilities, groups, some cases that drop out, a champion.

use crate::simulated::{Draws, frozen};
use hilum_validate::{Case, Exposure, FrozenProtocol, NotRunEnd, Outcome};
use std::collections::BTreeMap;

/// What a clinical lead might ask.
pub(crate) const ASKED: &str = r#"
[interval]
bootstrap_resamples = 400
[[criterion]]
name = "ranks-well"
metric = "auroc"
threshold = 0.80
expected = 0.90
[[criterion]]
name = "finds-most"
metric = "sensitivity"
threshold = 0.70
expected = 0.85
[[criterion]]
name = "few-false-alarms"
metric = "specificity"
threshold = 0.95
[[criterion]]
name = "calibrated"
metric = "calibration_slope"
range = [0.5, 2.0]
[[criterion]]
name = "no-worse"
metric = "auroc"
comparator = "champion"
margin = 0.05
[[criterion]]
name = "complete"
metric = "completeness"
threshold = 0.90
[[subgroup]]
attribute = "sex"
metric = "sensitivity"
threshold = 0.70
margin = 0.10
[[subgroup]]
attribute = "age"
bands = [18, 65]
metric = "auroc"
comparator = "champion"
margin = 0.10
"#;

pub(crate) fn protocol() -> FrozenProtocol {
    frozen(ASKED)
}

/// `n` cases by seed, two of every fifth patient.
pub(crate) fn cases(seed: u64, n: u32) -> Vec<Case> {
    let mut draws = Draws::new(seed);
    let logistic = |z: f64| 1.0 / (1.0 + (-z).exp());
    (0..n)
        .map(|number| {
            let present = draws.uniform() < 0.4;
            let common = draws.normal();
            let shift = if present { 1.4 } else { -1.4 };
            let score = logistic(shift + 1.3 * common + 0.6 * draws.normal());
            let champion = logistic(shift + 1.5 * common + 0.8 * draws.normal());
            let outcome = match number % 50 {
                7 => Outcome::NotRun { end: NotRunEnd::NotEligible, reason: "lateral view".to_owned() },
                23 => Outcome::NotRun { end: NotRunEnd::Withheld, reason: "pixel spacing is missing".to_owned() },
                31 if number % 100 == 31 => {
                    Outcome::NotRun { end: NotRunEnd::Failed, reason: "out of memory".to_owned() }
                }
                _ => Outcome::score(score),
            };
            let exposure = match number % 25 {
                0 => Exposure::Exposed,
                1 => Exposure::Unknown,
                _ => Exposure::Unexposed,
            };
            let label = if number % 40 == 13 {
                "unsure"
            } else if present {
                "yes"
            } else {
                "no"
            };
            let sex = ["F", "M", "F", "M", ""][number as usize % 5];
            let age = format!("{}", 5 + (draws.uniform() * 85.0) as u32);
            Case {
                id: format!("case-{number:04}"),
                patient: format!("p{:04}", if number % 5 == 4 { number - 1 } else { number }),
                label: Some(label.to_owned()),
                exposure,
                attributes: BTreeMap::from([("sex".to_owned(), sex.to_owned()), ("age".to_owned(), age)]),
                outcome,
                champion: (number % 60 != 17).then(|| Outcome::score(champion)),
            }
        })
        .collect()
}
