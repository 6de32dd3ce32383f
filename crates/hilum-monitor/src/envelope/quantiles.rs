//! Where the reference cases lie, as a stop rule about a feature is told it.

use super::CASES_MIN;
use crate::image::at;
use hilum_registry::monitoring::stratum;
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
pub fn feature_quantiles<'a>(
    cases: impl IntoIterator<Item = &'a BTreeMap<String, f64>>,
) -> BTreeMap<String, FeatureQuantiles> {
    let mut values = BTreeMap::<&String, Vec<f64>>::new();
    for (name, value) in cases.into_iter().flatten().filter(|(_, value)| value.is_finite()) {
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

/// Deciles of every feature within every stratum ([`stratum`]) that at least [`CASES_MIN`] cases have it in: what
/// `quantiles_of` of a stop rule takes. `attributes` and `features` are those of the same cases in the same order.
pub fn stratum_quantiles(
    strata: &[String],
    attributes: &[BTreeMap<String, String>],
    features: &[BTreeMap<String, f64>],
) -> BTreeMap<String, BTreeMap<String, FeatureQuantiles>> {
    let mut parts = BTreeMap::<String, Vec<&BTreeMap<String, f64>>>::new();
    for (attributes, features) in attributes.iter().zip(features) {
        parts.entry(stratum(strata, attributes)).or_default().push(features);
    }
    let mut told = BTreeMap::<String, BTreeMap<String, FeatureQuantiles>>::new();
    for (key, cases) in parts {
        for (name, quantiles) in feature_quantiles(cases) {
            told.entry(name).or_default().insert(key.clone(), quantiles);
        }
    }
    told
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

    /// A part of the reference set that has too few cases has no quantiles: a rule ranks it by the whole's.
    #[test]
    fn strata_have_deciles_of_their_own() {
        let attributes = |n: u32| {
            BTreeMap::from([(
                "weekpart".to_owned(),
                if n.is_multiple_of(3) { "weekend" } else { "weekday" }.to_owned(),
            )])
        };
        let features = |n: u32| {
            BTreeMap::from([("noise".to_owned(), f64::from(n) + if n.is_multiple_of(3) { 1000.0 } else { 0.0 })])
        };
        let told = |n: u32| {
            let (attributes, features): (Vec<_>, Vec<_>) = (0..n).map(|n| (attributes(n), features(n))).unzip();
            stratum_quantiles(&["weekpart".to_owned()], &attributes, &features)
        };
        let noise = &told(63)["noise"];
        assert_eq!((noise["weekend"].n, noise["weekend"].quantiles[4]), (21, 1030.0));
        assert_eq!((noise["weekday"].n, noise["weekday"].quantiles[4]), (42, 31.5));
        assert_eq!(told(50)["noise"].keys().collect::<Vec<_>>(), ["weekday"]);
    }
}
