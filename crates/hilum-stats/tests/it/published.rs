//! Worked examples from papers.

use crate::support::close;
use hilum_stats::*;

/// Shrout & Fleiss, Psychol. Bull. 86 (1979) 420-428, table 2: four judges, six targets; their table 4 gives the values, McGraw
/// & Wong and the `psych` and `irr` packages of R the intervals (rounded).
#[test]
fn intraclass_correlations_of_shrout_and_fleiss() {
    let judges: [&[f64]; 4] = [
        &[9.0, 6.0, 8.0, 7.0, 10.0, 6.0],
        &[2.0, 1.0, 4.0, 1.0, 5.0, 2.0],
        &[5.0, 3.0, 6.0, 2.0, 6.0, 4.0],
        &[8.0, 2.0, 8.0, 6.0, 9.0, 7.0],
    ];
    for (form, value, lower, upper) in [
        (IccForm::OneWay, 0.17, -0.13, 0.72),
        (IccForm::AbsoluteAgreement, 0.29, 0.02, 0.76),
        (IccForm::Consistency, 0.71, 0.34, 0.95),
    ] {
        let ours = icc(&judges, form, 0.95).unwrap();
        for (ours, theirs) in [(ours.value, value), (ours.lower, lower), (ours.upper, upper)] {
            close("icc", ours, theirs, 5e-3);
        }
    }
}

/// Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions, 3rd ed. (2003), table 18.1: kappa 0.676.
#[test]
fn kappa_of_fleiss() {
    let table = [[75, 1, 4], [5, 4, 1], [0, 0, 10]];
    let (mut first, mut second) = (vec![], vec![]);
    for (i, row) in table.iter().enumerate() {
        for (j, &count) in row.iter().enumerate() {
            first.extend(std::iter::repeat_n(i as u32, count));
            second.extend(std::iter::repeat_n(j as u32, count));
        }
    }
    let ours = cohen_kappa(&first, &second, 3, KappaWeights::None, 0.95).unwrap();
    close("kappa", ours.kappa.value, 0.676, 5e-4);
    close("observed", ours.observed_agreement, 0.89, 1e-12);
    close("expected", ours.expected_agreement, 0.66, 1e-12);
}

/// Bland & Altman, Lancet 1986; i, 307-310, peak flow: limits of agreement -79.7 and 75.5 l/min, from rounded figures and with
/// two standard deviations, so the coverage is that of 2 instead of 1.96.
#[test]
fn limits_of_agreement_of_bland_and_altman() {
    let wright = [494., 395., 516., 434., 476., 557., 413., 442., 650., 433., 417., 656., 267., 478., 178., 423., 427.];
    let mini = [512., 430., 520., 428., 500., 600., 364., 380., 658., 445., 432., 626., 260., 477., 259., 350., 451.];
    let ours = bland_altman(&wright, &mini, 0.954_499_736_1, 0.95).unwrap();
    close("lower limit", ours.lower_limit.value, -79.7, 1.5e-3);
    close("upper limit", ours.upper_limit.value, 75.5, 1.5e-3);
    close("bias lower", ours.bias.lower, -22.0, 5e-3);
    close("bias upper", ours.bias.upper, 17.8, 5e-3);
}

/// A perfect agreement is not proof of one: the interval of ten cases stays wide.
#[test]
fn complete_agreement_keeps_an_honest_interval() {
    let both = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1];
    let ours = cohen_kappa(&both, &both, 2, KappaWeights::None, 0.95).unwrap().kappa;
    assert_eq!((ours.value, ours.upper), (1.0, 1.0));
    let share = wilson(10, 10, 0.95).unwrap().lower;
    close("lower", ours.lower, (share - 0.5) / 0.5, 1e-12);
    assert_eq!(ours.method, "kappa/wilson");
}
