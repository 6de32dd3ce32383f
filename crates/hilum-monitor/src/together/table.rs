use hilum_stats::StatsError;
use hilum_stats::drift::{Moments, SortedSample};
use std::collections::{BTreeMap, BTreeSet};

/// Names that are compared at most, the first in the order of the alphabet: a classifier is learned for every dealing.
pub const NAMES_MAX: usize = 128;

/// A number counts as this many spreads from the middle at most, so that a corrupt one is one odd study and not the
/// whole distance.
const SPREADS_MAX: f64 = 8.0;

/// Quartiles of a normal number are this many standard deviations apart.
const NORMAL_QUARTILES: f64 = 1.348_979_5;

/// What is larger has no square that adds up.
const SIZE_MAX: f64 = 1e100;

/// A number that was not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: WhyLeftOut,
}

/// Why a number was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyLeftOut {
    /// It began or ended: that is a change of what is measured, not of studies.
    OneSide,
    /// Most studies lack it.
    Rare,
    /// It says nothing.
    Same,
    /// There are more than [`NAMES_MAX`].
    Beyond,
}

impl WhyLeftOut {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            WhyLeftOut::OneSide => "measured on one side only",
            WhyLeftOut::Rare => "missing in more than half of the studies",
            WhyLeftOut::Same => "the same in every study",
            WhyLeftOut::Beyond => "beyond the 128 names that are compared",
        }
    }
}

/// What is compared: columns over all studies, the reference first. It depends on which side a study is on in one thing
/// only: what one side lacks altogether is left out.
pub(super) struct Table {
    pub(super) names: Vec<String>,
    pub(super) incomplete: Vec<String>,
    pub(super) left_out: Vec<LeftOut>,
    columns: Vec<Vec<f64>>,
}

impl Table {
    pub(super) fn of(reference: &[BTreeMap<String, f64>], current: &[BTreeMap<String, f64>]) -> Table {
        let mut table = Table { names: vec![], incomplete: vec![], left_out: vec![], columns: vec![] };
        // Numbers that are lacking together lack once.
        let mut known_lacks: BTreeSet<Vec<bool>> = BTreeSet::new();
        let names: BTreeSet<&String> = reference.iter().chain(current).flat_map(BTreeMap::keys).collect();
        for name in names {
            let values: Vec<Option<f64>> =
                reference.iter().chain(current).map(|numbers| numbers.get(name).copied()).collect();
            match table.column(&values, reference.len()) {
                Ok(column) => table.columns.push(column),
                Err(why) => {
                    table.left_out.push(LeftOut { name: name.clone(), why });
                    continue;
                }
            }
            table.names.push(name.clone());
            let lacks: Vec<bool> = values.iter().map(Option::is_none).collect();
            if !lacks.contains(&true) {
                continue;
            }
            table.incomplete.push(name.clone());
            if !known_lacks.contains(&lacks) {
                let flags: Vec<Option<f64>> = lacks.iter().map(|lacks| Some(f64::from(u8::from(*lacks)))).collect();
                table.columns.extend(standardised(&flags));
                known_lacks.insert(lacks);
            }
        }
        table
    }

    fn column(&self, values: &[Option<f64>], n_reference: usize) -> Result<Vec<f64>, WhyLeftOut> {
        let n_with = |values: &[Option<f64>]| values.iter().flatten().count();
        let (before, now) = (n_with(&values[..n_reference]), n_with(&values[n_reference..]));
        if before == 0 || now == 0 {
            Err(WhyLeftOut::OneSide)
        } else if 2 * (before + now) < values.len() {
            Err(WhyLeftOut::Rare)
        } else if self.names.len() == NAMES_MAX {
            Err(WhyLeftOut::Beyond)
        } else {
            standardised(values).ok_or(WhyLeftOut::Same)
        }
    }

    pub(super) fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// Study after study.
    pub(super) fn rows(&self) -> Vec<f64> {
        let n_studies = self.columns.first().map_or(0, Vec::len);
        (0..n_studies).flat_map(|study| self.columns.iter().map(move |column| column[study])).collect()
    }

    /// Over all pairs of studies; above 0, because columns that do not vary are left out.
    pub(super) fn mean_squared_distance(&self) -> Result<f64, StatsError> {
        let mut sum = 0.0;
        for column in &self.columns {
            sum += 2.0 * Moments::of(column)?.variance().unwrap_or(0.0);
        }
        Ok(sum)
    }
}

/// In spreads from the middle: median, and the distance of the quartiles, or where these are equal the standard
/// deviation. What is lacking is in the middle. `None` where nothing varies.
fn standardised(values: &[Option<f64>]) -> Option<Vec<f64>> {
    let drawn_in = |value: f64| value.clamp(-SIZE_MAX, SIZE_MAX);
    let present: Vec<f64> = values.iter().flatten().copied().map(drawn_in).collect();
    let deviation = Moments::of(&present).ok()?.variance().unwrap_or(0.0).sqrt();
    let sorted = SortedSample::new(present).ok()?;
    let middle = sorted.quantile(0.5);
    let quartiles = (sorted.quantile(0.75) - sorted.quantile(0.25)) / NORMAL_QUARTILES;
    let spread = if 0.0 < quartiles { quartiles } else { deviation };
    let spreads = |value: f64| ((drawn_in(value) - middle) / spread).clamp(-SPREADS_MAX, SPREADS_MAX);
    (0.0 < spread).then(|| values.iter().map(|value| value.map_or(0.0, spreads)).collect())
}
