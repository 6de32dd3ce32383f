//! What each statistic computes; everything is `hilum-stats`.

use super::{Options, Rows};
use anyhow::{Context, Result, bail, ensure};
use hilum_stats as stats;
use hilum_stats::{
    AurocInterval, Binning, BootstrapInterval, ConfusionTable, Estimate, IccForm, KappaWeights, NonInferiority,
    PairedTable, ProportionInterval, StatsError, TestResult,
};
use serde::Serialize;
use serde_json::{Value, json};

fn shown(figure: impl Serialize) -> Result<Value> {
    Ok(serde_json::to_value(figure)?)
}

/// An object with more fields.
fn with(mut object: Value, fields: &[(&str, Value)]) -> Value {
    for (name, value) in fields {
        object[*name] = value.clone();
    }
    object
}

fn shown_test(test: TestResult) -> Value {
    json!({ "value": test.statistic, "p_value": test.p_value, "n": test.n, "method": test.method })
}

fn patients(rows: &Rows) -> Option<&[u64]> {
    rows.patients.as_deref()
}

/// Refuses several cases of a patient where the interval takes cases for independent.
fn independent(rows: &Rows, remedy: &str) -> Result<()> {
    ensure!(!rows.clustered(), "a patient has several cases, which this interval takes for independent; {remedy}");
    Ok(())
}

const ONE_CASE: &str = "keep one case of each patient";
const RESAMPLE: &str = "add --interval bootstrap-bca";

pub(super) fn auroc(rows: &Rows, options: &Options) -> Result<Value> {
    let (labels, scores) = (&rows.labels, &rows.scores[0]);
    if let Some(bootstrap) = options.bootstrap(None) {
        return shown(stats::auroc_bootstrap(labels, scores, patients(rows), &bootstrap)?);
    }
    let logit = options.interval.as_deref() == Some("delong-logit");
    let interval = if logit { AurocInterval::DelongLogit } else { AurocInterval::Delong };
    shown(stats::auroc(labels, scores, patients(rows), options.level, interval)?)
}

pub(super) fn auroc_difference(rows: &Rows, options: &Options) -> Result<Value> {
    let (labels, first, second) = (&rows.labels, &rows.scores[0], &rows.scores[1]);
    if let Some(bootstrap) = options.bootstrap(None) {
        return shown(stats::auroc_difference_bootstrap(labels, first, second, patients(rows), &bootstrap)?);
    }
    let compared = stats::auroc_difference(labels, first, second, patients(rows), options.level)?;
    let more = [
        ("first", shown(&compared.first)?),
        ("second", shown(&compared.second)?),
        ("standard_error", compared.standard_error.into()),
        ("covariance", compared.covariance.into()),
        ("z", compared.z.into()),
        ("p_value", compared.p_value.into()),
    ];
    Ok(with(shown(&compared.difference)?, &more))
}

pub(super) fn auprc(rows: &Rows, options: &Options) -> Result<Value> {
    let bootstrap = options.bootstrap(Some(BootstrapInterval::Bca)).context("auprc has bootstrap intervals only")?;
    shown(stats::auprc(&rows.labels, &rows.scores[0], patients(rows), &bootstrap)?)
}

/// Whether the first score calls each case, and the second where there is one.
fn calls(rows: &Rows, options: &Options, which: usize) -> Result<Vec<bool>> {
    let threshold = options.threshold.context("a threshold is needed")?;
    let threshold = if which == 0 { threshold } else { options.threshold2.unwrap_or(threshold) };
    Ok(rows.scores[which].iter().map(|&score| threshold <= score).collect())
}

fn share_interval(options: &Options) -> ProportionInterval {
    match options.interval.as_deref() {
        Some("clopper-pearson") => ProportionInterval::ClopperPearson,
        Some("agresti-coull") => ProportionInterval::AgrestiCoull,
        _ => ProportionInterval::Wilson,
    }
}

