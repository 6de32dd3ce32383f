//! Cases drawn by lot for adjudication, so that missed findings are seen (MV-26).

use hilum_registry::monitoring::AuditSamplePlan;
use hilum_types::{Digest, ModelOutput, Presence};
use serde::{Deserialize, Serialize};

/// What the model said of the whole study: the stratum a case is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stratum {
    /// At least one finding.
    Positive,
    /// None, and no abstention.
    Negative,
    /// None found, and it abstained on at least one.
    Indeterminate,
}

impl Stratum {
    /// Stratum of an output.
    pub fn of(output: &ModelOutput) -> Stratum {
        let says = |presence| output.findings.iter().any(|finding| finding.presence == presence);
        match (says(Presence::Present), says(Presence::Indeterminate)) {
            (true, _) => Stratum::Positive,
            (false, true) => Stratum::Indeterminate,
            (false, false) => Stratum::Negative,
        }
    }

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Stratum::Positive => "positive",
            Stratum::Negative => "negative",
            Stratum::Indeterminate => "indeterminate",
        }
    }

    /// The stratum of that stable name.
    pub fn from_name(name: &str) -> Option<Stratum> {
        [Stratum::Positive, Stratum::Negative, Stratum::Indeterminate].into_iter().find(|one| one.name() == name)
    }
}

/// Probability with which a case of `stratum` is drawn, in 0 to 1.
pub fn rate(plan: &AuditSamplePlan, stratum: Stratum) -> f64 {
    match stratum {
        Stratum::Positive => plan.positive,
        Stratum::Negative => plan.negative,
        Stratum::Indeterminate => plan.indeterminate.unwrap_or(plan.negative),
    }
}

/// The probability with which the study was drawn; `None` when it was not.
///
/// A keyed hash of the study's key (key: the digest of the seed) is read as a number in [0, 1); the study is drawn when
/// that is below the rate. So who knows the seed can check every draw, nobody can choose, and a higher rate keeps what
/// a lower one drew.
pub fn draw(plan: &AuditSamplePlan, study_key: &str, stratum: Stratum) -> Option<f64> {
    let key = Digest::of(plan.seed.as_bytes());
    let hash = Digest::keyed(key.as_bytes(), study_key.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    // 53 bits are what a double holds exactly.
    let place = (u64::from_be_bytes(first) >> 11) as f64 / (1u64 << 53) as f64;
    let rate = rate(plan, stratum);
    (place < rate).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: &str, negative: f64) -> AuditSamplePlan {
        AuditSamplePlan { seed: seed.into(), positive: 1.0, negative, indeterminate: None }
    }

    /// 2000 draws at 5 %: 100 expected, standard deviation 9.7; the bounds are four of them.
    #[test]
    fn draws_have_the_declared_rate_and_are_repeatable() {
        let drawn = |seed: &str, rate: f64| -> Vec<u32> {
            (0..2000).filter(|n| draw(&plan(seed, rate), &format!("study {n}"), Stratum::Negative).is_some()).collect()
        };
        let first = drawn("2026", 0.05);
        assert!((61..=139).contains(&first.len()), "{}", first.len());
        assert_eq!(first, drawn("2026", 0.05));
        assert_ne!(first, drawn("2027", 0.05));
        let more = drawn("2026", 0.10);
        assert!(first.iter().all(|n| more.contains(n)), "a higher rate keeps what a lower one drew");
        assert_eq!((drawn("2026", 0.0).len(), drawn("2026", 1.0).len()), (0, 2000));
    }

    #[test]
    fn the_probability_is_that_of_the_stratum() {
        let plan = AuditSamplePlan { indeterminate: Some(1.0), ..plan("s", 0.0) };
        assert_eq!(draw(&plan, "k", Stratum::Positive), Some(1.0));
        assert_eq!(draw(&plan, "k", Stratum::Indeterminate), Some(1.0));
        assert_eq!(draw(&plan, "k", Stratum::Negative), None);
    }
}
