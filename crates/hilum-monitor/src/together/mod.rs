//! Whether the numbers of the studies of a period, taken together, are spread as those of a reference are (MV-21;
//! monitoring section 6.3). Numbers that hang together otherwise than before are seen by no distance of a single one,
//! and many small moves add up.
//!
//! Two questions are asked apart: about what went in (features, and with them the numbers of the embedding) and about
//! what came out (scores and calls). Their p-values are found by dealing whole studies out anew, `(1 + b) / (1 + P)`,
//! and corrected for being two (Holm). Nothing that is decided before the test may know the sides, or the studies as
//! they are would differ from all dealings for that alone: which numbers are compared, where their middle is and how
//! wide they are is taken from both sides together, robustly.
//!
//! A comparison describes and ranks. It is one look, it corrects for no other one, and it stops nothing: state changes
//! come from sequential evidence (ADR 0010).

mod draw;
mod table;
#[cfg(test)]
mod tests;

pub use draw::{DRAWN_MAX, StudyDraw};
pub use table::{LeftOut, NAMES_MAX, WhyLeftOut};

use crate::Observation;
use crate::sketch::THIN;
use hilum_stats::drift::{Permutations, Points, mmd, permuted_classifier_test};
use hilum_stats::{StatsError, holm};
use std::collections::{BTreeMap, BTreeSet};
use table::Table;

/// Studies that either side needs, as for the distance of one number.
pub const STUDIES_MIN: u64 = THIN;

/// What a comparison is and is not.
pub const DESCRIBES: &str = "it describes and ranks; each look is one more comparison, for which nothing is corrected, \
                             studies of one patient count as independent, and it stops nothing: stop rules do";

/// Parts that the classifier is tested on in turn.
const FOLDS: u32 = 5;

/// How the two sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Maximum mean discrepancy with a Gaussian kernel as wide as studies are apart: sees changes of any kind, how
    /// numbers hang together included, the worse the more numbers did not change.
    Mmd,
    /// Classifier two-sample test, a linear one: sees small moves in any direction of many numbers, but neither
    /// a change of spread alone nor one of how numbers hang together.
    C2st,
}

impl Method {
    /// Both.
    pub const ALL: [Method; 2] = [Method::Mmd, Method::C2st];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Method::Mmd => "mmd",
            Method::C2st => "c2st",
        }
    }

    /// The method of that stable name.
    pub fn from_name(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Times that the studies are dealt out anew: a classifier is learned again each time.
    pub fn permutations(self) -> u32 {
        match self {
            Method::Mmd => 999,
            Method::C2st => 199,
        }
    }
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TogetherOptions {
    /// The method.
    pub method: Method,
    /// Whatever is random follows from it.
    pub seed: u64,
    /// Times that the studies are dealt out anew.
    pub permutations: u32,
}

impl TogetherOptions {
    /// The usual ones.
    pub fn new(method: Method, seed: u64) -> TogetherOptions {
        TogetherOptions { method, seed, permutations: method.permutations() }
    }
}

/// Why there is no comparison.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TogetherError {
    /// There is too little on one side.
    #[error(
        "{n_reference} studies of the reference and {n_current} of the period have {of}; {STUDIES_MIN} are needed on \
         either side"
    )]
    TooFew {
        /// `numbers of the input` or `an output`.
        of: &'static str,
        /// Studies of the reference.
        n_reference: u64,
        /// Studies of the period.
        n_current: u64,
    },
    /// No number can be compared.
    #[error("no number of the studies that have {of} is measured on both sides and differs between studies")]
    Nothing {
        /// `numbers of the input` or `an output`.
        of: &'static str,
    },
    /// It cannot be computed.
    #[error("the studies that have {of} cannot be compared")]
    Statistic {
        /// `numbers of the input` or `an output`.
        of: &'static str,
        /// Why.
        #[source]
        source: StatsError,
    },
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Squared MMD without bias, which can be slightly negative; or the AUROC of studies that the classifier had not
    /// seen, 0.5 where nothing changed.
    pub value: f64,
    /// Chance of such a value or a larger one where nothing changed.
    pub p: f64,
    /// The same, corrected for the comparisons that are made at once (Holm).
    pub p_adjusted: f64,
    /// Studies of the reference that it rests on.
    pub n_reference: u64,
    /// Studies of the period that it rests on.
    pub n_current: u64,
    /// Stable name of the statistic and of how its p-value is found.
    pub method: String,
    /// What was compared: features; `score:<finding>`, and `positive:<finding>`, which is 1 or 0.
    pub names: Vec<String>,
    /// Those that some study lacks: it counts as in the middle there, and that it lacks them is a number of its own.
    pub incomplete: Vec<String>,
    /// What was not compared.
    pub left_out: Vec<LeftOut>,
}