/// A share of the cases that `counted` picks; `table` computes it where cases are independent.
fn share(
    rows: &Rows,
    options: &Options,
    successes: &[bool],
    counted: &[bool],
    table: impl Fn(f64, ProportionInterval) -> Result<Estimate, StatsError>,
) -> Result<Value> {
    let interval = share_interval(options);
    let picked: Vec<usize> = (0..rows.n()).filter(|&case| counted[case]).collect();
    let picked_rows = rows.only(&picked);
    let independent = table(options.level, interval)?;
    let (Some(of_picked), true) = (&picked_rows.patients, picked_rows.clustered()) else { return shown(independent) };
    ensure!(
        interval == ProportionInterval::Wilson,
        "a patient has several cases, which this interval takes for independent; leave out --interval"
    );
    let of_picked_successes: Vec<bool> = picked.iter().map(|&case| successes[case]).collect();
    let figure = independent.method.split('/').next().unwrap_or("proportion").to_owned();
    let clustered = stats::proportion_clustered(&of_picked_successes, of_picked, options.level)?;
    let method = format!("{figure}/wilson-clustered");
    Ok(with(shown(clustered)?, &[("method", method.into())]))
}

fn called_share(
    rows: &Rows,
    options: &Options,
    success: fn(label: bool, call: bool) -> bool,
    counted: fn(label: bool, call: bool) -> bool,
    of_table: fn(&ConfusionTable, f64, ProportionInterval) -> Result<Estimate, StatsError>,
) -> Result<Value> {
    let calls = calls(rows, options, 0)?;
    let table = ConfusionTable::of_calls(&rows.labels, &calls)?;
    let each = |of: fn(bool, bool) -> bool| -> Vec<bool> {
        rows.labels.iter().zip(&calls).map(|(&label, &call)| of(label, call)).collect()
    };
    let value = share(rows, options, &each(success), &each(counted), |level, i| of_table(&table, level, i))?;
    Ok(with(value, &[("table", shown(table)?)]))
}

pub(super) fn sensitivity(rows: &Rows, options: &Options) -> Result<Value> {
    called_share(rows, options, |_, call| call, |label, _| label, ConfusionTable::sensitivity)
}

pub(super) fn specificity(rows: &Rows, options: &Options) -> Result<Value> {
    called_share(rows, options, |_, call| !call, |label, _| !label, ConfusionTable::specificity)
}

pub(super) fn ppv(rows: &Rows, options: &Options) -> Result<Value> {
    called_share(rows, options, |label, _| label, |_, call| call, ConfusionTable::ppv)
}

pub(super) fn npv(rows: &Rows, options: &Options) -> Result<Value> {
    called_share(rows, options, |label, _| !label, |_, call| !call, ConfusionTable::npv)
}

pub(super) fn accuracy(rows: &Rows, options: &Options) -> Result<Value> {
    called_share(rows, options, |label, call| label == call, |_, _| true, ConfusionTable::accuracy)
}

pub(super) fn prevalence(rows: &Rows, options: &Options) -> Result<Value> {
    let table = ConfusionTable::of_calls(&rows.labels, &rows.labels)?;
    let all = vec![true; rows.n()];
    share(rows, options, &rows.labels, &all, |level, interval| table.prevalence(level, interval))
}

/// A figure of a confusion table: its own interval where cases are independent, or a bootstrap over patients.
fn table_figure(
    rows: &Rows,
    options: &Options,
    name: &'static str,
    figure: fn(&ConfusionTable, f64) -> Result<Estimate, StatsError>,
) -> Result<Value> {
    let calls = calls(rows, options, 0)?;
    let table = ConfusionTable::of_calls(&rows.labels, &calls)?;
    let value = match options.bootstrap(None) {
        Some(bootstrap) => shown(stats::bootstrap(name, rows.n(), patients(rows), &bootstrap, |cases| {
            let of = |from: &[bool]| cases.iter().map(|&case| from[case as usize]).collect::<Vec<_>>();
            Ok(figure(&ConfusionTable::of_calls(&of(&rows.labels), &of(&calls))?, bootstrap.level)?.value)
        })?)?,
        None => {
            independent(rows, RESAMPLE)?;
            shown(figure(&table, options.level)?)?
        }
    };
    Ok(with(value, &[("table", shown(table)?)]))
}

pub(super) fn lr_positive(rows: &Rows, options: &Options) -> Result<Value> {
    table_figure(rows, options, "positive-likelihood-ratio", ConfusionTable::positive_likelihood_ratio)
}

