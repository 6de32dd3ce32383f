use crate::figures::{Settings, Side};
use crate::judge::shown;
use crate::prepared::{Prepared, Row};
use crate::protocol::{Method, Metric};
use crate::report::MeasureSummary;

/// Measures that the protocol asks for or any case has.
pub(crate) fn measures_in_use(prepared: &Prepared<'_>) -> Vec<Metric> {
    let protocol = prepared.protocol;
    let asked = |metric: Metric| {
        protocol.criteria.iter().any(|criterion| criterion.metric == metric)
            || protocol.subgroups.iter().any(|subgroup| subgroup.metric == metric)
    };
    [Metric::Dice, Metric::Nsd, Metric::Hd95Mm, Metric::AssdMm]
        .into_iter()
        .filter(|&metric| asked(metric) || prepared.rows.iter().any(|row| row.measure(metric).is_some()))
        .collect()
}

/// Distribution of each measure.
pub(crate) fn measures(prepared: &Prepared<'_>, settings: &Settings<'_>) -> Vec<MeasureSummary> {
    let ran: Vec<&Row<'_>> = prepared.rows.iter().filter(|row| row.ran).collect();
    let level = settings.protocol.interval.level;
    let mut summaries = Vec::new();
    for metric in measures_in_use(prepared) {
        let mut values: Vec<f64> = ran.iter().filter_map(|row| row.measure(metric)).collect();
        if values.is_empty() {
            continue;
        }
        values.sort_by(f64::total_cmp);
        summaries.push(MeasureSummary {
            metric,
            mean: shown(settings.figure(metric, Method::Auto, &ran, Side::Challenger, level)),
            five_numbers: [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| quantile(&values, share)),
            without_value: (ran.len() - values.len()) as u64,
        });
    }
    summaries
}

/// Linear between order statistics (Hyndman & Fan type 7, as numpy).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (place - place.floor()) * (sorted[high] - sorted[low])
}
