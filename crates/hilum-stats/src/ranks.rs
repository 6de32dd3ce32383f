//! Order of scores, with ties: the one sort that AUC, DeLong, average precision and the curves share.

use crate::StatsError;
use crate::check;

/// For each case the number of distinct smaller scores.
pub(crate) struct Ranks {
    /// Rank of each case, in the order of the cases; equal scores share one.
    pub(crate) of_case: Vec<u32>,
    /// Number of distinct scores.
    pub(crate) n_distinct: usize,
}

/// Negatives and positives at one distinct score.
pub(crate) type Tally = [u32; 2];

/// Ranks finite scores: O(n) where they are few or spread over their range, O(n log n) always.
///
/// Every score gets a place on a line of 2^32 equal steps from the lowest to the highest. A place never falls while the score
/// rises (IEEE subtraction, multiplication and addition keep order), so places are sorted, as whole numbers, and only scores
/// that share a place are compared. Scores of few decimals, which is how they are often written, need no sort at all.
pub(crate) fn distinct_ranks(scores: &[f64]) -> Ranks {
    let mut of_case = vec![0; scores.len()];
    let n_distinct = rank_into(scores, &mut of_case);
    Ranks { of_case, n_distinct }
}

/// [`distinct_ranks`] into memory of the caller, one number for each score; answers with the number of distinct scores.
pub(crate) fn rank_into(scores: &[f64], of_case: &mut [u32]) -> usize {
    put_places(scores, of_case);
    let n_distinct = number_few(scores, of_case).unwrap_or_else(|| number_sorted(scores, of_case));
    n_distinct as usize
}

/// The place of each score between the lowest (0) and the highest (at most 2^32 - 1).
fn put_places(scores: &[f64], places: &mut [u32]) {
    let last = f64::from(u32::MAX);
    let (low, high) = range(scores);
    let scale = last / (high - low);
    for (place, &score) in places.iter_mut().zip(scores) {
        let along = (score - low) * scale;
        // A range of nearly 0 makes this infinite, for the lowest "not a number"; a range beyond what a number can hold makes it 0,
        // for the highest "not a number". Order holds if both go to the end.
        let along = if along < last { along } else { last };
        // From 2^52 on a number's last bits count in ones. The processor converts two at a time this way.
        *place = (along + 4_503_599_627_370_496.0).to_bits() as u32;
    }
}

/// Ranks from places, where no two different scores share one of n / 4 or more buckets; gives up at the first that do, which is
/// soon where it is likely at all, and then leaves the places as they were. Answers with the number of distinct scores.
fn number_few(scores: &[f64], of_case: &mut [u32]) -> Option<u32> {
    let bits = (usize::BITS - (scores.len() / 4).leading_zeros()).clamp(1, 20);
    let bucket_of = |place: u32| (place >> (u32::BITS - bits)) as usize;
    // Nothing yet is 0, which no finite score has as the complement of its bits. Adding makes 0.0 of -0.0: one score.
    let mut buckets = vec![0_u64; 1 << bits];
    for (&place, &score) in of_case.iter().zip(scores) {
        let bucket = &mut buckets[bucket_of(place)];
        let score = !(score + 0.0).to_bits();
        if *bucket != 0 && *bucket != score {
            return None;
        }
        *bucket = score;
    }
    let mut n_distinct = 0_u32;
    for bucket in &mut buckets {
        let rank = n_distinct;
        // No more cases than a 32-bit position can name, so nothing wraps.
        n_distinct = n_distinct.wrapping_add(u32::from(*bucket != 0));
        *bucket = u64::from(rank);
    }
    for place in of_case {
        *place = buckets[bucket_of(*place)] as u32;
    }
    Some(n_distinct)
}

