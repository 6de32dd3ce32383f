use super::*;
use crate::figures::{FigureInput, figures};
use crate::{LabelSource, OutputFact};
use hilum_stats::imperfect_labels::ExtractorError;
use hilum_types::{Digest, Exposure};
use proptest::prelude::*;

fn at(seconds: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap().plus_seconds(seconds)
}

fn observation(n: usize, disposition: &str, said: Option<bool>) -> Observation {
    let mut observation = Observation::bare("cxr", Digest::of(b"v1"));
    observation.study_key = format!("s{n}");
    observation.revision = 1;
    observation.event_at = at(n as i64);
    observation.disposition = disposition.to_owned();
    observation.attributes.insert("station".to_owned(), format!("CT{}", n % 3));
    observation.outputs.insert("nodule".to_owned(), OutputFact { score: None, present: said });
    observation.outside_envelope = n.is_multiple_of(2).then(|| vec!["noise".to_owned(); n % 3]);
    observation
}

fn label(observation: &Observation, number: usize, draw: [u8; 5]) -> LabelledObservation {
    let [truth, source, class, agreement, drawn] = draw;
    let label = Label {
        key: format!("l{number:04}"),
        study_key: observation.study_key.clone(),
        revision: 1,
        deployment: "cxr".to_owned(),
        finding: if number.is_multiple_of(5) { "effusion" } else { "nodule" }.to_owned(),
        truth: [Truth::Present, Truth::Absent, Truth::Uncertain][usize::from(truth % 3)],
        agreement: [None, Some(Agreement::Agree), Some(Agreement::Disagree)][usize::from(agreement % 3)],
        source: [LabelSource::Assessment, LabelSource::Report, LabelSource::Adjudication, LabelSource::FollowUp]
            [usize::from(source % 4)],
        extractor: (source % 4 == 1).then(|| "words 1".to_owned()),
        extractor_measured: class.is_multiple_of(2),
        exposure: Exposure::Unknown,
        independence: Some(Independence::ALL[usize::from(class % 4)]),
        inclusion_probability: [None, Some(0.05), Some(1.0)].get(usize::from(drawn % 3)).copied().flatten(),
        event_at: observation.event_at,
        decided_at: None,
        // Two may be entered at once.
        recorded_at: at(10_000 + number as i64 / 2),
        by: "user:anna".to_owned(),
    };
    LabelledObservation { label, observation: observation.clone() }
}

/// The error of the extractor that a quarter of the labels come from.
fn extractors() -> [MeasuredExtractor; 1] {
    let error = ExtractorError { true_positives: 90, positives: 100, true_negatives: 190, negatives: 200 };
    [MeasuredExtractor { finding: "nodule".to_owned(), extractor: "words 1".to_owned(), error }]
}

/// What figures say without their numbers, and their numbers, three of each.
fn said(figures: &[NamedFigure]) -> (Vec<String>, Vec<f64>) {
    let text = |one: &NamedFigure| {
        let Figure { n, method, label_classes, .. } = &one.figure;
        let (name, finding, cut, validated) = (one.name, &one.finding, &one.cut, (one.validated, one.uncorrected));
        format!("{name:?} {finding} {cut} {validated:?} {n} {method} {label_classes:?}")
    };
    let numbers = |one: &NamedFigure| [one.figure.value, one.figure.lower, one.figure.upper];
    (figures.iter().map(text).collect(), figures.iter().flat_map(numbers).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is entered in whatever order: figures from counts kept label by label are those from the rows.
    #[test]
    fn figures_from_counts_are_those_from_the_rows(
        ended in proptest::collection::vec((0_usize..4, 0_usize..3), 1..20),
        drawn in proptest::collection::vec((0_usize..20, any::<[u8; 5]>()), 0..60),
    ) {
        let dispositions = ["analysed", "failed", "withheld", "not_eligible"];
        let answers = [None, Some(false), Some(true)];
        let observations: Vec<Observation> = ended
            .iter()
            .enumerate()
            .map(|(n, (disposition, said))| observation(n, dispositions[*disposition], answers[*said]))
            .collect();
        let labelled: Vec<LabelledObservation> = drawn
            .iter()
            .enumerate()
            .map(|(number, (study, draw))| label(&observations[study % observations.len()], number, *draw))
            .collect();
        let (mut whole, mut stations) = (Counts::default(), BTreeMap::<String, Counts>::new());
        let mut enter = |observation: &Observation, counts: &Counts, times| {
            // Through the stored form, as the catalog does it.
            let counts = Counts::decode(&counts.encode()).unwrap();
            whole.add(&counts, times);
            stations.entry(observation.attributes["station"].clone()).or_default().add(&counts, times);
        };
        for observation in &observations {
            enter(observation, &Counts::of(observation), 1);
        }
        for n in 0..labelled.len() {
            let study = &labelled[n].label.study_key;
            let of_study = |n| -> Vec<LabelledObservation> {
                labelled[..n].iter().filter(|one| one.label.study_key == *study).cloned().collect()
            };
            for (observation, counts) in label_counts(&of_study(n)) {
                enter(observation, &counts, -1);
            }
            for (observation, counts) in label_counts(&of_study(n + 1)) {
                enter(observation, &counts, 1);
            }
        }
        prop_assert_eq!(&whole, &Counts::of_rows(&observations, &labelled));
        prop_assert_eq!((whole.n_observations(), whole.n_labels()), (observations.len() as u64, labelled.len() as u64));
        let input = FigureInput {
            observations: &observations,
            labelled: &labelled,
            extractors: &extractors(),
            as_of: at(99_999),
        };
        let from_rows = figures(&input, Some("station")).unwrap();
        let from_counts = figures_of_counts(&whole, Some(("station", &stations)), &extractors(), at(99_999)).unwrap();
        let ((words, numbers), (words_of_rows, numbers_of_rows)) = (said(&from_counts), said(&from_rows));
        prop_assert_eq!(words, words_of_rows);
        // Sums of weights depend on their order in the last digit.
        let is_same = numbers.iter().zip(&numbers_of_rows).all(|(a, b)| (a - b).abs() < 1e-12);
        prop_assert!(is_same, "{numbers:?} {numbers_of_rows:?}");
    }

    /// Invented bytes are an error or some counts, whose figures are made or refused.
    #[test]
    fn hostile_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut versioned = vec![VERSION];
        versioned.extend(&bytes);
        if let Ok(counts) = Counts::decode(&versioned) {
            let _ = counts.figures("", &extractors(), at(0));
            prop_assert_eq!(Counts::decode(&counts.encode()).map(|counts| counts.n_labels()), Ok(counts.n_labels()));
        }
    }
}
