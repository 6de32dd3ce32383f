use crate::check;
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::proportion::wilson;
use serde::{Deserialize, Serialize};

/// How probabilities are put into bins; part of every figure that uses bins, because they depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binning {
    /// `[0, 1/k), ... [(k-1)/k, 1]`.
    EqualWidth(u32),
    /// As equally filled as ties allow: cases sorted, bin `floor(place * k / n)`, equal probabilities kept together in the
    /// bin of the first.
    EqualCount(u32),
}

impl Default for Binning {
    fn default() -> Binning {
        Binning::EqualWidth(10)
    }
}

impl Binning {
    pub(super) fn name(self) -> String {
        match self {
            Binning::EqualWidth(k) => format!("equal-width-{k}"),
            Binning::EqualCount(k) => format!("equal-count-{k}"),
        }
    }
}

/// Cases of one bin of probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Smallest probability in the bin.
    pub from: f64,
    /// Largest probability in the bin.
    pub to: f64,
    /// Mean probability.
    pub mean_predicted: f64,
    /// Share of cases with the finding, with Wilson's interval; its `n` is the number of cases of the bin.
    pub observed: Estimate,
}

/// Bins that hold cases, lowest probability first: what a reliability diagram shows.
///
/// # Errors
/// `LengthMismatch`; `TooFew` without cases or bins; `OutOfRange` for a probability outside [0, 1] or a bad level.
///
/// # Examples
/// ```
/// use hilum_stats::{Binning, reliability};
/// let bins = reliability(&[false, true, true], &[0.1, 0.8, 0.9], Binning::EqualWidth(5), 0.95).unwrap();
/// assert_eq!((bins.len(), bins[1].observed.n, bins[1].observed.value), (2, 2, 1.0));
/// ```
pub fn reliability(
    labels: &[bool],
    probabilities: &[f64],
    binning: Binning,
    level: f64,
) -> Result<Vec<ReliabilityBin>, StatsError> {
    let what = "reliability";
    let bins = sums(what, labels, probabilities, binning)?;
    let bin = |bin: &BinSums| {
        let observed = wilson(bin.positives, bin.n, level)?;
        Ok(ReliabilityBin { from: bin.from, to: bin.to, mean_predicted: bin.predicted / bin.n as f64, observed })
    };
    bins.iter().map(bin).collect()
}

/// Sums over the cases of one bin.
#[derive(Clone)]
pub(super) struct BinSums {
    pub(super) n: u64,
    pub(super) positives: u64,
    pub(super) predicted: f64,
    from: f64,
    to: f64,
}

impl BinSums {
    pub(super) fn share(&self) -> f64 {
        self.positives as f64 / self.n as f64
    }

    /// Mean probability minus share with the finding.
    pub(super) fn gap(&self) -> f64 {
        self.predicted / self.n as f64 - self.share()
    }
}

pub(super) fn check_all(what: &'static str, labels: &[bool], probabilities: &[f64]) -> Result<(), StatsError> {
    check::same_length(what, labels.len(), probabilities.len())?;
    check::at_least(what, "cases", 1, labels.len() as u64)?;
    check::probabilities(what, probabilities)
}

/// Bins that hold cases, lowest first.
pub(super) fn sums(
    what: &'static str,
    labels: &[bool],
    probabilities: &[f64],
    binning: Binning,
) -> Result<Vec<BinSums>, StatsError> {
    check_all(what, labels, probabilities)?;
    let (Binning::EqualWidth(k) | Binning::EqualCount(k)) = binning;
    check::at_least(what, "bins", 1, u64::from(k))?;
    let of_case = bin_of_case(probabilities, binning);
    Ok(sum_bins(&of_case, labels, probabilities))
}

/// The bin of each case; bins are numbered in the order of probability.
pub(super) fn bin_of_case(probabilities: &[f64], binning: Binning) -> Vec<u32> {
    match binning {
        Binning::EqualWidth(k) => probabilities.iter().map(|&p| ((p * f64::from(k)) as u32).min(k - 1)).collect(),
        Binning::EqualCount(k) => {
            let mut order: Vec<u32> = (0..probabilities.len() as u32).collect();
            order.sort_unstable_by(|&a, &b| probabilities[a as usize].total_cmp(&probabilities[b as usize]));
            let (mut bins, mut last) = (vec![0; probabilities.len()], (f64::NAN, 0));
            for (place, &case) in (0_u64..).zip(&order) {
                let p = probabilities[case as usize];
                if p != last.0 {
                    last = (p, (place * u64::from(k) / order.len() as u64) as u32);
                }
                bins[case as usize] = last.1;
            }
            bins
        }
    }
}

pub(super) fn sum_bins(of_case: &[u32], labels: &[bool], probabilities: &[f64]) -> Vec<BinSums> {
    let mut bins = std::collections::BTreeMap::new();
    let empty = BinSums { n: 0, positives: 0, predicted: 0.0, from: f64::INFINITY, to: f64::NEG_INFINITY };
    for ((&bin, &label), &p) in of_case.iter().zip(labels).zip(probabilities) {
        let bin = bins.entry(bin).or_insert_with(|| empty.clone());
        bin.n += 1;
        bin.positives += u64::from(label);
        bin.predicted += p;
        bin.from = bin.from.min(p);
        bin.to = bin.to.max(p);
    }
    bins.into_values().collect()
}
