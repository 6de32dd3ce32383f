//! A metric on a selection of cases, with the interval that the protocol asks for.

use crate::prepared::Row;
use crate::protocol::{AcceptanceProtocol, Binning, Method, Metric, ProportionInterval, Unit};
use crate::report::Figure;
use hilum_stats::{
    AurocInterval, Bootstrap, BootstrapInterval, Estimate, PairedTable, StatsError, auprc, auroc, auroc_bootstrap,
    auroc_difference, auroc_difference_bootstrap, average_precision, bootstrap, brier, calibration_fit, debiased_ece,
    proportion, proportion_clustered,
};

/// How figures are made; the same for all of a report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) protocol: &'a AcceptanceProtocol,
    pub(crate) threshold: Option<f64>,
    pub(crate) champion_threshold: Option<f64>,
}

/// Whose outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Challenger,
    Champion,
}

/// Columns of a selection.
pub(crate) struct Columns {
    pub(crate) labels: Vec<bool>,
    pub(crate) scores: Vec<f64>,
    /// `None` where every case counts as independent.
    pub(crate) patients: Option<Vec<u64>>,
}

impl Columns {
    pub(crate) fn patients(&self) -> Option<&[u64]> {
        self.patients.as_deref()
    }
}

pub(crate) type Answer = Result<Figure, StatsError>;

