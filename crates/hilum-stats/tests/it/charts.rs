//! Control charts have the run lengths computed for them.

use crate::chance::Chance;
use crate::detectors::run_length;
use crate::support::close;
use hilum_stats::StatsError;
use hilum_stats::sequential::*;

/// Run lengths by simulation of the charts themselves, which share no code with the Markov chain.
#[test]
fn charts_have_the_run_lengths_computed_for_them() {
    let mut chance = Chance::new(10, 0);
    for shift in [0.0, 1.0] {
        let expected = cusum_arl(0.5, 4.0, shift, ChartSides::Two).unwrap();
        let (mean, error) = run_length(1500, |_| {
            let mut chart = CusumChart::new(0.5, 4.0).unwrap();
            while !chart.alarm() {
                chart.update(chance.normal() + shift).unwrap();
            }
            chart.n()
        });
        assert!((mean - expected).abs() < 4.0 * error, "CUSUM at {shift}: {mean} +- {error}, computed {expected}");
        let expected = ewma_arl(0.2, 2.5, shift).unwrap();
        let (mean, error) = run_length(1500, |_| {
            let mut chart = EwmaChart::new(0.2, 2.5).unwrap();
            while !chart.alarm() {
                chart.update(chance.normal() + shift).unwrap();
            }
            chart.n()
        });
        assert!((mean - expected).abs() < 4.0 * error, "EWMA at {shift}: {mean} +- {error}, computed {expected}");
    }
}

#[test]
fn limits_give_the_run_length_asked_for() {
    for arl in [50.0, 500.0, 36_500.0] {
        let h = cusum_limit(0.25, arl, ChartSides::Two).unwrap();
        close("CUSUM", cusum_arl(0.25, h, 0.0, ChartSides::Two).unwrap(), arl, 1e-6);
        let limit = ewma_limit(0.1, arl).unwrap();
        close("EWMA", ewma_arl(0.1, limit, 0.0).unwrap(), arl, 1e-6);
    }
    assert!(matches!(cusum_limit(0.5, f64::NAN, ChartSides::One), Err(StatsError::OutOfRange { .. })));
    assert!(matches!(cusum_arl(0.5, 500.0, 0.0, ChartSides::One), Err(StatsError::Undefined { .. })));
}

#[test]
fn a_cusum_dates_the_change() {
    let mut chart = CusumChart::new(0.5, 5.0).unwrap();
    for event in 0..60 {
        chart.update(if event < 40 { if event % 2 == 0 { 0.4 } else { -0.4 } } else { 1.5 }).unwrap();
    }
    assert!(chart.alarm());
    assert_eq!(chart.since(), 40);
}