pub(super) fn lr_negative(rows: &Rows, options: &Options) -> Result<Value> {
    table_figure(rows, options, "negative-likelihood-ratio", ConfusionTable::negative_likelihood_ratio)
}

pub(super) fn matthews(rows: &Rows, options: &Options) -> Result<Value> {
    table_figure(rows, options, "matthews", ConfusionTable::matthews)
}

/// Cases of one class with whether each of the two scores calls them rightly.
struct Paired {
    rows: Rows,
    first: Vec<bool>,
    second: Vec<bool>,
}

impl Paired {
    fn of(rows: &Rows, options: &Options, class: bool) -> Result<Paired> {
        let (first, second) = (calls(rows, options, 0)?, calls(rows, options, 1)?);
        let picked: Vec<usize> = (0..rows.n()).filter(|&case| rows.labels[case] == class).collect();
        let right = |calls: &[bool]| picked.iter().map(|&case| calls[case] == class).collect();
        Ok(Paired { first: right(&first), second: right(&second), rows: rows.only(&picked) })
    }

    fn table(&self) -> Result<PairedTable> {
        Ok(PairedTable::of(&self.first, &self.second)?)
    }
}

fn paired_difference(rows: &Rows, options: &Options, class: bool) -> Result<Value> {
    let pairs = Paired::of(rows, options, class)?;
    let table = pairs.table()?;
    let name = if class { "sensitivity-difference" } else { "specificity-difference" };
    let value = match options.bootstrap(None) {
        Some(bootstrap) => {
            let n = pairs.rows.n();
            shown(stats::bootstrap(name, n, patients(&pairs.rows), &bootstrap, |cases| {
                let gain = |&case: &u32| {
                    f64::from(u8::from(pairs.first[case as usize])) - f64::from(u8::from(pairs.second[case as usize]))
                };
                mean_of(cases.iter().map(gain))
            })?)?
        }
        None => {
            independent(&pairs.rows, RESAMPLE)?;
            let tango = options.interval.as_deref() == Some("tango");
            shown(if tango { table.tango(options.level)? } else { table.newcombe(options.level)? })?
        }
    };
    Ok(with(value, &[("pairs", shown(table)?)]))
}

pub(super) fn sensitivity_difference(rows: &Rows, options: &Options) -> Result<Value> {
    paired_difference(rows, options, true)
}

pub(super) fn specificity_difference(rows: &Rows, options: &Options) -> Result<Value> {
    paired_difference(rows, options, false)
}

pub(super) fn mcnemar(rows: &Rows, options: &Options) -> Result<Value> {
    independent(rows, ONE_CASE)?;
    let right = |calls: &[bool]| -> Vec<bool> { rows.labels.iter().zip(calls).map(|(l, c)| l == c).collect() };
    let table = PairedTable::of(&right(&calls(rows, options, 0)?), &right(&calls(rows, options, 1)?))?;
    Ok(with(shown_test(stats::mcnemar_exact(&table)?), &[("pairs", shown(table)?)]))
}

fn shown_noninferiority(answer: &NonInferiority) -> Result<Value> {
    let more = [
        ("margin", answer.margin.into()),
        ("p_value", answer.p_value.into()),
        ("non_inferior", answer.non_inferior.into()),
        ("superior", answer.superior.into()),
        ("inferior", answer.inferior.into()),
    ];
    Ok(with(shown(&answer.difference)?, &more))
}

fn margin(options: &Options) -> Result<f64> {
    options.margin.context("a margin is needed")
}

pub(super) fn noninferiority_auroc(rows: &Rows, options: &Options) -> Result<Value> {
    let (challenger, champion) = (&rows.scores[0], &rows.scores[1]);
    let level = options.level;
    let margin = margin(options)?;
    let answer = stats::noninferiority_auroc(&rows.labels, challenger, champion, patients(rows), margin, level)?;
    shown_noninferiority(&answer)
}

fn noninferiority_paired(rows: &Rows, options: &Options, class: bool) -> Result<Value> {
    let pairs = Paired::of(rows, options, class)?;
    independent(&pairs.rows, ONE_CASE)?;
    let table = pairs.table()?;
    let answer = stats::noninferiority_paired(&table, margin(options)?, options.level)?;
    Ok(with(shown_noninferiority(&answer)?, &[("pairs", shown(table)?)]))
}

