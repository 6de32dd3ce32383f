//! pROC, run: its DeLong variances, intervals and paired test, on its own data and on seeded scores with ties.

use crate::support::{close, flags, number, numbers, peer};
use hilum_stats::*;
use serde_json::Value;

fn answers() -> Option<Vec<Value>> {
    Some(peer("Rscript", &["-e", "library(pROC)"], "proc.R", &[])?.as_array().unwrap().clone())
}

#[test]
fn delong_equals_proc() {
    let Some(answers) = answers() else { return };
    for answer in &answers {
        let name = answer["name"].as_str().unwrap();
        let (labels, first, second) = (flags(&answer["labels"]), numbers(&answer["first"]), numbers(&answer["second"]));
        let ours = auroc_difference(&labels, &first, &second, None, 0.95).unwrap();
        for (ours, theirs) in [
            ([ours.first.lower, ours.first.value, ours.first.upper], "ci1"),
            ([ours.second.lower, ours.second.value, ours.second.upper], "ci2"),
        ] {
            for (ours, theirs) in ours.iter().zip(numbers(&answer[theirs])) {
                close(name, *ours, theirs, 1e-12);
            }
        }
        close(name, ours.covariance, number(&answer["cov"][0]), 1e-12);
        close(name, ours.z, number(&answer["z"][0]), 1e-9);
        close(name, ours.p_value, number(&answer["p"][0]), 1e-9);
        close(name, ours.difference.lower, number(&answer["difference_ci"][0]), 1e-12);
        close(name, ours.difference.upper, number(&answer["difference_ci"][1]), 1e-12);
    }
}

/// Expected outputs in the tests of pROC 1.19.0.1, on aSAH (Turck et al., Intensive Care Med. 36 (2010) 107-115).
#[test]
fn delong_equals_the_published_figures_of_asah() {
    let Some(answers) = answers() else { return };
    let of = |name: &str| {
        let answer = answers.iter().find(|a| a["name"] == name).unwrap();
        let (labels, first, second) = (flags(&answer["labels"]), numbers(&answer["first"]), numbers(&answer["second"]));
        auroc_difference(&labels, &first, &second, None, 0.95).unwrap()
    };
    let (s100b, ndka) = (of("wfns-s100b"), of("wfns-ndka"));
    close("z", s100b.z, 2.208_983_591_440_91, 1e-12);
    close("p", s100b.p_value, 0.027_175_782_229_188_2, 1e-9);
    close("lower", s100b.difference.lower, 0.010_406_176_956_484_6, 1e-12);
    close("upper", s100b.difference.upper, 0.174_214_419_249_478, 1e-12);
    close("z", ndka.z, 2.797_775_918_689_04, 1e-12);
    close("lower", ndka.second.lower, 0.501_244_999_271_703, 1e-12);
    close("upper", ndka.second.upper, 0.722_670_989_888_189, 1e-12);
}
