use super::*;

/// Cases with three features: `noise` and `sharpness`, which go together, and `rows`, which never varies.
fn cases(n: usize, seed: u64) -> Vec<BTreeMap<String, f64>> {
    let mut state = seed;
    let mut normal = || {
        // Twelve uniform draws: near enough to normal.
        let mut sum = -6.0;
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sum += (state >> 11) as f64 / (1u64 << 53) as f64;
        }
        sum
    };
    (0..n)
        .map(|_| {
            let (common, own) = (normal(), normal());
            case(&[("noise", 8.0 + 1.5 * common), ("sharpness", 0.3 + 0.05 * (common + 0.2 * own)), ("rows", 512.0)])
        })
        .collect()
}

fn case(features: &[(&str, f64)]) -> BTreeMap<String, f64> {
    features.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn mv_04_a_study_outside_names_the_values_that_decided() {
    let envelope = Envelope::fit(&cases(300, 1)).unwrap();
    let told = |features: &[(&str, f64)]| envelope.check(&case(features), 0.01).unwrap();
    let inside = told(&[("noise", 8.0), ("sharpness", 0.3), ("rows", 512.0)]);
    assert!(inside.is_inside() && 0.2 < inside.p_value, "{inside:?}");
    let noisy = told(&[("noise", 41.0), ("sharpness", 0.3), ("rows", 512.0)]);
    assert_eq!((noisy.names(), noisy.percentile), (vec!["noise".to_owned()], 100.0));
    let [Outside::Feature { value, lower, upper, .. }] = noisy.outside.as_slice() else { panic!("{noisy:?}") };
    // Six standard deviations at most on either side of 8, the noise having one of 1.5.
    assert!(*value == 41.0 && (-1.0..5.0).contains(lower) && (11.0..17.0).contains(upper), "{}", noisy.sentence());
    assert!(noisy.sentence().starts_with("noise 41 against "), "{}", noisy.sentence());
    assert!((noisy.p_value - 1.0 / 301.0).abs() < 1e-12);
    let small = told(&[("noise", 8.0), ("sharpness", 0.3), ("rows", 64.0)]);
    assert_eq!(small.names(), ["rows"]);
    // Each is usual by itself, and much noise never came with little sharpness.
    let odd = told(&[("noise", 10.5), ("sharpness", 0.22), ("rows", 512.0)]);
    assert_eq!(odd.names(), ["joint"], "{odd:?}");
    assert!(odd.sentence().contains("do not go together"), "{}", odd.sentence());
    let unstated = told(&[("noise", 8.0), ("sharpness", 0.3)]);
    assert_eq!(unstated.sentence(), "rows is not stated, and every reference case has it");
}

#[test]
fn the_declared_rate_is_kept_on_fresh_cases() {
    let (mut outside, mut n) = (0, 0);
    for seed in 1..=60 {
        let envelope = Envelope::fit(&cases(150, seed)).unwrap();
        for fresh in cases(150, 1000 + seed) {
            outside += u32::from(!envelope.check(&fresh, 0.05).unwrap().is_inside());
            n += 1;
        }
    }
    let rate = f64::from(outside) / f64::from(n);
    assert!((0.03..=0.06).contains(&rate), "{rate}");
}

#[test]
fn too_few_cases_say_how_many_are_needed() {
    assert_eq!((cases_needed(0.01), cases_needed(0.02), cases_needed(0.5)), (Ok(99), Ok(49), Ok(20)));
    let few = Envelope::fit(&cases(60, 3)).unwrap();
    assert!(few.limit(0.02).is_ok());
    let refusal = few.check(&cases(1, 4)[0], 0.01).unwrap_err();
    assert_eq!(refusal, EnvelopeError::Insufficient { n: 60, needed: 99, rate: 0.01 });
    assert!(refusal.to_string().contains("needs at least 99 measured cases in the reference set, it has 60"));
    assert!(matches!(Envelope::fit(&cases(19, 5)), Err(EnvelopeError::Insufficient { n: 19, needed: 20, .. })));
    assert!(Envelope::fit(&cases(99, 5)).unwrap().limit(0.01).is_ok());
    for rate in [0.0, -1.0, 0.6, f64::NAN, f64::INFINITY] {
        assert!(matches!(few.limit(rate), Err(EnvelopeError::Rate(_))), "{rate}");
    }
    assert!(matches!(cases_needed(1e-300), Ok(1_000_000_000)));
}

#[test]
fn a_feature_that_some_cases_lack_is_left_out_and_said() {
    let mut some = cases(40, 6);
    some[7].insert("spacing_row".to_owned(), 0.1);
    let envelope = Envelope::fit(&some).unwrap();
    assert_eq!(envelope.left_out, ["spacing_row"]);
    assert_eq!(envelope.features.len(), 3);
    assert_eq!(Envelope::fit(&vec![BTreeMap::new(); 40]), Err(EnvelopeError::NothingInCommon));
    some[8].insert("noise".to_owned(), f64::NAN);
    assert_eq!(Envelope::fit(&some), Err(EnvelopeError::NotFinite("noise".to_owned())));
}

#[test]
fn it_is_stored_and_read_again_without_loss() {
    let envelope = Envelope::fit(&cases(120, 7)).unwrap();
    let text = serde_json::to_string(&envelope).unwrap();
    let again: Envelope = serde_json::from_str(&text).unwrap();
    assert_eq!(again, envelope);
    assert_eq!(Envelope::fit(&cases(120, 7)).unwrap(), envelope, "the same cases give the same envelope");
    let refused = |mut envelope: Envelope, change: fn(&mut Envelope)| {
        change(&mut envelope);
        envelope.check(&cases(1, 8)[0], 0.05).unwrap_err().to_string()
    };
    assert!(refused(again.clone(), |e| e.format = 2).contains("another version"));
    assert!(refused(again.clone(), |e| e.precision.truncate(5)).contains("do not fit"));
    assert!(refused(again, |e| e.scores.clear()).contains("insufficient"));
}

#[test]
fn features_that_never_vary_are_still_compared_one_by_one() {
    let same = vec![case(&[("rows", 512.0), ("border", 0.0)]); 100];
    let envelope = Envelope::fit(&same).unwrap();
    let check = |rows, border| envelope.check(&case(&[("rows", rows), ("border", border)]), 0.01).unwrap();
    assert!(check(512.0, 0.0).is_inside());
    assert!(!check(1024.0, 0.0).is_inside() && !check(512.0, 0.5).is_inside());
}

#[test]
fn three_digits_count() {
    let shown: Vec<String> = [0.0, 41.0, 41.234, 0.012_345, 1234.5, -0.5, 3.0].map(super::check::short).to_vec();
    assert_eq!(shown, ["0", "41", "41.2", "0.0123", "1234", "-0.5", "3"]);
}

#[test]
fn values_at_the_edge_of_numbers_are_far_outside_and_nothing_else() {
    let envelope = Envelope::fit(&cases(120, 9)).unwrap();
    for value in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, -0.0] {
        let found = envelope.check(&case(&[("noise", value), ("sharpness", value), ("rows", 512.0)]), 0.01).unwrap();
        assert!(!found.is_inside() && !found.score.is_nan(), "{value}: {found:?}");
    }
}

