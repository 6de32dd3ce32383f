use super::*;
use crate::OutputFact;
use hilum_types::{Digest, Timestamp};
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn observation(disposition: &str, features: &[(&str, f64)]) -> Observation {
    let mut observation = Observation::bare("cxr", Digest::of(b"v1"));
    observation.disposition = disposition.to_owned();
    observation.reason_code = if disposition == "withheld" { "envelope.outside".to_owned() } else { String::new() };
    observation.features = features.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    observation.seconds = Some(0.25);
    observation
}

fn numbers(values: impl IntoIterator<Item = f64>) -> Numbers {
    let mut numbers = Numbers::default();
    values.into_iter().for_each(|value| numbers.add(value));
    numbers
}

/// Everything but mean and squares, which merge to rounding.
fn counted(sketch: &Sketch) -> String {
    let mut text =
        format!("{:?} {:?} {:?} {:?} {:?}", sketch.n, sketch.ended, sketch.calls, sketch.outside, sketch.is_cut);
    for (name, numbers) in &sketch.numbers {
        text += &format!("\n{name} {:?} {} {:?}", numbers.bins(), numbers.n_invalid(), numbers.range());
    }
    text
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e3..1e3_f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, 1e-300, 1e300, -1e300, f64::NAN, f64::INFINITY, 1e12, -1e-9]),
    ]
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let features = proptest::collection::btree_map("[a-d]", any_value(), 0..4);
    let outputs = proptest::collection::btree_map("[xy]", proptest::option::of(any::<bool>()), 0..3);
    let outside = proptest::option::of(proptest::collection::vec("[a-c]", 0..3));
    (0..4_usize, features, outputs, outside).prop_map(|(ended, features, outputs, outside)| {
        let mut observation = observation(["analysed", "failed", "withheld", "expired"][ended], &[]);
        observation.features = features;
        let fact =
            |present: Option<bool>| OutputFact { score: present.map(|present| f64::from(u8::from(present))), present };
        observation.outputs = outputs.into_iter().map(|(finding, present)| (finding, fact(present))).collect();
        observation.outside_envelope = outside;
        observation
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Merging parts is the whole, in any order and any grouping, through the stored form or not.
    #[test]
    fn merged_parts_are_the_whole(
        observations in proptest::collection::vec((any_observation(), 0..5_usize), 0..60),
        order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut whole = Sketch::default();
        let mut parts = vec![Sketch::default(); 5];
        for (observation, part) in &observations {
            whole.add(observation);
            parts[*part].add(observation);
        }
        let mut left = Sketch::default();
        order.iter().for_each(|part| left.merge(&parts[*part]));
        let mut right = Sketch::default();
        for pair in order.chunks(2) {
            let mut both = Sketch::default();
            pair.iter().for_each(|part| both.merge_encoded(&parts[*part].encode(), None).unwrap());
            right.merge(&both);
        }
        prop_assert_eq!(counted(&left), counted(&whole));
        prop_assert_eq!(counted(&right), counted(&whole));
        for (name, numbers) in whole.numbers() {
            let other = &right.numbers()[name];
            let close = |a: Option<f64>, b: Option<f64>, scale: f64| {
                a.zip(b).map_or(a == b, |(a, b)| (a - b).abs() <= 1e-9 * scale.max(a.abs()))
            };
            let scale = numbers.range().map_or(1.0, |(min, max)| min.abs().max(max.abs()));
            prop_assert!(close(other.mean(), numbers.mean(), scale));
            prop_assert!(close(other.sd(), numbers.sd(), scale));
        }
        prop_assert_eq!(Sketch::decode(&whole.encode()).unwrap(), whole);
    }

    /// Within 1 % of `numpy.quantile(..., method="lower")`, which takes the value at the rank floor(q (n - 1)).
    #[test]
    fn quantiles_are_within_one_percent(mut values in proptest::collection::vec(-1e6..1e6_f64, 1..300), share in 0.0..=1.0_f64) {
        let numbers = numbers(values.iter().copied());
        values.sort_by(f64::total_cmp);
        let exact = values[(share * (values.len() - 1) as f64).floor() as usize];
        let found = numbers.quantile(share).unwrap();
        prop_assert!((found - exact).abs() <= 0.010_000_1 * exact.abs() + 1e-9, "{found} for {exact}");
    }

    /// Truncated, changed and invented bytes are an error or some counts, and never a panic or a large allocation.
    #[test]
    fn hostile_bytes_are_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut invented = vec![VERSION];
        invented.extend(bytes);
        let _ = Sketch::decode(&invented);
        let mut sketch = Sketch::default();
        (1..9).for_each(|n| sketch.add(&observation("analysed", &[("noise", f64::from(n)), ("snr", 4.0)])));
        let whole = sketch.encode();
        let place = at.index(whole.len());
        prop_assert!(Sketch::decode(&whole[..place]).is_err());
        let mut changed = whole.clone();
        changed[place] = byte;
        if let Ok(other) = Sketch::decode(&changed) {
            prop_assert!(Sketch::decode(&other.encode()).is_ok());
        }
    }
}