impl Settings<'_> {
    pub(crate) fn patients(&self, rows: &[&Row<'_>]) -> Option<Vec<u64>> {
        (self.protocol.unit == Unit::Patient).then(|| rows.iter().map(|row| row.patient).collect())
    }

    /// Labels and scores of the rows that have both.
    pub(crate) fn columns(&self, rows: &[&Row<'_>], side: Side) -> Columns {
        let usable: Vec<&Row<'_>> =
            rows.iter().filter(|row| row.present.is_some() && self.score(row, side).is_some()).copied().collect();
        Columns {
            labels: usable.iter().filter_map(|row| row.present).collect(),
            scores: usable.iter().filter_map(|row| self.score(row, side)).collect(),
            patients: self.patients(&usable),
        }
    }

    fn score(&self, row: &Row<'_>, side: Side) -> Option<f64> {
        match side {
            Side::Challenger => row.score,
            Side::Champion => row.champion_score,
        }
    }

    pub(crate) fn threshold(&self, side: Side) -> Option<f64> {
        match side {
            Side::Challenger => self.threshold,
            Side::Champion => self.champion_threshold,
        }
    }

    pub(crate) fn bootstrap(&self, level: f64) -> Bootstrap {
        let rules = &self.protocol.interval;
        let interval = BootstrapInterval::Bca;
        Bootstrap { resamples: rules.bootstrap_resamples, seed: rules.bootstrap_seed, level, interval }
    }

    pub(crate) fn binning(&self) -> hilum_stats::Binning {
        let rules = &self.protocol.calibration;
        match rules.binning {
            Binning::EqualWidth => hilum_stats::Binning::EqualWidth(rules.bins),
            Binning::EqualCount => hilum_stats::Binning::EqualCount(rules.bins),
        }
    }

    pub(crate) fn proportion_interval(&self) -> hilum_stats::ProportionInterval {
        match self.protocol.interval.proportion {
            ProportionInterval::Wilson => hilum_stats::ProportionInterval::Wilson,
            ProportionInterval::ClopperPearson => hilum_stats::ProportionInterval::ClopperPearson,
        }
    }

    /// The metric of one version. `rows` are eligible ones; those without a result count for completeness only.
    pub(crate) fn figure(&self, metric: Metric, method: Method, rows: &[&Row<'_>], side: Side, level: f64) -> Answer {
        if metric == Metric::Completeness {
            let given = rows.iter().map(|row| row.ran).collect::<Vec<_>>();
            return self.share("completeness", method, &given, self.patients(rows), level);
        }
        let ran: Vec<&Row<'_>> = rows.iter().filter(|row| row.ran).copied().collect();
        if metric.is_measure() {
            let value = |row: &Row<'_>| match side {
                Side::Challenger => row.measure(metric),
                Side::Champion => row.champion_measure(metric),
            };
            return self.mean(metric.name(), &ran, value, level);
        }
        let columns = self.columns(&ran, side);
        let n_cases = columns.labels.len() as u64;
        let Columns { labels, scores, .. } = &columns;
        let patients = columns.patients();
        let options = self.bootstrap(level);
        let estimate = match metric {
            Metric::Auroc if method == Method::Bootstrap => {
                resampled(options, |options| auroc_bootstrap(labels, scores, patients, options))
            }
            Metric::Auroc => auroc(labels, scores, patients, level, AurocInterval::Delong),
            Metric::Auprc => resampled(options, |options| auprc(labels, scores, patients, options)),
            Metric::Ece => debiased_ece(labels, scores, patients, self.binning(), &options),
            Metric::Brier if method != Method::Bootstrap => brier(labels, scores, patients, level),
            Metric::Brier => self.brier_bootstrap(&columns, &options),
            Metric::CalibrationSlope | Metric::CalibrationIntercept => self.logistic(metric, method, &columns, level),
            _ => return self.call_share(metric, method, &columns, side, level),
        }?;
        Ok(Figure::new(estimate, n_cases))
    }

    /// Challenger minus champion on the cases that both gave a result for.
    pub(crate) fn difference(&self, metric: Metric, method: Method, rows: &[&Row<'_>], level: f64) -> Answer {
        let rows: Vec<&Row<'_>> = rows.iter().filter(|row| row.paired()).copied().collect();
        if metric.is_measure() {
            let gap = |row: &Row<'_>| Some(row.measure(metric)? - row.champion_measure(metric)?);
            return self.mean(difference_name(metric), &rows, gap, level);
        }
        let (own, other) = (self.columns(&rows, Side::Challenger), self.columns(&rows, Side::Champion));
        let (labels, patients) = (&own.labels, own.patients());
        let n_cases = labels.len() as u64;
        let options = self.bootstrap(level);
        let estimate = match metric {
            Metric::Auroc if method == Method::Bootstrap && own.scores != other.scores => {
                resampled(options, |options| {
                    auroc_difference_bootstrap(labels, &own.scores, &other.scores, patients, options)
                })
            }
            Metric::Auroc => auroc_difference(labels, &own.scores, &other.scores, patients, level)
                .map(|compared| compared.difference),
            Metric::Sensitivity | Metric::Specificity => {
                return self.call_difference(metric, method, &own, &other, level);
            }
            Metric::Auprc if own.scores == other.scores => identical("auprc-difference", labels.len(), level),
            Metric::Auprc => {
                let gap = |cases: &[u32]| {
                    let labels = chosen(labels, cases);
                    let own = average_precision(&labels, &chosen(&own.scores, cases))?;
                    Ok(own - average_precision(&labels, &chosen(&other.scores, cases))?)
                };
                // BCa would sort all cases again for every patient left out.
                let percentile = Bootstrap { interval: BootstrapInterval::Percentile, ..options };
                bootstrap("auprc-difference", labels.len(), patients, &percentile, gap)
            }
            Metric::Brier => {
                // It refuses scores that are no probabilities.
                brier(labels, &own.scores, None, level).and(brier(labels, &other.scores, None, level))?;
                let loss = |side: &Columns, case: usize| (side.scores[case] - indicator(labels[case])).powi(2);
                let gaps: Vec<f64> = (0..labels.len()).map(|case| loss(&own, case) - loss(&other, case)).collect();
                return self.mean_of("brier-difference", &gaps, patients, level);
            }
            _ => Err(StatsError::Undefined { what: "difference", why: "this metric is not compared between versions" }),
        }?;
        Ok(Figure::new(estimate, n_cases))
    }

    /// Sensitivity, specificity or a predictive value.
    fn call_share(&self, metric: Metric, method: Method, columns: &Columns, side: Side, level: f64) -> Answer {
        let what = metric.name();
        let threshold =
            self.threshold(side).ok_or(StatsError::Undefined { what, why: "there is no operating point" })?;
        let mut right = Vec::new();
        let mut patients = Vec::new();
        for case in 0..columns.labels.len() {
            let (present, called) = (columns.labels[case], threshold <= columns.scores[case]);
            let counts = match metric {
                Metric::Sensitivity => present,
                Metric::Specificity => !present,
                Metric::Ppv => called,
                _ => !called,
            };
            if counts {
                right.push(present == called);
                patients.extend(columns.patients.as_ref().map(|patients| patients[case]));
            }
        }
        let patients = columns.patients.is_some().then_some(patients);
        self.share(what, method, &right, patients, level)
    }

    pub(crate) fn share(
        &self,
        what: &'static str,
        method: Method,
        right: &[bool],
        patients: Option<Vec<u64>>,
        level: f64,
    ) -> Answer {
        let n_cases = right.len() as u64;
        if n_cases == 0 {
            return Err(StatsError::TooFew { what, of: "cases it rests on", needed: 1, found: 0 });
        }
        if method == Method::Bootstrap {
            let values: Vec<f64> = right.iter().map(|&right| indicator(right)).collect();
            return self.mean_of(what, &values, patients.as_deref(), level);
        }
        let successes = right.iter().filter(|&&right| right).count() as u64;
        let estimate = match patients {
            Some(patients) if has_repeats(&patients) => proportion_clustered(right, &patients, level),
            _ => proportion(successes, n_cases, level, self.proportion_interval()),
        }?;
        let method = estimate.method.replacen("proportion/", &format!("{what}/"), 1).into();
        Ok(Figure::new(Estimate { method, ..estimate }, n_cases))
    }

    /// Difference of sensitivity or specificity, each version at its own threshold.
    fn call_difference(&self, metric: Metric, method: Method, own: &Columns, other: &Columns, level: f64) -> Answer {
        let what = difference_name(metric);
        let no_threshold = StatsError::Undefined { what, why: "one of the versions has no operating point" };
        let (Some(threshold), Some(champion)) = (self.threshold, self.champion_threshold) else {
            return Err(no_threshold);
        };
        let wanted = metric == Metric::Sensitivity;
        let (mut first, mut second, mut patients) = (Vec::new(), Vec::new(), Vec::new());
        for case in (0..own.labels.len()).filter(|&case| own.labels[case] == wanted) {
            first.push((threshold <= own.scores[case]) == wanted);
            second.push((champion <= other.scores[case]) == wanted);
            patients.extend(own.patients.as_ref().map(|patients| patients[case]));
        }
        let n_cases = first.len() as u64;
        let patients = own.patients.is_some().then_some(patients);
        let options = self.bootstrap(level);
        let estimate = share_difference(what, (&first, &second), patients.as_deref(), method, options)?;
        Ok(Figure::new(estimate, n_cases))
    }

    fn brier_bootstrap(&self, columns: &Columns, options: &Bootstrap) -> Result<Estimate, StatsError> {
        brier(&columns.labels, &columns.scores, None, options.level)?;
        let losses: Vec<f64> =
            columns.labels.iter().zip(&columns.scores).map(|(&y, &p)| (p - indicator(y)).powi(2)).collect();
        resampled(*options, |options| {
            bootstrap("brier", losses.len(), columns.patients(), options, |cases| Ok(mean(&losses, cases)))
        })
    }

    fn logistic(&self, metric: Metric, method: Method, columns: &Columns, level: f64) -> Result<Estimate, StatsError> {
        let slope = metric == Metric::CalibrationSlope;
        let pick = |fit: hilum_stats::CalibrationFit| if slope { fit.slope } else { fit.in_the_large };
        let (labels, scores) = (&columns.labels, &columns.scores);
        let closed = pick(calibration_fit(labels, scores, level)?);
        let clustered = columns.patients().is_some_and(has_repeats);
        if method != Method::Bootstrap && !clustered {
            return Ok(closed);
        }
        let what = if slope { "calibration-slope" } else { "calibration-in-the-large" };
        resampled(self.bootstrap(level), |options| {
            let refit =
                |cases: &[u32]| Ok(pick(calibration_fit(&chosen(labels, cases), &chosen(scores, cases), level)?).value);
            bootstrap(what, labels.len(), columns.patients(), options, refit)
        })
    }

    /// Mean of a value per case, of those that have one.
    fn mean(
        &self,
        what: &'static str,
        rows: &[&Row<'_>],
        value: impl Fn(&Row<'_>) -> Option<f64>,
        level: f64,
    ) -> Answer {
        let with: Vec<&Row<'_>> = rows.iter().filter(|row| value(row).is_some()).copied().collect();
        let values: Vec<f64> = with.iter().filter_map(|row| value(row)).collect();
        self.mean_of(what, &values, self.patients(&with).as_deref(), level)
    }

    fn mean_of(&self, what: &'static str, values: &[f64], patients: Option<&[u64]>, level: f64) -> Answer {
        if !values.is_empty() && values.iter().all(|&value| value == 0.0) && what.ends_with("-difference") {
            return Ok(Figure::new(identical(what, values.len(), level)?, values.len() as u64));
        }
        let estimate = resampled(self.bootstrap(level), |options| {
            bootstrap(what, values.len(), patients, options, |cases| Ok(mean(values, cases)))
        })?;
        Ok(Figure::new(estimate, values.len() as u64))
    }
}

/// The share of `first` less that of `second` on the same cases: Tango's interval where cases are independent, else patients
/// are drawn.
pub(crate) fn share_difference(
    what: &'static str,
    (first, second): (&[bool], &[bool]),
    patients: Option<&[u64]>,
    method: Method,
    options: Bootstrap,
) -> Result<Estimate, StatsError> {
    let tango = |table: PairedTable| Ok(named(what, table.tango(options.level)?));
    if method != Method::Bootstrap && !patients.is_some_and(has_repeats) {
        return tango(PairedTable::of(first, second)?);
    }
    if first == second {
        // Without any discordant pair resampling shows none; Tango's interval still knows how few patients there are.
        let both = patients.map_or(first.len() as u64, distinct);
        return tango(PairedTable { both, ..PairedTable::default() });
    }
    let gaps: Vec<f64> = first.iter().zip(second).map(|(&a, &b)| indicator(a) - indicator(b)).collect();
    resampled(options, |options| bootstrap(what, gaps.len(), patients, options, |cases| Ok(mean(&gaps, cases))))
}

/// Two versions that said exactly the same differ by exactly nothing.
fn identical(what: &'static str, n: usize, level: f64) -> Result<Estimate, StatsError> {
    if n == 0 {
        return Err(StatsError::TooFew { what, of: "pairs", needed: 1, found: 0 });
    }
    let method = format!("{what}/identical").into();
    Ok(Estimate { value: 0.0, lower: 0.0, upper: 0.0, level, n: n as u64, method })
}

/// BCa where it has an answer, the percentile interval where it has none.
fn resampled(
    options: Bootstrap,
    figure: impl Fn(&Bootstrap) -> Result<Estimate, StatsError>,
) -> Result<Estimate, StatsError> {
    figure(&options).or_else(|why| {
        let percentile = Bootstrap { interval: BootstrapInterval::Percentile, ..options };
        if matches!(why, StatsError::Undefined { .. }) { figure(&percentile) } else { Err(why) }
    })
}

pub(crate) fn difference_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Sensitivity => "sensitivity-difference",
        Metric::Specificity => "specificity-difference",
        Metric::Dice => "dice-difference",
        Metric::Hd95Mm => "hd95_mm-difference",
        Metric::Nsd => "nsd-difference",
        Metric::AssdMm => "assd_mm-difference",
        _ => "paired-difference",
    }
}

fn named(what: &str, estimate: Estimate) -> Estimate {
    let method = estimate.method.replacen("paired-difference/", &format!("{what}/"), 1).into();
    Estimate { method, ..estimate }
}

fn has_repeats(patients: &[u64]) -> bool {
    distinct(patients) < patients.len() as u64
}

fn distinct(patients: &[u64]) -> u64 {
    patients.iter().collect::<std::collections::BTreeSet<_>>().len() as u64
}

fn chosen<T: Copy>(values: &[T], cases: &[u32]) -> Vec<T> {
    cases.iter().map(|&case| values[case as usize]).collect()
}

fn mean(values: &[f64], cases: &[u32]) -> f64 {
    cases.iter().map(|&case| values[case as usize]).sum::<f64>() / cases.len() as f64
}

pub(crate) fn indicator(right: bool) -> f64 {
    f64::from(u8::from(right))
}