/// Going back from B to the A before it is an entry of its own, and learning again what is in force is none.
#[test]
fn an_envelope_that_returns_is_in_force_again() {
    let learned = |seed| EnvelopeRecord {
        format: 1,
        package: hilum_types::Digest::of(b"package"),
        model: "cxr".to_owned(),
        version: "1.0.0".to_owned(),
        reference_set: hilum_types::Digest::of(b"set"),
        supersedes: None,
        n_not_eligible: 0,
        n_not_measured: 0,
        groups: BTreeMap::new(),
        envelope: Envelope::fit(&cases(120, seed)).unwrap(),
        embedding: None,
    };
    let text = |record: &EnvelopeRecord| serde_json::to_string(record).unwrap();
    let digest = |record: &EnvelopeRecord| hilum_types::Digest::of(text(record).as_bytes());
    let first = learned(1).after(None).unwrap();
    assert!(
        !text(&first).contains("supersedes") && !text(&first).contains("embedding"),
        "records of the first release stay what they are"
    );
    let held: EnvelopeRecord = serde_json::from_str(&text(&first)).unwrap();
    assert_eq!(learned(1).after(Some((digest(&first), Some(&held)))), None);
    let second = learned(2).after(Some((digest(&first), Some(&held)))).unwrap();
    let third = learned(1).after(Some((digest(&second), Some(&second)))).unwrap();
    assert_eq!((third.supersedes, third.envelope == first.envelope), (Some(digest(&second)), true));
    assert_ne!(digest(&third), digest(&first));
    assert_eq!(learned(1).after(Some((digest(&third), Some(&third)))), None);
    assert!(learned(1).after(Some((digest(&third), None))).is_some(), "one that cannot be read is replaced");
}