/// 101 values of a skewed row; numpy 2.4: `numpy.quantile(numpy.arange(101)**3 / 7, [.05, .5, .95], method="lower")`.
#[test]
fn quantiles_of_a_known_row() {
    let numbers = numbers((0..=100).map(|n| f64::from(n).powi(3) / 7.0));
    let exact = [125.0 / 7.0, 125_000.0 / 7.0, 857_375.0 / 7.0];
    for (share, exact) in [0.05, 0.5, 0.95].into_iter().zip(exact) {
        let found = numbers.quantile(share).unwrap();
        assert!((found / exact - 1.0).abs() < 0.0101, "{share}: {found} for {exact}");
    }
    assert_eq!((numbers.quantile(0.0), numbers.quantile(1.0)), (Some(0.0), Some(1e6 / 7.0)));
}

/// One value of 1e300 must not take the mean away from the others, and the least and greatest stay those on the axis.
#[test]
fn what_lies_beyond_the_axis_spoils_nothing() {
    let numbers = numbers([1.0, 2.0, 3.0, 1e300, f64::NAN, -1e200]);
    assert_eq!((numbers.n(), numbers.n_invalid(), numbers.mean(), numbers.sd()), (5, 1, Some(2.0), Some(1.0)));
    assert_eq!(
        (numbers.range(), numbers.quantile(1.0), numbers.quantile(0.0)),
        (Some((1.0, 3.0)), Some(1e12), Some(-1e12))
    );
}

/// However many names and values come, a sketch stays small, and says that there were more.
#[test]
fn memory_is_bounded() {
    let mut sketch = Sketch::default();
    for n in 0..2000_u32 {
        let (value, name) = (1.7_f64.powi(n as i32 % 400 - 200), format!("f{:04}", n % 1000));
        let mut one = observation(&format!("d{n}"), &[(name.as_str(), value), ("a", value), ("b", -value)]);
        one.outputs.insert("x".repeat(1000) + &n.to_string(), OutputFact::default());
        sketch.add(&one);
    }
    assert!(sketch.is_cut());
    assert_eq!((sketch.ended().len(), sketch.numbers().len(), sketch.calls().len()), (NAMES_MAX, NAMES_MAX, 1));
    assert_eq!(sketch.numbers()["a"].n(), 2000, "what is kept is exact");
    assert!(sketch.encode().len() < 64_000, "{}", sketch.encode().len());
    assert_eq!(Sketch::decode(&sketch.encode()).unwrap(), sketch);
}

