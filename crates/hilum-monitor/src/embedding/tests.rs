use super::*;
use crate::envelope::Envelope;
use hilum_stats::chance::Chance;

/// Vectors of `d` numbers with a few strong directions, the rest noise of standard deviation 1.
fn vectors(n: usize, d: usize, strengths: &[f64], seed: u64) -> Vec<Vec<f32>> {
    let mut chance = Chance::new(seed, 0);
    let vector = |_| {
        let strong: Vec<f64> = strengths.iter().map(|strength| strength * chance.normal()).collect();
        let value = |place: usize| {
            let along: f64 =
                strong.iter().enumerate().map(|(k, s)| if place % strong.len() == k { *s } else { 0.0 }).sum();
            (5.0 + along + chance.normal()) as f32
        };
        (0..d).map(value).collect()
    };
    (0..n).map(vector).collect()
}

fn reference(vectors: &[Vec<f32>]) -> ReferenceVectors {
    let mut reference = ReferenceVectors::default();
    vectors.iter().for_each(|vector| reference.add(vector).unwrap());
    reference
}

#[test]
fn components_are_orthonormal_ordered_and_always_the_same() {
    let of = vectors(400, 40, &[4.0, 3.0, 2.0], 1);
    let (found, features) = Embedding::fit(&reference(&of)).unwrap();
    assert_eq!((found.variances.len(), found.has_rest, features.len()), (8, true, 400));
    assert!(found.variances.windows(2).all(|pair| pair[1] <= pair[0]));
    let components: Vec<&[f32]> = found.components.chunks(40).collect();
    for (i, a) in components.iter().enumerate() {
        assert!(0.0 < a.iter().copied().fold(0.0f32, |most, v| if most.abs() < v.abs() { v } else { most }));
        for (j, b) in components.iter().enumerate() {
            let dot: f64 = a.iter().zip(*b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-6, "{i} {j}: {dot}");
        }
    }
    // What is projected has mean 0 and the variance that is stated.
    let first: Vec<f64> = features.iter().map(|case| case["embedding_1"]).collect();
    let mean = first.iter().sum::<f64>() / 400.0;
    let variance = first.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 399.0;
    assert!(mean.abs() < 1e-5 && (variance / found.variances[0] - 1.0).abs() < 1e-5);
    assert_eq!(Embedding::fit(&reference(&of)).unwrap().0, found);
    let again: Embedding = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert_eq!(again.features(&of[7]).unwrap()["embedding_3"], features[7]["embedding_3"]);
}

/// Of 150 cases with 128 numbers the components take up much of what is noise: measured on the cases they were learned from,
/// the rest would be too small, and every new study outside.
#[test]
fn new_studies_of_the_same_kind_are_inside() {
    let (mut outside, mut n) = (0, 0);
    for seed in 0..6 {
        let (found, features) = Embedding::fit(&reference(&vectors(150, 128, &[3.0], seed))).unwrap();
        let envelope = Envelope::fit(&features).unwrap();
        for vector in vectors(150, 128, &[3.0], 100 + seed) {
            outside += u32::from(!envelope.check(&found.features(&vector).unwrap(), 0.05).unwrap().is_inside());
            n += 1;
        }
    }
    let rate = f64::from(outside) / f64::from(n);
    assert!(rate <= 0.07, "{rate}");
}

/// What moved in a direction that no reference case has is in no projection; it is in the rest.
#[test]
fn what_no_reference_case_has_is_outside() {
    let (found, features) = Embedding::fit(&reference(&vectors(200, 64, &[4.0, 3.0], 5))).unwrap();
    let envelope = Envelope::fit(&features).unwrap();
    let mut odd = vectors(1, 64, &[4.0, 3.0], 6).remove(0);
    (odd[0], odd[2]) = (odd[0] + 14.0, odd[2] - 14.0);
    let check = envelope.check(&found.features(&odd).unwrap(), 0.01).unwrap();
    assert!(check.names().contains(&"embedding_rest".to_owned()), "{:?}", check.names());
    let mut along = vectors(1, 64, &[4.0, 3.0], 7).remove(0);
    along.iter_mut().step_by(2).for_each(|value| *value += 30.0);
    let check = envelope.check(&found.features(&along).unwrap(), 0.01).unwrap();
    assert_eq!(check.names()[0], "embedding_1");
}

#[test]
fn vectors_that_cannot_be_used_say_why() {
    let mut some = ReferenceVectors::default();
    some.add(&[1.0, 2.0]).unwrap();
    assert_eq!(some.add(&[1.0]), Err(EmbeddingError::Length { found: 1, expected: 2 }));
    assert_eq!(some.add(&[1.0, f32::NAN]), Err(EmbeddingError::NotFinite(2)));
    assert_eq!(ReferenceVectors::default().add(&[0.0; 1025]), Err(EmbeddingError::TooLong(1025)));
    assert_eq!(Embedding::fit(&some).unwrap_err(), EmbeddingError::TooFew(1));
    assert_eq!(Embedding::fit(&ReferenceVectors::default()).unwrap_err(), EmbeddingError::TooFew(0));
    assert_eq!(Embedding::fit(&reference(&vec![vec![3.0; 5]; 50])).unwrap_err(), EmbeddingError::Constant);
    let (found, _) = Embedding::fit(&reference(&vectors(60, 6, &[2.0], 2))).unwrap();
    assert_eq!(found.features(&[0.0; 7]), Err(EmbeddingError::Length { found: 7, expected: 6 }));
    assert_eq!(found.features(&[f32::INFINITY; 6]), Err(EmbeddingError::NotFinite(1)));
    assert!(found.features(&[f32::MAX; 6]).unwrap().values().all(|value| value.is_finite()));
    let cut = Embedding { components: Vec::new(), ..found.clone() };
    assert_eq!(cut.features(&[0.0; 6]), Err(EmbeddingError::Stored));
    // As many components as numbers: nothing is left.
    assert!(!found.has_rest && found.variances.len() == 6);
    // Numbers that never vary, and one that is another's double: fewer components than were asked for.
    let flat: Vec<Vec<f32>> =
        vectors(90, 1, &[1.0], 3).into_iter().map(|one| vec![one[0], 2.0 * one[0], 7.0, 7.0]).collect();
    let (found, features) = Embedding::fit(&reference(&flat)).unwrap();
    assert_eq!((found.variances.len(), found.has_rest, features[0].len()), (1, false, 1));
}

#[test]
fn runs_of_one_study_are_averaged() {
    assert_eq!(vector_of(&[]), Ok(None));
    assert_eq!(vector_of(&[vec![]]), Ok(None));
    assert_eq!(vector_of(&[vec![1.0, 2.0], vec![3.0, 2.0]]), Ok(Some(vec![2.0, 2.0])));
    assert_eq!(vector_of(&[vec![1.0], vec![3.0, 2.0]]), Err(EmbeddingError::Length { found: 2, expected: 1 }));
    assert_eq!(vector_of(&[vec![f32::NAN]]), Err(EmbeddingError::NotFinite(1)));
    assert_eq!(vector_of(&[vec![0.0; 2000]]), Err(EmbeddingError::TooLong(2000)));
}
