use crate::figures::{Columns, Settings, Side};
use crate::judge::shown;
use crate::prepared::{Prepared, Row};
use crate::protocol::{Method, Metric, OperatingPoint};
use crate::report::{
    BrierParts, Calibration, CalibrationBin, Classification, Curve, CurveAt, DecisionCurve, Figure, NetBenefitAt,
    OperatingPointResult, Shown, WorstCase,
};
use hilum_stats::{
    Bootstrap, BootstrapInterval, ConfusionTable, CurvePoint, Estimate, StatsError, bootstrap, brier_parts,
    decision_curve, pr_curve, reliability, roc_curve, spiegelhalter,
};
use std::collections::BTreeSet;

/// Thresholds of the decision curve: 0.01, 0.02, ... 0.99.
const DECISION_STEPS: u32 = 100;

/// Everything about a model that scores cases; `None` when the protocol asks about segmentation only.
pub(crate) fn classification(prepared: &Prepared<'_>, settings: &Settings<'_>) -> Option<Classification> {
    if !prepared.classifies {
        return None;
    }
    let level = settings.protocol.interval.level;
    let rows: Vec<&Row<'_>> = prepared.rows.iter().collect();
    let ran: Vec<&Row<'_>> = rows.iter().filter(|row| row.ran).copied().collect();
    let columns = settings.columns(&ran, Side::Challenger);
    let figure = |metric| shown(settings.figure(metric, Method::Auto, &rows, Side::Challenger, level));
    let prevalence = settings.share("prevalence", Method::Auto, &columns.labels, columns.patients.clone(), level);
    Some(Classification {
        prevalence: shown(prevalence),
        auroc: figure(Metric::Auroc),
        auprc: figure(Metric::Auprc),
        roc: curve("roc/bootstrap-percentile", &columns, settings, roc_curve),
        precision_recall: curve("precision-recall/bootstrap-percentile", &columns, settings, pr_curve),
        operating_point: operating_point(&rows, &columns, settings),
        calibration: shown_or(calibration(&rows, &columns, settings)),
        decision_curve: shown_or(net_benefit(&columns, level)),
        concordance: concordance(prepared, settings),
    })
}

pub(super) fn shown_or<T>(answer: Result<T, StatsError>) -> Shown<T> {
    match answer {
        Ok(figure) => Shown::Figure(figure),
        Err(why) => Shown::Missing(why.to_string()),
    }
}

type CurveOf = fn(&[bool], &[f64], Option<&[u64]>, &Bootstrap) -> Result<Vec<CurvePoint>, StatsError>;

fn curve(method: &str, columns: &Columns, settings: &Settings<'_>, compute: CurveOf) -> Shown<Curve> {
    let level = settings.protocol.interval.level;
    let n_cases = columns.labels.len();
    let n = columns.patients().map_or(n_cases, |patients| patients.iter().collect::<BTreeSet<_>>().len()) as u64;
    let points = compute(&columns.labels, &columns.scores, columns.patients(), &settings.bootstrap(level));
    let at = |CurvePoint { x, y, lower, upper }| CurveAt { x, y, lower, upper };
    shown_or(points.map(|points| Curve {
        points: points.into_iter().map(at).collect(),
        level,
        n,
        method: method.to_owned(),
    }))
}