/// A stored format stays readable: these bytes were written by version 1.
#[test]
fn the_format_is_stable() {
    let mut sketch = Sketch::default();
    let mut one = observation("withheld", &[("noise", 12.5)]);
    one.outputs.insert("nodule".to_owned(), OutputFact { score: Some(0.75), present: Some(true) });
    one.outside_envelope = Some(vec!["noise".to_owned()]);
    sketch.add(&one);
    sketch.add(&observation("analysed", &[("noise", 12.75)]));
    let hex: String = sketch.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    insta::assert_snapshot!(hex, @"0100020208616e616c797365640001087769746868656c6410656e76656c6f70652e6f7574736964650101066e6f64756c65010000010101056e6f6973650103056e6f697365250002fc37020000000000402940000000000000a03f000000000000294000000000008029400b72756e3a7365636f6e6473250001f53400000000000000d03f0000000000000000000000000000d03f000000000000d03f0c73636f72653a6e6f64756c650c0001e235000000000000e83f");
}

#[test]
fn a_window_is_months_days_and_hours_at_its_edges() {
    let told = |from, until, coarsest| -> Vec<String> {
        let text = |part: &Part| {
            let [from, until] = [part.from, part.until].map(|at| at.to_string()[..13].to_owned());
            format!("{} {from} {until}", part.level.name())
        };
        parts(at(from), at(until), coarsest).iter().map(text).collect()
    };
    let expected = [
        "hour 2026-01-30T22 2026-01-31T00",
        "day 2026-01-31T00 2026-02-01T00",
        "month 2026-02-01T00 2026-12-01T00",
        "day 2026-12-01T00 2026-12-03T00",
        "hour 2026-12-03T00 2026-12-03T05",
    ];
    assert_eq!(told("2026-01-30T22:10:00Z", "2026-12-03T04:00:01Z", Level::Month), expected);
    assert_eq!(
        told("2026-01-30T22:10:00Z", "2026-01-30T22:11:00Z", Level::Month),
        ["hour 2026-01-30T22 2026-01-30T23"]
    );
    assert_eq!(told("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", Level::Day), ["day 2026-01-01T00 2027-01-01T00"]);
    assert_eq!(told("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", Level::Month), Vec::<String>::new());
}

