use super::{Distance, Numbers, Sketch, THIN};
use crate::Figure;
use crate::figure::proportion;
use crate::timeline::NamedFigure;
use hilum_types::Timestamp;
use std::collections::BTreeMap;

/// A number over a window, and how far its distribution is from the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberSummary {
    /// Its name: a feature, `score:<finding>`, or the run time.
    pub name: String,
    /// Studies that have it.
    pub n: u64,
    /// Values that were no number.
    pub n_invalid: u64,
    /// Mean.
    pub mean: Option<f64>,
    /// Standard deviation.
    pub sd: Option<f64>,
    /// Quantiles 0.05, 0.50 and 0.95, within 1 %.
    pub quantiles: Option<[f64; 3]>,
    /// Distance from the reference; `None`: one of the two is too thin.
    pub distance: Option<Distance>,
    /// Numbers of the reference.
    pub n_reference: u64,
}

/// Why studies ended as they did.
#[derive(Debug, Clone, PartialEq)]
pub struct ReasonShare {
    /// Disposition.
    pub disposition: String,
    /// Code of the reason.
    pub reason_code: String,
    /// Share of all studies of the window.
    pub figure: Figure,
}

/// What a sketch says.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Studies.
    pub n: u64,
    /// Shares with intervals: each disposition, `positive:<finding>`, `abstained:<finding>`, `outside_envelope`.
    pub shares: Vec<NamedFigure>,
    /// Shares of the reasons.
    pub reasons: Vec<ReasonShare>,
    /// Studies outside the envelope by what was outside, of those compared.
    pub outside: Vec<NamedFigure>,
    /// Numbers by name.
    pub numbers: Vec<NumberSummary>,
    /// Whether there were more names than are kept.
    pub is_cut: bool,
}

impl Summary {
    /// What `sketch` says beside `reference`.
    pub fn of(sketch: &Sketch, reference: &Sketch, as_of: Timestamp) -> Summary {
        let named = |name: String, n_with: u64, n: u64| NamedFigure { name, figure: proportion(n_with, n, as_of) };
        let mut by_disposition: BTreeMap<&str, u64> = BTreeMap::new();
        for ((disposition, _), n) in sketch.ended() {
            *by_disposition.entry(disposition).or_default() += n;
        }
        let n = sketch.n();
        let mut shares: Vec<NamedFigure> =
            by_disposition.into_iter().map(|(name, n_with)| named(name.to_owned(), n_with, n)).collect();
        for (finding, calls) in sketch.calls() {
            let n_decided = calls.n_decided();
            if 0 < n_decided {
                shares.push(named(format!("positive:{finding}"), calls.present, n_decided));
            }
            if 0 < calls.abstained {
                let n_all = n_decided.saturating_add(calls.abstained);
                shares.push(named(format!("abstained:{finding}"), calls.abstained, n_all));
            }
        }
        let (n_compared, n_outside) = sketch.envelope();
        if 0 < n_compared {
            shares.push(named("outside_envelope".to_owned(), n_outside, n_compared));
        }
        let reasons = sketch.ended().iter().filter(|((_, reason), _)| !reason.is_empty());
        let reason = |((disposition, reason_code), n_with): (&(String, String), &u64)| ReasonShare {
            disposition: disposition.clone(),
            reason_code: reason_code.clone(),
            figure: proportion(*n_with, n, as_of),
        };
        let outside = sketch.outside().iter().map(|(name, n_with)| named(name.clone(), *n_with, n_compared)).collect();
        let none = Numbers::default();
        let numbers = sketch.numbers().iter().map(|(name, numbers)| {
            let before = reference.numbers().get(name).unwrap_or(&none);
            NumberSummary {
                name: name.clone(),
                n: numbers.n(),
                n_invalid: numbers.n_invalid(),
                mean: numbers.mean(),
                sd: numbers.sd(),
                quantiles: quantiles(numbers),
                distance: Distance::between(before, numbers),
                n_reference: before.n(),
            }
        });
        Summary {
            n,
            shares,
            reasons: reasons.map(reason).collect(),
            outside,
            numbers: numbers.collect(),
            is_cut: sketch.is_cut(),
        }
    }
}

fn quantiles(numbers: &Numbers) -> Option<[f64; 3]> {
    Some([numbers.quantile(0.05)?, numbers.quantile(0.5)?, numbers.quantile(0.95)?])
}

/// A number whose distribution is not that of the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Its name.
    pub name: String,
    /// Median of the reference.
    pub before: f64,
    /// Median of the window.
    pub now: f64,
    /// How far.
    pub distance: Distance,
}

/// Numbers with a distance from the reference, the farthest first, and how many are too thin to have one.
pub fn moved(reference: &Sketch, current: &Sketch) -> (Vec<Moved>, usize) {
    let mut found = Vec::new();
    let mut n_thin = 0;
    let none = Numbers::default();
    for (name, numbers) in current.numbers() {
        let before = reference.numbers().get(name).unwrap_or(&none);
        let one = Distance::between(before, numbers).and_then(|distance| {
            Some(Moved { name: name.clone(), before: before.quantile(0.5)?, now: numbers.quantile(0.5)?, distance })
        });
        n_thin += usize::from(one.is_none());
        found.extend(one);
    }
    // What came to an end has moved too, and what is not there any more has no distance.
    n_thin += reference
        .numbers()
        .iter()
        .filter(|(name, numbers)| THIN <= numbers.n() && !current.numbers().contains_key(*name))
        .count();
    found.sort_by(|a, b| b.distance.excess().total_cmp(&a.distance.excess()).then_with(|| a.name.cmp(&b.name)));
    (found, n_thin)
}