fn operating_point(rows: &[&Row<'_>], columns: &Columns, settings: &Settings<'_>) -> Shown<OperatingPointResult> {
    let Some(threshold) = settings.threshold else {
        return Shown::Missing("there is no threshold: neither package, deployment nor protocol states one".to_owned());
    };
    let level = settings.protocol.interval.level;
    let table = match ConfusionTable::at_threshold(&columns.labels, &columns.scores, threshold) {
        Ok(table) => table,
        Err(why) => return Shown::Missing(why.to_string()),
    };
    let figure = |metric| shown(settings.figure(metric, Method::Auto, rows, Side::Challenger, level));
    let source = match settings.protocol.operating_point {
        OperatingPoint::Package => "package",
        OperatingPoint::Deployment => "deployment",
        OperatingPoint::Stated { .. } => "stated",
    };
    Shown::Figure(OperatingPointResult {
        threshold,
        source: source.to_owned(),
        true_positives: table.true_positives,
        false_positives: table.false_positives,
        false_negatives: table.false_negatives,
        true_negatives: table.true_negatives,
        sensitivity: figure(Metric::Sensitivity),
        specificity: figure(Metric::Specificity),
        ppv: figure(Metric::Ppv),
        npv: figure(Metric::Npv),
        positive_likelihood_ratio: likelihood_ratio(&table, columns, settings, true),
        negative_likelihood_ratio: likelihood_ratio(&table, columns, settings, false),
        worst_case: worst_case(rows, settings),
    })
}

/// The log interval holds independent cases; with several cases of a patient the ratio is resampled.
fn likelihood_ratio(
    table: &ConfusionTable,
    columns: &Columns,
    settings: &Settings<'_>,
    positive: bool,
) -> Shown<Figure> {
    let level = settings.protocol.interval.level;
    let closed = |table: &ConfusionTable| {
        if positive { table.positive_likelihood_ratio(level) } else { table.negative_likelihood_ratio(level) }
    };
    let n_cases = table.n();
    let repeated = |patients: &[u64]| patients.iter().collect::<BTreeSet<_>>().len() < patients.len();
    let estimate = closed(table).and_then(|estimate| match (columns.patients(), settings.threshold) {
        (Some(patients), Some(threshold)) if repeated(patients) => {
            let what = if positive { "positive-likelihood-ratio" } else { "negative-likelihood-ratio" };
            let interval = BootstrapInterval::Percentile;
            let options = Bootstrap { interval, ..settings.bootstrap(level) };
            bootstrap(what, columns.labels.len(), Some(patients), &options, |cases| {
                let labels: Vec<bool> = cases.iter().map(|&case| columns.labels[case as usize]).collect();
                let scores: Vec<f64> = cases.iter().map(|&case| columns.scores[case as usize]).collect();
                closed(&ConfusionTable::at_threshold(&labels, &scores, threshold)?).map(|ratio| ratio.value)
            })
        }
        _ => Ok(estimate),
    });
    shown(estimate.map(|estimate| Figure::new(estimate, n_cases)))
}

/// Every eligible case without a result called wrongly.
fn worst_case(rows: &[&Row<'_>], settings: &Settings<'_>) -> Option<WorstCase> {
    if rows.iter().all(|row| row.ran) {
        return None;
    }
    let threshold = settings.threshold?;
    let share = |wanted: bool, what: &'static str| {
        let of_class: Vec<&Row<'_>> = rows.iter().filter(|row| row.present == Some(wanted)).copied().collect();
        let right: Vec<bool> =
            of_class.iter().map(|row| row.score.is_some_and(|score| (threshold <= score) == wanted)).collect();
        let level = settings.protocol.interval.level;
        shown(settings.share(what, Method::Auto, &right, settings.patients(&of_class), level))
    };
    Some(WorstCase { sensitivity: share(true, "sensitivity"), specificity: share(false, "specificity") })
}

fn calibration(rows: &[&Row<'_>], columns: &Columns, settings: &Settings<'_>) -> Result<Calibration, StatsError> {
    let level = settings.protocol.interval.level;
    let Columns { labels, scores, .. } = columns;
    let bins = reliability(labels, scores, settings.binning(), level)?;
    let parts = brier_parts(labels, scores, settings.binning())?;
    let figure = |metric| shown(settings.figure(metric, Method::Auto, rows, Side::Challenger, level));
    let bin = |bin: hilum_stats::ReliabilityBin| {
        let n = bin.observed.n;
        let method = "reliability/wilson".into();
        let observed = Figure::new(Estimate { method, ..bin.observed }, n);
        CalibrationBin { from: bin.from, to: bin.to, mean_predicted: bin.mean_predicted, observed }
    };
    Ok(Calibration {
        binning: settings.protocol.calibration.binning,
        bins: bins.into_iter().map(bin).collect(),
        slope: figure(Metric::CalibrationSlope),
        intercept: figure(Metric::CalibrationIntercept),
        ece: figure(Metric::Ece),
        brier: figure(Metric::Brier),
        brier_parts: BrierParts {
            reliability: parts.reliability,
            resolution: parts.resolution,
            uncertainty: parts.uncertainty,
            within_bins: parts.within_bins,
        },
        spiegelhalter: shown_or(spiegelhalter(labels, scores).map(Into::into)),
    })
}

fn net_benefit(columns: &Columns, level: f64) -> Result<DecisionCurve, StatsError> {
    let thresholds: Vec<f64> = (1..DECISION_STEPS).map(|step| f64::from(step) / f64::from(DECISION_STEPS)).collect();
    let points = decision_curve(&columns.labels, &columns.scores, &thresholds, columns.patients(), level)?;
    let n_cases = columns.labels.len() as u64;
    let at = |point: hilum_stats::NetBenefit| NetBenefitAt {
        threshold: point.threshold,
        model: Figure::new(point.model, n_cases),
        treat_all: point.treat_all,
    };
    Ok(DecisionCurve { points: points.into_iter().map(at).collect() })
}

/// Agreement with labels that are no independent truth (MV-25).
fn concordance(prepared: &Prepared<'_>, settings: &Settings<'_>) -> Option<Shown<Figure>> {
    let threshold = settings.threshold?;
    let scored: Vec<&Row<'_>> = prepared.exposed.iter().filter(|row| row.score.is_some()).collect();
    if scored.is_empty() {
        return None;
    }
    let agree: Vec<bool> =
        scored.iter().map(|row| row.score.is_some_and(|score| Some(threshold <= score) == row.present)).collect();
    let level = settings.protocol.interval.level;
    Some(shown(settings.share("concordance", Method::Auto, &agree, settings.patients(&scored), level)))
}
