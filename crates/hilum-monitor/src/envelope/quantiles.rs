//! Where the reference cases lie, as a stop rule about a feature is told it.

use super::CASES_MIN;
use crate::image::at;
use serde::Serialize;
use std::collections::BTreeMap;

/// The nine deciles of a feature over reference cases: what `quantiles` of a stop rule with `metric = "feature"` takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureQuantiles {
    /// Cases in which it was measured.
    pub n: usize,
    /// Quantiles of 10, 20, ... 90 %, ascending, linear between cases (type 7 of Hyndman and Fan 1996).
    pub quantiles: [f64; 9],
}

/// Deciles of every feature that at least [`CASES_MIN`] cases have; values that are no finite number do not count.
pub fn feature_quantiles(cases: &[BTreeMap<String, f64>]) -> BTreeMap<String, FeatureQuantiles> {
    let mut values = BTreeMap::<&String, Vec<f64>>::new();
    for (name, value) in cases.iter().flatten().filter(|(_, value)| value.is_finite()) {
        values.entry(name).or_default().push(*value);
    }
    let enough = values.into_iter().filter(|(_, values)| CASES_MIN <= values.len());
    enough
        .map(|(name, mut values)| {
            values.sort_by(f64::total_cmp);
            let quantiles = std::array::from_fn(|place| at(&values, (place + 1) as f64 / 10.0));
            (name.clone(), FeatureQuantiles { n: values.len(), quantiles })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_stats::sequential::mid_rank;

    #[test]
    fn deciles_are_those_of_numpy() {
        let case = |n: u32| {
            let mut case = BTreeMap::from([("noise".to_owned(), f64::from(n * 37 % 51))]);
            // What most cases lack has no quantiles.
            case.extend((n < 19).then(|| ("rare".to_owned(), 1.0)));
            case.insert("broken".to_owned(), f64::NAN);
            case
        };
        let cases: Vec<_> = (0..51).map(case).collect();
        let told = feature_quantiles(&cases);
        assert_eq!(told.keys().collect::<Vec<_>>(), ["noise"]);
        // numpy.quantile(range(51), [0.1, ..., 0.9]); 37 and 51 have no common divisor, so that every number comes once.
        assert_eq!(told["noise"], FeatureQuantiles { n: 51, quantiles: [5., 10., 15., 20., 25., 30., 35., 40., 45.] });
        // What a detector makes of them: the reference itself lies in the middle on average.
        let places: f64 = (0..51).map(|n| mid_rank(&told["noise"].quantiles, f64::from(n)).unwrap()).sum();
        assert!((places / 51.0 - 0.5).abs() < 0.01, "{}", places / 51.0);
    }
}
