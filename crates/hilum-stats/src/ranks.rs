//! Order of scores, with ties: the one sort that AUC, DeLong, average precision and the curves share.

/// For each case the number of distinct smaller scores.
pub(crate) struct Ranks {
    /// Rank of each case, in the order of the cases; equal scores share one.
    pub(crate) of_case: Vec<u32>,
    /// Number of distinct scores.
    pub(crate) n_distinct: usize,
}

/// Negatives and positives at one distinct score.
pub(crate) type Tally = [u32; 2];

/// Ranks finite scores: O(n) for scores that spread over their range, O(n log n) always.
///
/// Scores are first dealt into as many equal-width buckets as there are pairs of cases. The bucket number never falls
/// while the score rises (IEEE subtraction and multiplication keep order), so only the few scores within a bucket remain
/// to be sorted.
pub(crate) fn distinct_ranks(scores: &[f64]) -> Ranks {
    let n = scores.len();
    let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let n_buckets = (n / 2).clamp(1, 1 << 20);
    let scale = (n_buckets - 1) as f64 / (high - low);
    let bucket_of = |score: f64| (((score - low) * scale) as usize).min(n_buckets - 1);

    let mut ends = vec![0_u32; n_buckets + 1];
    for &score in scores {
        ends[bucket_of(score) + 1] += 1;
    }
    for bucket in 0..n_buckets {
        ends[bucket + 1] += ends[bucket];
    }
    let mut dealt = vec![(0.0_f64, 0_u32); n];
    for (case, &score) in (0_u32..).zip(scores) {
        // `ends[b]` starts as the beginning of bucket b and has become its end once all are dealt.
        let place = &mut ends[bucket_of(score)];
        dealt[*place as usize] = (score, case);
        *place += 1;
    }
    let mut begin = 0;
    for &end in &ends[..n_buckets] {
        let bucket = &mut dealt[begin..end as usize];
        if !bucket.is_sorted_by(|a, b| a.0 <= b.0) {
            bucket.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        }
        begin = end as usize;
    }
    number_distinct(&dealt)
}

fn number_distinct(sorted: &[(f64, u32)]) -> Ranks {
    let mut of_case = vec![0; sorted.len()];
    let Some(&(mut last, _)) = sorted.first() else { return Ranks { of_case, n_distinct: 0 } };
    let mut rank = 0;
    for &(score, case) in sorted {
        // `!=` and not the bits: 0.0 and -0.0 are one score.
        rank += u32::from(score != last);
        last = score;
        of_case[case as usize] = rank;
    }
    Ranks { of_case, n_distinct: rank as usize + 1 }
}

impl Ranks {
    /// Positives and negatives at every distinct score, lowest score first.
    pub(crate) fn tally(&self, labels: &[bool]) -> Vec<Tally> {
        let mut tallies = vec![[0, 0]; self.n_distinct];
        for (&rank, &label) in self.of_case.iter().zip(labels) {
            tallies[rank as usize][usize::from(label)] += 1;
        }
        tallies
    }
}

/// Area under the ROC curve from tallies, lowest score first: the Mann-Whitney statistic in whole numbers, divided once.
/// `None` when a class is empty.
pub(crate) fn auroc_of(tallies: &[Tally]) -> Option<f64> {
    let (mut below, mut n_positive, mut twice_u) = (0_u64, 0_u64, 0_u64);
    for &[negatives, positives] in tallies {
        let (negatives, positives) = (u64::from(negatives), u64::from(positives));
        twice_u += positives * (2 * below + negatives);
        below += negatives;
        n_positive += positives;
    }
    (0 < n_positive && 0 < below).then(|| twice_u as f64 / 2.0 / (n_positive as f64 * below as f64))
}

/// Average precision from tallies, lowest score first: sum over distinct thresholds, highest first, of the gain in recall
/// times the precision there. `None` without positives.
pub(crate) fn average_precision_of(tallies: &[Tally]) -> Option<f64> {
    let (mut true_positives, mut selected, mut sum) = (0_u64, 0_u64, 0.0);
    for &[negatives, positives] in tallies.iter().rev() {
        let positives = u64::from(positives);
        true_positives += positives;
        selected += positives + u64::from(negatives);
        if 0 < positives {
            sum += positives as f64 * (true_positives as f64 / selected as f64);
        }
    }
    (0 < true_positives).then(|| (sum / true_positives as f64).min(1.0))
}

/// Patients as numbers from 0 in order of first appearance; without patients, every case is its own.
pub(crate) struct Clusters {
    pub(crate) of_case: Vec<u32>,
    pub(crate) n: usize,
}

pub(crate) fn clusters(n_cases: usize, patients: Option<&[u64]>) -> Clusters {
    let Some(patients) = patients else { return Clusters { of_case: (0..n_cases as u32).collect(), n: n_cases } };
    let mut numbers = std::collections::HashMap::with_capacity(n_cases);
    let of_case = patients.iter().map(|patient| {
        let next = numbers.len() as u32;
        *numbers.entry(*patient).or_insert(next)
    });
    let of_case = of_case.collect();
    Clusters { of_case, n: numbers.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(scores: &[f64]) -> Vec<u32> {
        let mut distinct = scores.to_vec();
        distinct.sort_by(|a, b| a.partial_cmp(b).unwrap());
        distinct.dedup();
        scores.iter().map(|s| distinct.iter().position(|d| d == s).unwrap() as u32).collect()
    }

    #[test]
    fn ranks_equal_a_plain_search_for_awkward_scores() {
        let tiny = f64::from_bits(1);
        for scores in [
            vec![],
            vec![0.5],
            vec![0.0, -0.0, 0.0],
            vec![f64::MAX, f64::MIN, 0.0, 1.0, -1.0, f64::MAX],
            vec![tiny, 0.0, tiny, 3.0 * tiny],
            vec![1e300, 1.0, 2.0, 3.0, 2.0, 1.5, 1.0 + f64::EPSILON, 1.0],
        ] {
            assert_eq!(distinct_ranks(&scores).of_case, plain(&scores), "{scores:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn ranks_equal_a_plain_search(scores in proptest::collection::vec(-50_i32..50, 0..200), power in 0_i32..60) {
            let scores: Vec<f64> = scores.iter().map(|&s| f64::from(s).powi(3) * 10_f64.powi(power)).collect();
            proptest::prop_assert_eq!(distinct_ranks(&scores).of_case, plain(&scores));
        }
    }
}
