use crate::report::MethodNote;
use serde_json::Value;
use std::collections::BTreeSet;

/// Every method that a figure can name: its name, what it does, and where it is published.
const METHODS: &[(&str, &str, &str)] = &[
    (
        "delong",
        "AUROC with the variance of its placement values; normal interval, not cut at 0 and 1. Of two versions on the same cases with their covariance.",
        "DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837-845",
    ),
    (
        "delong-clustered",
        "The same, with placement values summed over each patient's cases.",
        "Obuchowski, Biometrics 53 (1997) 567-578",
    ),
    (
        "newcombe-5",
        "Score interval of an AUROC whose DeLong variance is 0, such as that of completely separated classes.",
        "Newcombe, Stat. Med. 25 (2006) 559-573, method 5",
    ),
    (
        "wilson",
        "Score interval of a share of cases.",
        "Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212; Newcombe, Stat. Med. 17 (1998) 857-872",
    ),
    (
        "wilson-clustered",
        "Wilson's interval on the number of cases divided by the design effect, the variance between patients over that of independent cases.",
        "Rao & Scott, Biometrics 48 (1992) 577-585; Saha, Miller & Wang, Int. J. Biostat. 12 (2016)",
    ),
    (
        "clopper-pearson",
        "Interval of a share of cases that never covers less than it says.",
        "Clopper & Pearson, Biometrika 26 (1934) 404-413",
    ),
    (
        "tango",
        "Score interval of the difference of two shares of the same cases.",
        "Tango, Stat. Med. 17 (1998) 891-908",
    ),
    (
        "bootstrap-bca",
        "Whole patients drawn with replacement, seeded; quantiles corrected for bias and skewness.",
        "Efron, J. Am. Stat. Assoc. 82 (1987) 171-185",
    ),
    (
        "bootstrap-percentile",
        "Whole patients drawn with replacement, seeded; quantiles of the resamples. A band of a curve holds at each place, not at all at once.",
        "Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13",
    ),
    (
        "bootstrap-normal",
        "Value +/- z standard deviations over resampled patients, for figures that resampling itself shifts.",
        "Efron & Tibshirani (1993), chapter 13",
    ),
    ("normal", "Normal interval of a mean over cases.", "as for any mean"),
    (
        "normal-clustered",
        "Normal interval of a mean, with the variance between patients.",
        "Liang & Zeger, Biometrika 73 (1986) 13-22",
    ),
    (
        "wald",
        "Logistic regression of the label on the logit of the score; normal interval.",
        "Cox, Biometrika 45 (1958) 562-565; Van Calster et al., BMC Med. 17 (2019) 230",
    ),
    (
        "log",
        "Likelihood ratio with a normal interval on the log scale.",
        "Simel, Samsa & Matchar, J. Clin. Epidemiol. 44 (1991) 763-770",
    ),
    (
        "identical",
        "Both versions said exactly the same on every case, so they differ by exactly 0.",
        "no sampling is involved",
    ),
    (
        "spiegelhalter/normal",
        "Test that the Brier score is what calibrated scores would have.",
        "Spiegelhalter, Stat. Med. 5 (1986) 421-433",
    ),
    (
        "mcnemar/exact",
        "Exact test that both versions are right equally often.",
        "McNemar, Psychometrika 12 (1947) 153-157",
    ),
    ("ece-debiased", "Expected calibration error less what chance adds to it.", "Kumar, Liang & Ma, NeurIPS 2019"),
    (
        "auprc",
        "Average precision: gain in recall times precision, summed over distinct scores; not the trapezoid.",
        "as scikit-learn's average_precision_score",
    ),
    (
        "brier",
        "Mean squared distance of score and label; its parts by Murphy, exact with two terms within bins.",
        "Brier, Mon. Weather Rev. 78 (1950) 1-3; Stephenson, Coelho & Jolliffe, Weather Forecast. 23 (2008) 752-757",
    ),
    (
        "net-benefit",
        "True positives per case less false positives per case times the odds of the threshold.",
        "Vickers & Elkin, Med. Decis. Making 26 (2006) 565-574",
    ),
];

/// Methods that `report` names, in the order of the table.
pub(crate) fn methods(report: &Value) -> Vec<MethodNote> {
    let mut used = BTreeSet::new();
    collect(report, &mut used);
    let note = |&(name, what, source): &(&str, &str, &str)| MethodNote {
        name: name.to_owned(),
        what: what.to_owned(),
        source: source.to_owned(),
    };
    METHODS.iter().filter(|(name, ..)| used.iter().any(|method| explains(name, method))).map(note).collect()
}

fn explains(name: &str, method: &str) -> bool {
    match method.split_once('/') {
        Some((figure, interval)) => {
            name == method || interval == name || figure == name || (name == "ece-debiased" && figure.starts_with(name))
        }
        None => name == method,
    }
}

fn collect(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                if let (true, Some(method)) = (key == "method", value.as_str()) {
                    used.insert(method.to_owned());
                }
                collect(value, used);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, used)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_by_interval_by_figure_and_whole() {
        let report = serde_json::json!({"a": {"method": "auroc/delong"}, "b": [{"method": "ece-debiased-equal-width-10/bootstrap-normal"}], "c": {"method": "mcnemar/exact"}});
        let names: Vec<String> = methods(&report).into_iter().map(|note| note.name).collect();
        assert_eq!(names, ["delong", "bootstrap-normal", "mcnemar/exact", "ece-debiased"]);
    }
}
