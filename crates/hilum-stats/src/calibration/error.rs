use super::reliability::{BinSums, Binning, bin_of_case, sum_bins, sums};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::resampling::{Bootstrap, BootstrapInterval, bootstrap};
use crate::special::normal_cdf;

/// Expected calibration error: mean over cases of the distance between mean probability and share with the finding of
/// their bin (Naeini, Cooper & Hauskrecht, AAAI 2015). In [0, 1].
///
/// It is **biased upward**: perfectly calibrated scores have an ECE above 0, more so with few cases. See [`debiased_ece`].
///
/// # Errors
/// `LengthMismatch`; `TooFew` without cases or bins; `OutOfRange` for a probability outside [0, 1].
///
/// # Examples
/// ```
/// use hilum_stats::{Binning, ece_value};
/// let error = ece_value(&[false, true], &[0.2, 0.9], Binning::EqualWidth(10)).unwrap();
/// assert!((error - 0.15).abs() < 1e-15);
/// ```
pub fn ece_value(labels: &[bool], probabilities: &[f64], binning: Binning) -> Result<f64, StatsError> {
    Ok(plain(&sums("ECE", labels, probabilities, binning)?))
}

/// Largest distance between mean probability and share with the finding of any bin that holds cases.
///
/// # Errors
/// As [`ece_value`].
pub fn mce_value(labels: &[bool], probabilities: &[f64], binning: Binning) -> Result<f64, StatsError> {
    let bins = sums("MCE", labels, probabilities, binning)?;
    Ok(bins.iter().map(|bin| bin.gap().abs()).fold(0.0, f64::max))
}

/// ECE less its expected excess (Kumar, Liang & Ma, NeurIPS 2019): the mean of |N(gap, share * (1 - share) / n)| over bins,
/// in closed form instead of by simulation, tells how far chance lifts it. Not below 0.
///
/// # Errors
/// As [`ece_value`].
pub fn debiased_ece_value(labels: &[bool], probabilities: &[f64], binning: Binning) -> Result<f64, StatsError> {
    Ok(debiased(&sums("debiased ECE", labels, probabilities, binning)?))
}

/// ECE with a bootstrap interval over patients: value +- z standard deviations of the resamples, cut to [0, 1], whatever
/// interval `options` names, because resampling itself lifts an ECE. Method such as `ece-equal-width-10/bootstrap-normal`.
///
/// Bins of equal count are those of the whole set.
///
/// # Errors
/// As [`ece_value`] and [`bootstrap`].
pub fn ece(
    labels: &[bool],
    probabilities: &[f64],
    patients: Option<&[u64]>,
    binning: Binning,
    options: &Bootstrap,
) -> Result<Estimate, StatsError> {
    resampled("ece", plain, labels, probabilities, patients, binning, options)
}

/// [`debiased_ece_value`] with an interval as in [`ece`].
///
/// # Errors
/// As [`ece`].
pub fn debiased_ece(
    labels: &[bool],
    probabilities: &[f64],
    patients: Option<&[u64]>,
    binning: Binning,
    options: &Bootstrap,
) -> Result<Estimate, StatsError> {
    resampled("ece-debiased", debiased, labels, probabilities, patients, binning, options)
}

fn resampled(
    what: &'static str,
    figure: fn(&[BinSums]) -> f64,
    labels: &[bool],
    probabilities: &[f64],
    patients: Option<&[u64]>,
    binning: Binning,
    options: &Bootstrap,
) -> Result<Estimate, StatsError> {
    let value = figure(&sums(what, labels, probabilities, binning)?);
    let of_case = bin_of_case(probabilities, binning);
    let options = Bootstrap { interval: BootstrapInterval::Normal, ..*options };
    let statistic = |cases: &[u32]| {
        let bins: Vec<u32> = cases.iter().map(|&case| of_case[case as usize]).collect();
        let labels: Vec<bool> = cases.iter().map(|&case| labels[case as usize]).collect();
        let probabilities: Vec<f64> = cases.iter().map(|&case| probabilities[case as usize]).collect();
        Ok(figure(&sum_bins(&bins, &labels, &probabilities)))
    };
    let estimate = bootstrap(what, labels.len(), patients, &options, statistic)?;
    let method = format!("{what}-{}/bootstrap-normal", binning.name()).into();
    Ok(Estimate { value, lower: estimate.lower.max(0.0), upper: estimate.upper.min(1.0), method, ..estimate })
}

fn plain(bins: &[BinSums]) -> f64 {
    weighted_mean(bins, |bin| bin.gap().abs())
}

fn debiased(bins: &[BinSums]) -> f64 {
    let expected = weighted_mean(bins, |bin| {
        let spread = (bin.share() * (1.0 - bin.share()) / bin.n as f64).sqrt();
        folded_normal_mean(bin.gap(), spread)
    });
    (2.0 * plain(bins) - expected).max(0.0)
}

fn weighted_mean(bins: &[BinSums], value: impl Fn(&BinSums) -> f64) -> f64 {
    let n: u64 = bins.iter().map(|bin| bin.n).sum();
    bins.iter().map(|bin| value(bin) * bin.n as f64).sum::<f64>() / n as f64
}

/// Mean of |X| for X normal with `mean` and standard deviation `spread`.
fn folded_normal_mean(mean: f64, spread: f64) -> f64 {
    if spread <= 0.0 {
        return mean.abs();
    }
    let ratio = mean / spread;
    spread * (2.0 / std::f64::consts::PI).sqrt() * (-ratio * ratio / 2.0).exp()
        + mean * (1.0 - 2.0 * normal_cdf(-ratio))
}
