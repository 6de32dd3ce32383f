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

/// What fell between two equally spaced limits.
#[derive(Clone, Copy, Default)]
struct Bucket {
    /// The score of all that fell in; not a number where they differ.
    score: f64,
    /// How many fell in.
    count: u32,
    /// Number of distinct scores in lower buckets.
    lowest_rank: u32,
}

impl Bucket {
    fn mixed(&self) -> bool {
        self.score.is_nan()
    }
}

/// Ranks finite scores: O(n) for scores that spread over their range, O(n log n) always.
///
/// Scores are first put into as many equal-width buckets as there are pairs of cases. The bucket number never falls while
/// the score rises (IEEE subtraction and multiplication keep order), so only the few scores within a bucket remain to be
/// sorted; where all of a bucket are equal, as scores of few decimals are, nothing does.
pub(crate) fn distinct_ranks(scores: &[f64]) -> Ranks {
    let (low, high) = range(scores);
    let n_buckets = (scores.len() / 2).clamp(1, 1 << 20);
    let scale = (n_buckets - 1) as f64 / (high - low);

    let mut buckets = vec![Bucket::default(); n_buckets];
    let into_bucket = |&score: &f64| {
        // To 32 bits, because the processor has no conversion to 64 without a sign.
        let place = (((score - low) * scale) as u32).min(n_buckets as u32 - 1);
        let bucket = &mut buckets[place as usize];
        if bucket.count == 0 {
            bucket.score = score;
        }
        // `!=` and not the bits: 0.0 and -0.0 are one score.
        if bucket.score != score {
            bucket.score = f64::NAN;
        }
        // No more cases than a 32-bit position can name, so nothing wraps.
        bucket.count = bucket.count.wrapping_add(1);
        place
    };
    let mut of_case: Vec<u32> = scores.iter().map(into_bucket).collect();
    let mixed = sort_mixed(scores, &buckets, &of_case);

    let mut rank = 0_u32;
    let mut sorted = mixed.as_slice();
    for bucket in &mut buckets {
        bucket.lowest_rank = rank;
        let mut n_distinct = u32::from(0 < bucket.count);
        if bucket.mixed() {
            let cases = sorted.split_off(..bucket.count as usize).unwrap_or_default();
            n_distinct += cases.windows(2).filter(|pair| pair[0].0 != pair[1].0).count() as u32;
        }
        rank = rank.wrapping_add(n_distinct);
    }
    for place in &mut of_case {
        *place = buckets[*place as usize].lowest_rank;
    }
    number_mixed(&mixed, &buckets, &mut of_case);
    Ranks { of_case, n_distinct: rank as usize }
}

/// Lowest and highest score, in four lanes that the processor compares at once. Plain comparisons, because scores are finite
/// and `f64::min` looks after NaN.
fn range(scores: &[f64]) -> (f64, f64) {
    let (mut lows, mut highs) = ([f64::INFINITY; 4], [f64::NEG_INFINITY; 4]);
    let (blocks, rest) = scores.as_chunks::<4>();
    for block in blocks {
        for lane in 0..4 {
            lows[lane] = if block[lane] < lows[lane] { block[lane] } else { lows[lane] };
            highs[lane] = if highs[lane] < block[lane] { block[lane] } else { highs[lane] };
        }
    }
    let low = rest.iter().chain(&lows).copied().fold(f64::INFINITY, f64::min);
    let high = rest.iter().chain(&highs).copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}

/// Scores with their cases of all mixed buckets, one bucket after the other, each sorted.
fn sort_mixed(scores: &[f64], buckets: &[Bucket], bucket_of_case: &[u32]) -> Vec<(f64, u32)> {
    if buckets.iter().all(|bucket| !bucket.mixed()) {
        return Vec::new();
    }
    let mut ends = Vec::with_capacity(buckets.len());
    let mut n_mixed = 0;
    for bucket in buckets {
        ends.push(n_mixed);
        n_mixed += if bucket.mixed() { bucket.count as usize } else { 0 };
    }
    let mut dealt = vec![(0.0, 0); n_mixed];
    for (case, (&score, &place)) in (0_u32..).zip(scores.iter().zip(bucket_of_case)) {
        if buckets[place as usize].mixed() {
            // `ends[b]` starts as the beginning of bucket b and has become its end once all are dealt.
            let end = &mut ends[place as usize];
            dealt[*end] = (score, case);
            *end += 1;
        }
    }
    let mut begin = 0;
    for &end in &ends {
        dealt[begin..end].sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        begin = end;
    }
    dealt
}

/// Raises the ranks within mixed buckets, where so far every case has the lowest of its bucket.
fn number_mixed(mut sorted: &[(f64, u32)], buckets: &[Bucket], rank_of_case: &mut [u32]) {
    for bucket in buckets.iter().filter(|bucket| bucket.mixed()) {
        let cases = sorted.split_off(..bucket.count as usize).unwrap_or_default();
        let (mut above_lowest, mut last) = (0, cases[0].0);
        for &(score, case) in cases {
            above_lowest += u32::from(score != last);
            last = score;
            rank_of_case[case as usize] += above_lowest;
        }
    }
}

impl Ranks {
    /// Positives and negatives at every distinct score, lowest score first.
    pub(crate) fn tally(&self, labels: &[bool]) -> Vec<Tally> {
        let mut tallies: Vec<Tally> = vec![[0, 0]; self.n_distinct];
        for (&rank, &label) in self.of_case.iter().zip(labels) {
            let count = &mut tallies[rank as usize][usize::from(label)];
            *count = count.wrapping_add(1);
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