pub(super) fn noninferiority_sensitivity(rows: &Rows, options: &Options) -> Result<Value> {
    noninferiority_paired(rows, options, true)
}

pub(super) fn noninferiority_specificity(rows: &Rows, options: &Options) -> Result<Value> {
    noninferiority_paired(rows, options, false)
}

fn binning(options: &Options) -> Binning {
    let bins = options.bins.unwrap_or(10);
    if options.equal_count { Binning::EqualCount(bins) } else { Binning::EqualWidth(bins) }
}

pub(super) fn brier(rows: &Rows, options: &Options) -> Result<Value> {
    let (labels, scores) = (&rows.labels, &rows.scores[0]);
    let score = stats::brier(labels, scores, patients(rows), options.level)?;
    let parts = stats::brier_parts(labels, scores, binning(options))?;
    Ok(with(shown(score)?, &[("parts", shown(parts)?)]))
}

pub(super) fn log_loss(rows: &Rows, options: &Options) -> Result<Value> {
    shown(stats::log_loss(&rows.labels, &rows.scores[0], patients(rows), options.level)?)
}

pub(super) fn ece(rows: &Rows, options: &Options) -> Result<Value> {
    calibration_error(rows, options, stats::ece)
}

pub(super) fn ece_debiased(rows: &Rows, options: &Options) -> Result<Value> {
    calibration_error(rows, options, stats::debiased_ece)
}

type CalibrationError = fn(&[bool], &[f64], Option<&[u64]>, Binning, &stats::Bootstrap) -> Result<Estimate, StatsError>;

fn calibration_error(rows: &Rows, options: &Options, error: CalibrationError) -> Result<Value> {
    let normal = options.bootstrap(Some(BootstrapInterval::Normal)).context("it has a bootstrap interval only")?;
    let bins = binning(options);
    let figure = error(&rows.labels, &rows.scores[0], patients(rows), bins, &normal)?;
    let reliability = stats::reliability(&rows.labels, &rows.scores[0], bins, options.level)?;
    Ok(with(shown(figure)?, &[("bins", shown(reliability)?)]))
}

pub(super) fn calibration(rows: &Rows, options: &Options) -> Result<Value> {
    independent(rows, ONE_CASE)?;
    let fit = stats::calibration_fit(&rows.labels, &rows.scores[0], options.level)?;
    let more = [("intercept", shown(&fit.intercept)?), ("in_the_large", shown(&fit.in_the_large)?)];
    Ok(with(shown(&fit.slope)?, &more))
}

pub(super) fn spiegelhalter(rows: &Rows, _: &Options) -> Result<Value> {
    independent(rows, ONE_CASE)?;
    Ok(shown_test(stats::spiegelhalter(&rows.labels, &rows.scores[0])?))
}

pub(super) fn observed_expected(rows: &Rows, options: &Options) -> Result<Value> {
    independent(rows, ONE_CASE)?;
    shown(stats::observed_expected(&rows.labels, &rows.scores[0], options.level)?)
}

pub(super) fn net_benefit(rows: &Rows, options: &Options) -> Result<Value> {
    let threshold = options.threshold.context("a threshold is needed")?;
    ensure!(0.0 < threshold && threshold < 1.0, "net-benefit needs a --threshold above 0 and below 1: a probability");
    let curve = stats::decision_curve(&rows.labels, &rows.scores[0], &[threshold], patients(rows), options.level)?;
    let point = curve.first().context("there is no place on the decision curve")?;
    let more = [("threshold", threshold.into()), ("treat_all", point.treat_all.into())];
    Ok(with(shown(&point.model)?, &more))
}