/// Ranks from places by sorting them. Answers with the number of distinct scores.
fn number_sorted(scores: &[f64], of_case: &mut [u32]) -> u32 {
    let mut sorted = sort_by_place(of_case);
    let score = |key: u64| scores[case_of(key) as usize];
    let (mut n_distinct, mut last) = (0_u32, f64::NAN);
    for shared in sorted.chunk_by_mut(|a, b| place_of(*a) == place_of(*b)) {
        if 1 < shared.len() {
            shared.sort_unstable_by(|a, b| score(*a).total_cmp(&score(*b)));
        }
        for &key in &*shared {
            // `!=` and not the bits: 0.0 and -0.0 are one score.
            n_distinct = n_distinct.wrapping_add(u32::from(score(key) != last));
            last = score(key);
            of_case[case_of(key) as usize] = n_distinct.wrapping_sub(1);
        }
    }
    n_distinct
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

/// A place with its case, in one number that sorts by place.
fn key_of(case: u32, place: u32) -> u64 {
    u64::from(place) << 32 | u64::from(case)
}

fn place_of(key: u64) -> u32 {
    (key >> 32) as u32
}

fn case_of(key: u64) -> u32 {
    key as u32
}

/// Values of a digit of a place; three digits of 11 bits hold 32.
const DIGIT_VALUES: usize = 1 << 11;

fn digit(place: u32, number: u32) -> usize {
    (place >> (11 * number)) as usize % DIGIT_VALUES
}

/// Keys by rising place: a radix sort, lowest digit first, which a few cases do not repay.
fn sort_by_place(places: &[u32]) -> Vec<u64> {
    let keys = (0_u32..).zip(places).map(|(case, &place)| key_of(case, place));
    let mut sorted: Vec<u64> = keys.clone().collect();
    if places.len() < DIGIT_VALUES {
        sorted.sort_unstable();
        return sorted;
    }
    let mut begins = [[0_u32; DIGIT_VALUES]; 3];
    for &place in places {
        for (number, counts) in (0..).zip(&mut begins) {
            let count = &mut counts[digit(place, number)];
            *count = count.wrapping_add(1);
        }
    }
    for counts in &mut begins {
        let mut begin = 0_u32;
        for count in counts {
            begin = begin.wrapping_add(std::mem::replace(count, begin));
        }
    }
    let mut other = vec![0; places.len()];
    let [first, second, third] = &mut begins;
    deal(keys, 0, first, &mut other);
    deal(other.iter().copied(), 1, second, &mut sorted);
    deal(sorted.iter().copied(), 2, third, &mut other);
    other
}

/// Keys to where those of their digit begin, in the order in which they come.
fn deal(keys: impl Iterator<Item = u64>, number: u32, begins: &mut [u32; DIGIT_VALUES], into: &mut [u64]) {
    for key in keys {
        let next = &mut begins[digit(place_of(key), number)];
        into[*next as usize] = key;
        *next = next.wrapping_add(1);
    }
}

impl Ranks {
    /// Positives and negatives at every distinct score, lowest score first.
    pub(crate) fn tally(&self, labels: &[bool]) -> Vec<Tally> {
        tally(&self.of_case, self.n_distinct, labels)
    }
}

/// Positives and negatives at every distinct score, lowest score first, from the ranks of the cases.
pub(crate) fn tally(of_case: &[u32], n_distinct: usize, labels: &[bool]) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = vec![[0, 0]; n_distinct];
    for (&rank, &label) in of_case.iter().zip(labels) {
        let count = &mut tallies[rank as usize][usize::from(label)];
        *count = count.wrapping_add(1);
    }
    tallies
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

/// Patients of the cases of a mean, at least two of them.
pub(crate) fn independent(
    what: &'static str,
    n_cases: usize,
    patients: Option<&[u64]>,
) -> Result<Clusters, StatsError> {
    if let Some(patients) = patients {
        check::same_length(what, n_cases, patients.len())?;
    }
    let patients = clusters(n_cases, patients);
    check::at_least(what, "patients", 2, patients.n as u64)?;
    Ok(patients)
}

/// Mean of a value per case, and half of its normal interval with the variance between patients.
pub(crate) fn clustered_mean(values: &[f64], patients: &Clusters, z: f64) -> (f64, f64) {
    let (n, k) = (values.len() as f64, patients.n as f64);
    let mean = values.iter().sum::<f64>() / n;
    let mut residuals = vec![0.0; patients.n];
    for (&patient, value) in patients.of_case.iter().zip(values) {
        residuals[patient as usize] += value - mean;
    }
    (mean, z * (k / (k - 1.0) * residuals.iter().map(|r| r * r).sum::<f64>()).sqrt() / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(scores: &[f64]) -> Vec<u32> {
        let mut distinct = scores.to_vec();
        distinct.sort_by(|a, b| a.partial_cmp(b).unwrap());
        distinct.dedup();
        scores.iter().map(|s| distinct.partition_point(|d| d < s) as u32).collect()
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
            vec![f64::MAX; 3],
            vec![f64::MIN, f64::MAX, f64::MIN, 1.0, f64::MAX / 2.0],
            vec![1e300, 1.0, 2.0, 3.0, 2.0, 1.5, 1.0 + f64::EPSILON, 1.0],
        ] {
            assert_eq!(distinct_ranks(&scores).of_case, plain(&scores), "{scores:?}");
        }
    }

    /// Thousands, so that the radix sort has work: spread, crowded about one value with far outliers (many different scores at one
    /// place), and of few decimals.
    #[test]
    fn ranks_of_many_equal_a_plain_search() {
        let spread: Vec<f64> = (1_u64..6_000).map(|n| (n as f64 * 0.754_877_666).fract() - 0.5).collect();
        let crowded: Vec<f64> = spread.iter().map(|s| s.powi(9) * 1e-3).chain([-1e9, 1e9, -0.0, 0.0]).collect();
        let tied: Vec<f64> = crowded.iter().chain(&crowded[1000..3000]).copied().collect();
        let few: Vec<f64> = spread.iter().map(|s| (s * 100.0).round() / 100.0).collect();
        for (what, scores) in [("spread", spread), ("crowded", crowded), ("tied", tied), ("few", few)] {
            let ranks = distinct_ranks(&scores);
            assert!(ranks.of_case == plain(&scores), "{what}");
            assert_eq!(ranks.n_distinct, ranks.of_case.iter().max().map_or(0, |&rank| rank as usize + 1), "{what}");
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