#[test]
fn weeks_begin_on_monday_and_the_edges_are_shorter() {
    let told: Vec<String> = spans(at("2026-11-26T10:30:00Z"), at("2026-12-08T00:00:00Z"), Slice::Week, 10)
        .iter()
        .map(|span| format!("{} {}", &span.from.to_string()[..13], &span.until.to_string()[..13]))
        .collect();
    assert_eq!(told, ["2026-11-26T10 2026-11-30T00", "2026-11-30T00 2026-12-07T00", "2026-12-07T00 2026-12-08T00"]);
    assert_eq!(spans(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"), Slice::Day, 400).len(), 365);
    assert_eq!(spans(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"), Slice::Month, 400).len(), 12);
    assert_eq!(spans(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"), Slice::Day, 7).len(), 7);
}

/// Values of a normal distribution by its quantiles, so that nothing is drawn.
fn normal(n: u32, mean: f64, sd: f64) -> Numbers {
    let place = |i: u32| (f64::from(i) + 0.5) / f64::from(n);
    numbers((0..n).map(|i| mean + sd * hilum_stats::normal_quantile(place(i))))
}

#[test]
fn a_shift_is_a_distance_and_too_few_are_none() {
    let reference = normal(2000, 12.0, 3.0);
    let same = Distance::between(&reference, &normal(400, 12.0, 3.0)).unwrap();
    assert!(same.jensen_shannon < 0.05 && same.is_by_chance(), "{same:?}");
    let moved = Distance::between(&reference, &normal(400, 15.0, 3.0)).unwrap();
    assert!(0.3 < moved.jensen_shannon && 0.5 < moved.psi && !moved.is_by_chance(), "{moved:?}");
    assert_eq!((moved.n_reference, moved.n), (2000, 400));
    assert_eq!(Distance::between(&reference, &normal(THIN as u32 - 1, 15.0, 3.0)), None);
    // A constant that becomes another one has moved as far as can be.
    let [before, after] = [512.0, 1024.0].map(|value| numbers([value; 100]));
    let gone = Distance::between(&before, &after).unwrap();
    assert!((gone.jensen_shannon - 1.0).abs() < 1e-9 && !gone.is_by_chance(), "{gone:?}");
    let same = Distance::between(&before, &before).unwrap();
    assert_eq!((same.jensen_shannon, same.is_by_chance()), (0.0, true));
}

/// The bound of chance holds: in 1000 windows of 200 that are drawn from the reference it is passed about 50 times.
#[test]
fn the_bound_of_chance_is_kept() {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    let mut draw = |n: usize| {
        let value = |chance: &mut ChaCha8Rng| {
            let place = (chance.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            12.0 + 3.0 * hilum_stats::normal_quantile(place.clamp(1e-12, 1.0 - 1e-12))
        };
        let values: Vec<f64> = (0..n).map(|_| value(&mut chance)).collect();
        numbers(values)
    };
    let mut n_beyond = 0;
    for _ in 0..1000 {
        let (reference, window) = (draw(500), draw(200));
        n_beyond += usize::from(!Distance::between(&reference, &window).unwrap().is_by_chance());
    }
    assert!((25..=75).contains(&n_beyond), "{n_beyond}");
}

#[test]
fn what_moved_is_ranked_and_what_is_thin_is_counted() {
    let build = |n: u32, shift: f64| {
        let mut sketch = Sketch::default();
        for i in 0..n {
            let place = hilum_stats::normal_quantile((f64::from(i) + 0.5) / f64::from(n));
            let features = [("noise", 12.0 + 3.0 * (place + shift)), ("snr", 20.0 + place), ("sharp", 5.0 + place)];
            let mut one = observation("analysed", &features);
            if 20 <= i {
                one.features.remove("sharp");
            }
            sketch.add(&one);
        }
        sketch
    };
    let (found, n_thin) = moved(&build(1000, 0.0), &build(300, 0.5));
    let names: Vec<(&str, bool)> = found.iter().map(|one| (one.name.as_str(), one.distance.is_by_chance())).collect();
    assert_eq!((names[0], n_thin), (("noise", false), 1), "{names:?}");
    assert!(names[1..].iter().all(|(_, by_chance)| *by_chance));
    assert!((found[0].before - 12.0).abs() < 0.2 && (found[0].now - 13.5).abs() < 0.2);
    let said = Summary::of(&build(300, 0.5), &build(1000, 0.0), at("2026-11-27T00:00:00Z"));
    let noise = said.numbers.iter().find(|one| one.name == "noise").unwrap();
    assert_eq!((said.n, noise.n, noise.n_reference), (300, 300, 1000));
    assert!((noise.mean.unwrap() - 13.5).abs() < 0.01 && (noise.sd.unwrap() - 3.0).abs() < 0.05);
    let sharp = said.numbers.iter().find(|one| one.name == "sharp").unwrap();
    assert_eq!((sharp.n, sharp.distance), (20, None));
    let analysed = &said.shares[0];
    assert_eq!((analysed.name.as_str(), analysed.figure.n, analysed.figure.value), ("analysed", 300, 1.0));
    assert!(0.98 < analysed.figure.lower && analysed.figure.lower < 1.0);
}

/// A year of dashboards is a merge of thousands. `crates/hilum-store/examples/scale.rs` holds it against the bar of 50 ms for a
/// thousand of 40 numbers; a test beside others can only print it.
#[test]
fn a_thousand_sketches_are_one() {
    let mut cell = Sketch::default();
    for i in 0..140 {
        let place = hilum_stats::normal_quantile((f64::from(i) + 0.5) / 140.0);
        let names: Vec<String> = (0..40).map(|n| format!("feature_{n:02}")).collect();
        let features: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 12.0 + 3.0 * place)).collect();
        cell.add(&observation("analysed", &features));
    }
    let bytes = cell.encode();
    let begin = std::time::Instant::now();
    let mut whole = Sketch::default();
    (0..1000).for_each(|_| whole.merge_encoded(&bytes, None).unwrap());
    println!("1,000 sketches of 40 numbers, {} bytes each: {:?}", bytes.len(), begin.elapsed());
    assert_eq!((whole.n(), whole.numbers()["feature_07"].n()), (140_000, 140_000));
    assert!(bytes.len() < 6000, "{}", bytes.len());
}
