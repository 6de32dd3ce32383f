use crate::figures::{Settings, Side};
use crate::judge::shown;
use crate::prepared::{Prepared, Row};
use crate::protocol::{Method, Metric};
use crate::report::MeasureSummary;
use hilum_stats::drift::SortedSample;

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
        let values: Vec<f64> = ran.iter().filter_map(|row| row.measure(metric)).collect();
        let n_values = values.len();
        // Without any there is nothing to sum up; that they are finite was checked with the cases.
        let Ok(values) = SortedSample::new(values) else { continue };
        summaries.push(MeasureSummary {
            metric,
            mean: shown(settings.figure(metric, Method::Auto, &ran, Side::Challenger, level)),
            five_numbers: [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| values.quantile(share)),
            without_value: (ran.len() - n_values) as u64,
        });
    }
    summaries
}