/// Both comparisons.
#[derive(Debug, Clone, PartialEq)]
pub struct Together {
    /// Of what went in.
    pub inputs: Result<Compared, TogetherError>,
    /// Of what came out.
    pub outputs: Result<Compared, TogetherError>,
}

/// Compare the studies of a period with those of a reference, each study given once; one that is on both sides counts
/// for the reference alone, so that a dealing never parts it from itself. Time grows with the square of the studies for
/// [`Method::Mmd`], of which there are at most [`DRAWN_MAX`] a side.
pub fn compare(reference: &[Observation], current: &[Observation], options: &TogetherOptions) -> Together {
    let known: BTreeSet<&str> = reference.iter().map(|one| one.study_key.as_str()).collect();
    let reference: Vec<&Observation> = reference.iter().collect();
    let current: Vec<&Observation> = current.iter().filter(|one| !known.contains(one.study_key.as_str())).collect();
    let of = |kind| compare_kind(kind, [&reference, &current], options);
    let mut together = Together { inputs: of(Kind::Inputs), outputs: of(Kind::Outputs) };
    let mut made: Vec<&mut Compared> =
        [&mut together.inputs, &mut together.outputs].into_iter().filter_map(|one| one.as_mut().ok()).collect();
    let p_values: Vec<f64> = made.iter().map(|one| one.p).collect();
    // There is nothing to correct where nothing was compared.
    for (one, adjusted) in made.iter_mut().zip(holm(&p_values).unwrap_or_default()) {
        one.p_adjusted = adjusted;
    }
    together
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Inputs,
    Outputs,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Kind::Inputs => "numbers of the input",
            Kind::Outputs => "an output",
        }
    }

    fn numbers(self, observation: &Observation) -> BTreeMap<String, f64> {
        let mut numbers = match self {
            Kind::Inputs => observation.features.clone(),
            Kind::Outputs => {
                let mut numbers = BTreeMap::new();
                for (finding, output) in &observation.outputs {
                    numbers.extend(output.score.map(|score| (format!("score:{finding}"), score)));
                    let call = output.present.map(|present| f64::from(u8::from(present)));
                    numbers.extend(call.map(|call| (format!("positive:{finding}"), call)));
                }
                numbers
            }
        };
        numbers.retain(|_, value| value.is_finite());
        numbers
    }
}

fn compare_kind(kind: Kind, sides: [&[&Observation]; 2], options: &TogetherOptions) -> Result<Compared, TogetherError> {
    let of = kind.words();
    let sides = sides.map(|side| {
        let numbers = side.iter().map(|observation| kind.numbers(observation));
        numbers.filter(|numbers| !numbers.is_empty()).collect::<Vec<_>>()
    });
    let [n_reference, n_current] = [sides[0].len() as u64, sides[1].len() as u64];
    if n_reference.min(n_current) < STUDIES_MIN {
        return Err(TogetherError::TooFew { of, n_reference, n_current });
    }
    let table = Table::of(&sides[0], &sides[1]);
    if table.n_columns() == 0 {
        return Err(TogetherError::Nothing { of });
    }
    let tested = test(&table, sides[0].len(), options);
    let (value, p, method) = tested.map_err(|source| TogetherError::Statistic { of, source })?;
    let Table { names, incomplete, left_out, .. } = table;
    Ok(Compared { value, p, p_adjusted: p, n_reference, n_current, method, names, incomplete, left_out })
}

fn test(table: &Table, n_reference: usize, options: &TogetherOptions) -> Result<(f64, f64, String), StatsError> {
    let rows = table.rows();
    let (before, now) = rows.split_at(n_reference * table.n_columns());
    let (before, now) = (Points::new(before, table.n_columns())?, Points::new(now, table.n_columns())?);
    let permutations = Permutations { number: options.permutations, seed: options.seed };
    let found = match options.method {
        // The mean of the squared distances, not their usual median: that is 0 where most studies gave the same answer.
        Method::Mmd => mmd(before, now, Some(table.mean_squared_distance()?), permutations)?,
        Method::C2st => permuted_classifier_test(before, now, FOLDS, permutations)?,
    };
    // Both tests have one; without it there would be no evidence.
    Ok((found.value, found.p_value.unwrap_or(1.0), found.method.into_owned()))
}