pub(super) fn kappa(rows: &Rows, options: &Options) -> Result<Value> {
    let weights = match options.weights.as_deref() {
        None | Some("none") => KappaWeights::None,
        Some("linear") => KappaWeights::Linear,
        Some("quadratic") => KappaWeights::Quadratic,
        Some(other) => bail!("--weights {other:?} is none of none, linear, quadratic"),
    };
    let (first, second) = (categories(rows, 0)?, categories(rows, 1)?);
    let n_categories = first.iter().chain(&second).max().map_or(0, |&highest| highest as usize + 1).max(2);
    let whole = stats::cohen_kappa(&first, &second, n_categories, weights, options.level)?;
    let value = match options.bootstrap(None) {
        Some(bootstrap) => shown(stats::bootstrap("kappa", rows.n(), patients(rows), &bootstrap, |cases| {
            let of = |from: &[u32]| cases.iter().map(|&case| from[case as usize]).collect::<Vec<_>>();
            Ok(stats::cohen_kappa(&of(&first), &of(&second), n_categories, weights, bootstrap.level)?.kappa.value)
        })?)?,
        None => {
            independent(rows, RESAMPLE)?;
            shown(&whole.kappa)?
        }
    };
    let more = [
        ("observed_agreement", whole.observed_agreement.into()),
        ("expected_agreement", whole.expected_agreement.into()),
        ("n_categories", n_categories.into()),
    ];
    Ok(with(value, &more))
}

fn categories(rows: &Rows, which: usize) -> Result<Vec<u32>> {
    let category = |(&score, line): (&f64, &u64)| {
        ensure!(
            score.fract() == 0.0 && (0.0..1000.0).contains(&score),
            "line {line}: kappa takes categories, numbered 0, 1, 2, ... in their order; for measurements use icc"
        );
        Ok(score as u32)
    };
    rows.scores[which].iter().zip(&rows.lines).map(category).collect()
}

pub(super) fn icc(rows: &Rows, options: &Options) -> Result<Value> {
    independent(rows, ONE_CASE)?;
    let form = match options.form.as_deref() {
        None | Some("absolute-agreement") => IccForm::AbsoluteAgreement,
        Some("consistency") => IccForm::Consistency,
        Some("one-way") => IccForm::OneWay,
        Some(other) => bail!("--form {other:?} is none of one-way, absolute-agreement, consistency"),
    };
    let measurements: Vec<&[f64]> = rows.scores.iter().map(Vec::as_slice).collect();
    let figure = stats::icc(&measurements, form, options.level)?;
    Ok(with(shown(figure)?, &[("n_readers", measurements.len().into())]))
}

pub(super) fn bland_altman(rows: &Rows, options: &Options) -> Result<Value> {
    independent(rows, ONE_CASE)?;
    let coverage = options.coverage.unwrap_or(0.95);
    let limits = stats::bland_altman(&rows.scores[0], &rows.scores[1], coverage, options.level)?;
    let more = [
        ("lower_limit", shown(&limits.lower_limit)?),
        ("upper_limit", shown(&limits.upper_limit)?),
        ("standard_deviation", limits.standard_deviation.into()),
        ("coverage", coverage.into()),
        ("proportional_bias", shown(&limits.proportional_bias)?),
    ];
    Ok(with(shown(&limits.bias)?, &more))
}

fn mean_of(values: impl Iterator<Item = f64>) -> Result<f64, StatsError> {
    let (mut n, mut sum) = (0_u64, 0.0);
    for value in values {
        n += 1;
        sum += value;
    }
    if n == 0 { Err(StatsError::TooFew { what: "mean", of: "cases", needed: 1, found: 0 }) } else { Ok(sum / n as f64) }
}

pub(super) fn mean(rows: &Rows, options: &Options) -> Result<Value> {
    resampled_mean(rows, options, "mean", &rows.scores[0])
}

pub(super) fn mean_difference(rows: &Rows, options: &Options) -> Result<Value> {
    let differences: Vec<f64> = rows.scores[0].iter().zip(&rows.scores[1]).map(|(a, b)| a - b).collect();
    resampled_mean(rows, options, "mean-difference", &differences)
}

fn resampled_mean(rows: &Rows, options: &Options, name: &'static str, values: &[f64]) -> Result<Value> {
    let bootstrap = options.bootstrap(Some(BootstrapInterval::Bca)).context("it has bootstrap intervals only")?;
    let statistic = |cases: &[u32]| mean_of(cases.iter().map(|&case| values[case as usize]));
    shown(stats::bootstrap(name, rows.n(), patients(rows), &bootstrap, statistic)?)
}
