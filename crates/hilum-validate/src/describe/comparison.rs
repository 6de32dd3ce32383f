use super::classification::shown_or;
use super::measures::measures_in_use;
use crate::figures::{Settings, Side};
use crate::judge::shown;
use crate::prepared::{Prepared, Row};
use crate::protocol::{Method, Metric};
use crate::report::{Agreement, Comparison, Difference, Flip};
use hilum_stats::{PairedTable, mcnemar_exact};

/// Both versions on the cases that both gave a result for.
pub(crate) fn comparison(prepared: &Prepared<'_>, settings: &Settings<'_>) -> Comparison {
    let rows: Vec<&Row<'_>> = prepared.rows.iter().filter(|row| row.paired()).collect();
    let mut metrics = Vec::new();
    if prepared.classifies {
        metrics.extend([Metric::Auroc, Metric::Auprc, Metric::Sensitivity, Metric::Specificity, Metric::Brier]);
    }
    metrics.extend(measures_in_use(prepared));
    let level = settings.protocol.interval.level;
    let own = |metric, side| shown(settings.figure(metric, Method::Auto, &rows, side, level));
    let difference = |metric| Difference {
        metric,
        challenger: own(metric, Side::Challenger),
        champion: own(metric, Side::Champion),
        difference: shown(settings.difference(metric, Method::Auto, &rows, level)),
    };
    let mut comparison = Comparison {
        n_cases: rows.len() as u64,
        differences: metrics.into_iter().map(difference).collect(),
        agreement: None,
        negative_flips: Vec::new(),
        n_positive_flips: 0,
    };
    let thresholds = settings.threshold.zip(settings.champion_threshold);
    if let Some(thresholds) = thresholds.filter(|_| prepared.classifies) {
        let calls: Vec<Call<'_, '_>> = rows.iter().filter_map(|row| Call::of(row, thresholds)).collect();
        comparison.agreement = Some(agreement(&calls, thresholds.1, settings));
        comparison.negative_flips =
            calls.iter().filter(|call| call.was_right() && !call.is_right()).map(Call::flip).collect();
        comparison.n_positive_flips = calls.iter().filter(|call| !call.was_right() && call.is_right()).count() as u64;
    }
    comparison
}

/// What both versions call a case.
struct Call<'p, 'a> {
    row: &'p Row<'a>,
    present: bool,
    score: f64,
    champion_score: f64,
    challenger: bool,
    champion: bool,
}

impl<'p, 'a> Call<'p, 'a> {
    fn of(row: &'p Row<'a>, (threshold, champion_threshold): (f64, f64)) -> Option<Call<'p, 'a>> {
        let (present, score, champion_score) = (row.present?, row.score?, row.champion_score?);
        let (challenger, champion) = (threshold <= score, champion_threshold <= champion_score);
        Some(Call { row, present, score, champion_score, challenger, champion })
    }

    fn is_right(&self) -> bool {
        self.challenger == self.present
    }

    fn was_right(&self) -> bool {
        self.champion == self.present
    }

    fn flip(&self) -> Flip {
        Flip {
            case: self.row.case.id.clone(),
            label: self.row.case.label.clone().unwrap_or_default(),
            present: self.present,
            score: self.score,
            champion_score: self.champion_score,
        }
    }
}

fn agreement(calls: &[Call<'_, '_>], champion_threshold: f64, settings: &Settings<'_>) -> Agreement {
    let count = |challenger: bool, champion: bool| {
        calls.iter().filter(|call| call.challenger == challenger && call.champion == champion).count() as u64
    };
    let agree: Vec<bool> = calls.iter().map(|call| call.challenger == call.champion).collect();
    let rows: Vec<&Row<'_>> = calls.iter().map(|call| call.row).collect();
    let level = settings.protocol.interval.level;
    let mcnemar = |present: bool| {
        let of_class = || calls.iter().filter(|call| call.present == present);
        let challenger: Vec<bool> = of_class().map(Call::is_right).collect();
        let champion: Vec<bool> = of_class().map(Call::was_right).collect();
        shown_or(PairedTable::of(&challenger, &champion).and_then(|table| mcnemar_exact(&table)).map(Into::into))
    };
    Agreement {
        champion_threshold,
        both_present: count(true, true),
        challenger_only: count(true, false),
        champion_only: count(false, true),
        neither: count(false, false),
        agreement: shown(settings.share("agreement", Method::Auto, &agree, settings.patients(&rows), level)),
        mcnemar_positives: mcnemar(true),
        mcnemar_negatives: mcnemar(false),
    }
}
