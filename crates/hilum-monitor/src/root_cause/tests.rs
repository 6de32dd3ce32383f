//! Simulated studies with a known cause, and with none. Every rate is that of fixed seeds, so it cannot waver.

use super::*;
use crate::{Observation, OutputFact};
use hilum_types::Digest;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::collections::BTreeMap;

struct House {
    generator: ChaCha8Rng,
}

/// What goes wrong after the change.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Nothing.
    None,
    /// Scores of every study move, whatever its attributes.
    Everywhere,
    /// One of six stations scores higher.
    Station,
    /// A seventh station with software of its own takes 38 % of the studies, and scores higher.
    NewScanner,
    /// Portable films, which always score higher, are four times as many.
    Mix,
    /// Every station gets new software, and scores move.
    Software,
}

impl House {
    fn new(seed: u64) -> House {
        House { generator: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn unit(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        // Irwin-Hall: close enough to a normal for scores.
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    fn pick<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[(self.unit() * values.len() as f64) as usize]
    }

    /// `n` studies an hour apart; the second half after the change.
    fn observe(&mut self, n: usize, fault: Fault) -> Vec<Observation> {
        (0..n).map(|number| self.study(number, n / 2 <= number, fault)).collect()
    }

    fn study(&mut self, number: usize, is_after: bool, fault: Fault) -> Observation {
        let site = self.pick(&["north", "south", "east"]);
        let mut station = format!("{site}-{}", self.pick(&["1", "2"]));
        let mut software = if station.ends_with('1') { "A" } else { "B" };
        let portable = if is_after && fault == Fault::Mix { 0.6 } else { 0.15 };
        let view = if self.unit() < portable { "AP" } else { "PA" };
        let (protocol, sex) = (self.pick(&["routine", "emergency", "screening"]), self.pick(&["F", "M"]));
        let age_band = self.pick(&["18-39", "40-59", "60-79", "80+"]);
        // What always differs and explains nothing by itself.
        let mut score = 0.3 + 0.1 * self.normal() + if view == "AP" { 0.15 } else { 0.0 };
        if is_after {
            match fault {
                Fault::None | Fault::Mix => {}
                Fault::Everywhere => score += 0.08,
                Fault::Station if station == "south-2" => score += 0.2,
                Fault::Station => {}
                Fault::NewScanner if self.unit() < 0.38 => {
                    (station, software) = ("north-3".to_owned(), "C");
                    score += 0.2;
                }
                Fault::NewScanner => {}
                Fault::Software => {
                    software = "D";
                    score += 0.08;
                }
            }
        }
        let attributes = [
            ("site", if station.starts_with("north") { "north" } else { site }),
            ("station", &station),
            ("software", software),
            ("view", view),
            ("protocol", protocol),
            ("sex", sex),
            ("age_band", age_band),
        ];
        Observation {
            study_key: format!("{number:026}"),
            revision: 1,
            deployment: "cxr".into(),
            package: Digest::of(b"package"),
            event_at: at(number),
            recorded_at: at(number),
            disposition: "analysed".into(),
            reason_code: String::new(),
            attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            features: BTreeMap::new(),
            outputs: [("opacity".to_owned(), OutputFact { score: Some(score), present: Some(0.5 < score) })].into(),
            seconds: None,
            outside_envelope: None,
            visible: true,
        }
    }
}

fn at(number: usize) -> Timestamp {
    Timestamp::from_micros(1_795_435_200_000_000).plus_seconds(3600 * number as i64)
}

fn score() -> Quantity {
    Quantity::Score("opacity".into())
}

const N: usize = 600;

fn explanation(seed: u64, fault: Fault) -> Explanation {
    let observations = House::new(seed).observe(N, fault);
    explain(&observations, &score(), at(N / 2), &RootCauseOptions::new(seed, at(N))).unwrap()
}

/// Runs of 100 in which the first cause is the true one.
fn n_first(fault: Fault, truth: (&str, &str)) -> usize {
    (0..100)
        .filter(|seed| {
            let explanation = explanation(*seed, fault);
            let is_true = |cause: &Cause| {
                (cause.attribute.as_str(), cause.name.as_str()) == truth
                    || cause.together_with.contains(&format!("{}={}", truth.0, truth.1))
            };
            explanation.causes.first().is_some_and(is_true)
        })
        .count()
}

/// MV-22: the true cause is first, among seven attributes of which one always predicts the score.
#[test]
fn the_true_cause_is_ranked_first() {
    let rates = [
        n_first(Fault::Station, ("station", "south-2")),
        n_first(Fault::NewScanner, ("station", "north-3")),
        n_first(Fault::Mix, ("view", "AP")),
    ];
    println!("ranked first of 100: one station {}, new scanner {}, other mix {}", rates[0], rates[1], rates[2]);
    assert!(rates.iter().all(|rate| 95 <= *rate), "{rates:?}");
}

/// Chance doesn't rank: nothing changed, or everything did.
#[test]
fn no_cause_is_named_where_there_is_none() {
    for fault in [Fault::None, Fault::Everywhere] {
        let n_named = (0..100).filter(|seed| !explanation(*seed, fault).causes.is_empty()).count();
        println!("named without a cause: {n_named} of 100");
        assert!(n_named <= 10, "{n_named}");
    }
}

#[test]
fn a_new_scanner_is_told_with_its_shares() {
    let explanation = explanation(3, Fault::NewScanner);
    let cause = &explanation.causes[0];
    assert_eq!((cause.share_before.value, cause.share_before.n, cause.share_after.n), (0.0, 300, 300));
    assert!((0.3..0.46).contains(&cause.share_after.value), "{}", cause.text);
    assert!(cause.explained.lower <= cause.explained.value && cause.explained.value <= cause.explained.upper);
    assert!(0.7 < cause.explained.value, "{}", cause.text);
    assert_eq!(cause.together_with, ["station=north-3"], "software and station came together: {}", cause.text);
    assert!(explanation.typical_after.len() == 5 && explanation.typical_before.len() == 5);
}

/// What every study has since the change cannot be told from the change: said so, not ranked.
#[test]
fn an_update_of_everything_coincides() {
    let explanation = explanation(5, Fault::Software);
    assert_eq!(explanation.causes, []);
    let names: Vec<&str> = explanation.coincidences.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["D"], "{:?}", explanation.coincidences);
}

#[test]
fn the_begin_is_found() {
    let options = |seed| RootCauseOptions::new(seed, at(N));
    let mut n_near = 0;
    let mut n_false = 0;
    for seed in 0..100 {
        let moved = House::new(seed).observe(N, Fault::Everywhere);
        if let Some(found) = change_point(&moved, &score(), &options(seed)) {
            let off = (found.at.micros_since(at(N / 2)) / 3_600_000_000).abs();
            n_near += usize::from(off <= 24);
        }
        let still = House::new(seed).observe(N, Fault::None);
        n_false += usize::from(change_point(&still, &score(), &options(seed)).is_some());
    }
    println!("change point within 24 studies in {n_near} of 100, without a change in {n_false} of 100");
    assert!(90 <= n_near && n_false <= 10, "{n_near} {n_false}");
}

#[test]
fn what_moved_most_is_found_and_little_is_refused() {
    let observations = House::new(1).observe(N, Fault::Station);
    let options = RootCauseOptions::new(1, at(N));
    let moved = most_moved(&observations, at(N / 2), &options).unwrap();
    assert!([score(), Quantity::Positive("opacity".into())].contains(&moved), "not an outcome, which is constant");
    let few = explain(&observations, &score(), at(5), &options).unwrap_err();
    assert_eq!(few.to_string(), "5 studies before and 595 after have score:opacity; 10 are needed on either side");
    let none = most_moved(&[], at(0), &options).unwrap_err();
    assert_eq!(none, RootCauseError::NothingMeasured);
    let constant = Quantity::Disposition("analysed".into());
    let same = explain(&observations, &constant, at(N / 2), &options).unwrap_err();
    assert_eq!(same, RootCauseError::Constant("disposition:analysed".into()));
}

/// Neither begin nor quantity is known: both are found, or it is said that nothing changed.
#[test]
fn begin_and_quantity_are_found_together() {
    let options = RootCauseOptions::new(2, at(N));
    let found = find_root_cause(&House::new(2).observe(N, Fault::NewScanner), None, None, &options).unwrap();
    let begin = found.change_point.unwrap();
    // Only some of the studies come from the new scanner, so one simulation finds the begin less well than nine in ten do.
    assert!((begin.at.micros_since(at(N / 2)) / 3_600_000_000).abs() <= 72, "{begin:?}");
    assert_eq!(found.explanation.causes[0].name, "C");
    let nothing = find_root_cause(&House::new(2).observe(N, Fault::None), None, None, &options);
    assert_eq!(nothing.map(|found| found.explanation.causes), Err(RootCauseError::NoChange));
}

#[test]
fn quantities_are_named_and_read_back() {
    for name in ["score:a", "positive:a:b", "feature:noise_sd", "disposition:failed", "outside_envelope"] {
        assert_eq!(name.parse::<Quantity>().unwrap().to_string(), name);
    }
    for name in ["", "score", "score:", "shape:x"] {
        assert!(name.parse::<Quantity>().is_err(), "{name}");
    }
}

/// Reading order does not matter to the explanation, and the seed decides everything random.
#[test]
fn the_same_studies_give_the_same_explanation() {
    let mut observations = House::new(9).observe(N, Fault::Station);
    let options = RootCauseOptions::new(4, at(N));
    let first = explain(&observations, &score(), at(N / 2), &options).unwrap();
    assert_eq!(explain(&observations, &score(), at(N / 2), &options).unwrap(), first);
    observations.reverse();
    let reversed = explain(&observations, &score(), at(N / 2), &options).unwrap();
    assert_eq!(reversed.causes[0].name, first.causes[0].name);
    assert!((reversed.shift.value - first.shift.value).abs() < 1e-12);
}
