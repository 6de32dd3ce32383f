//! Bootstrap of figures that depend on scores only through their order: cases are counted into cells of equal score and
//! label, so that a resample costs one pass and no sort. The resamples are exactly those of the plain bootstrap.

use super::draws::Draws;
use super::interval::{Bootstrap, Members};
use crate::error::StatsError;
use crate::estimate::Estimate;
use crate::ranks::{Tally, distinct_ranks};
use rayon::prelude::*;

/// The cell of each case: twice its rank among the distinct scores, plus one for a positive.
pub(crate) struct Cells {
    of_case: Vec<u32>,
    n_distinct: usize,
}

impl Cells {
    /// Expects checked input: slices of one length, finite scores.
    pub(crate) fn new(labels: &[bool], scores: &[f64]) -> Cells {
        let ranks = distinct_ranks(scores);
        let of_case = ranks.of_case.iter().zip(labels).map(|(&rank, &label)| 2 * rank + u32::from(label)).collect();
        Cells { of_case, n_distinct: ranks.n_distinct }
    }

    fn empty(&self) -> Vec<Tally> {
        vec![[0, 0]; self.n_distinct]
    }

    fn count(&self, into: &mut [Tally], cases: impl Iterator<Item = u32>) {
        let flat = into.as_flattened_mut();
        for case in cases {
            flat[self.of_case[case as usize] as usize] += 1;
        }
    }
}

/// Bootstrap of a figure of one or several scores of the same cases; `statistic` gets one slice of tallies (lowest score
/// first) per score.
pub(crate) fn counted_bootstrap<const SCORES: usize>(
    figure: &'static str,
    cells: [&Cells; SCORES],
    patients: Option<&[u64]>,
    options: &Bootstrap,
    statistic: impl Fn([&[Tally]; SCORES]) -> Option<f64> + Sync,
) -> Result<Estimate, StatsError> {
    let members = Members::new(cells[0].of_case.len(), patients);
    options.check(figure, members.n())?;
    let total: [Vec<Tally>; SCORES] = cells.map(|cells| {
        let mut tallies = cells.empty();
        cells.count(&mut tallies, 0..cells.of_case.len() as u32);
        tallies
    });
    let value = statistic(total.each_ref().map(Vec::as_slice))
        .ok_or(StatsError::Undefined { what: figure, why: "a class is empty" })?;
    let resamples = resample(&cells, &members, options, &statistic);
    let left_out = |group: usize, n_groups: usize| {
        let mut tallies = total.clone();
        for patient in (group..members.n()).step_by(n_groups) {
            for (cells, tallies) in cells.iter().zip(&mut tallies) {
                let flat = tallies.as_flattened_mut();
                for &case in members.of(patient) {
                    flat[cells.of_case[case as usize] as usize] -= 1;
                }
            }
        }
        statistic(tallies.each_ref().map(Vec::as_slice))
    };
    options.estimate(figure, value, members.n(), resamples, left_out)
}

/// What `compute` makes of each resample of one score, in the order of resamples.
pub(crate) fn resampled_tallies<T: Send>(
    figure: &'static str,
    cells: &Cells,
    patients: Option<&[u64]>,
    options: &Bootstrap,
    compute: impl Fn(&[Tally]) -> T + Sync,
) -> Result<Vec<T>, StatsError> {
    let members = Members::new(cells.of_case.len(), patients);
    options.check(figure, members.n())?;
    Ok(resample(&[cells], &members, options, &|[tallies]: [&[Tally]; 1]| compute(tallies)))
}

fn resample<const SCORES: usize, T: Send>(
    cells: &[&Cells; SCORES],
    members: &Members,
    options: &Bootstrap,
    compute: &(impl Fn([&[Tally]; SCORES]) -> T + Sync),
) -> Vec<T> {
    let n = members.n() as u32;
    let one = |tallies: &mut [Vec<Tally>; SCORES], resample: u32| {
        tallies.iter_mut().for_each(|tallies| tallies.fill([0, 0]));
        let mut draws = Draws::new(options.seed, resample);
        if SCORES == 1 && members.single() {
            cells[0].count(&mut tallies[0], (0..n).map(|_| draws.below(n)));
        } else {
            for _ in 0..n {
                let drawn = members.of(draws.below(n) as usize);
                for (cells, tallies) in cells.iter().zip(tallies.iter_mut()) {
                    cells.count(tallies, drawn.iter().copied());
                }
            }
        }
        compute(tallies.each_ref().map(Vec::as_slice))
    };
    (0..options.resamples).into_par_iter().map_init(|| cells.map(Cells::empty), one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::{auroc_of, average_precision_of};
    use crate::{BootstrapInterval, auroc_value, average_precision, bootstrap};

    fn cases() -> (Vec<bool>, Vec<f64>, Vec<u64>) {
        let mut draws = Draws::new(11, 0);
        let labels: Vec<bool> = (0..120).map(|_| draws.below(3) == 0).collect();
        let scores = labels.iter().map(|&l| f64::from(draws.below(30) + if l { 8 } else { 0 }) / 40.0).collect();
        let patients = (0..120).map(|_| u64::from(draws.below(70))).collect();
        (labels, scores, patients)
    }

    fn taken<T: Copy>(from: &[T], cases: &[u32]) -> Vec<T> {
        cases.iter().map(|&case| from[case as usize]).collect()
    }

    /// The fast way must not merely resemble the plain one: it draws the same cases and gives the same bits.
    #[test]
    fn counting_gives_the_intervals_of_the_plain_bootstrap() {
        let (labels, scores, patients) = cases();
        let cells = Cells::new(&labels, &scores);
        for patients in [None, Some(patients.as_slice())] {
            for interval in [BootstrapInterval::Bca, BootstrapInterval::Percentile, BootstrapInterval::Normal] {
                let options = Bootstrap { resamples: 300, seed: 5, level: 0.9, interval };
                let fast = counted_bootstrap("f", [&cells], patients, &options, |[t]| auroc_of(t)).unwrap();
                let slow = bootstrap("f", labels.len(), patients, &options, |cases| {
                    auroc_value(&taken(&labels, cases), &taken(&scores, cases))
                });
                assert_eq!(fast, slow.unwrap());
                let fast = counted_bootstrap("f", [&cells], patients, &options, |[t]| average_precision_of(t));
                let slow = bootstrap("f", labels.len(), patients, &options, |cases| {
                    average_precision(&taken(&labels, cases), &taken(&scores, cases))
                });
                assert_eq!(fast, slow);
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_matter() {
        let (labels, scores, _) = cases();
        let cells = Cells::new(&labels, &scores);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| counted_bootstrap("f", [&cells], None, &Bootstrap::default(), |[t]| auroc_of(t)))
        };
        assert_eq!(run(1), run(5));
    }
}
