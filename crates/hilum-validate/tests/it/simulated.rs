//! Binormal cases by seed, and protocols to judge them by. Shared with `examples/gate_simulation.rs`.

use hilum_types::{Digest, Timestamp};
use hilum_validate::report::{Report, Verdict};
use hilum_validate::{
    AcceptanceProtocol, Case, EvaluationInput, Exposure, FrozenProtocol, ModelIdentity, Outcome, ReferenceSetIdentity,
    RunFacts, evaluate,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::collections::BTreeMap;

/// Normal draws.
pub(crate) struct Draws {
    generator: ChaCha8Rng,
    spare: Option<f64>,
}

impl Draws {
    pub(crate) fn new(seed: u64) -> Draws {
        Draws { generator: ChaCha8Rng::seed_from_u64(seed), spare: None }
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        let radius = (-2.0 * u.ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * v).sin_cos();
        self.spare = Some(radius * sine);
        radius * cosine
    }
}

/// Two versions of a model whose normal scores correlate by `correlation` within a class.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Versions {
    pub(crate) champion: f64,
    pub(crate) challenger: f64,
    pub(crate) correlation: f64,
}

/// Distance of the class means of normal scores with that AUROC: sqrt(2) times the normal quantile, by Newton's method on
/// the distribution function, which keeps this file free of the code it tests.
pub(crate) fn separation(auroc: f64) -> f64 {
    let mut z = 0.0_f64;
    for _ in 0..60 {
        z -= (distribution(z) - auroc) / ((-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt());
    }
    std::f64::consts::SQRT_2 * z
}

/// Normal distribution function by Simpson's rule from 0.
fn distribution(z: f64) -> f64 {
    let (n, density) = (2000_u32, |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt());
    let step = z / f64::from(n);
    let weight = |k: u32| {
        if k == 0 || k == n {
            1.0
        } else if k % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    0.5 + (0..=n).map(|k| weight(k) * density(f64::from(k) * step)).sum::<f64>() * step / 3.0
}

/// `positives` and `negatives` in each of the groups `g0`, `g1`, ... of the column `group`, one case a patient.
pub(crate) fn cases(draws: &mut Draws, versions: Versions, positives: u32, negatives: u32, n_groups: u32) -> Vec<Case> {
    let shifts = (separation(versions.champion), separation(versions.challenger));
    let own_part = (1.0 - versions.correlation * versions.correlation).sqrt();
    let mut cases = Vec::new();
    for group in 0..n_groups {
        for number in 0..positives + negatives {
            let present = number < positives;
            let champion = draws.normal();
            let challenger = versions.correlation * champion + own_part * draws.normal();
            let shift = |score: f64, by: f64| if present { score + by } else { score };
            let id = format!("g{group}-{number:05}");
            cases.push(Case {
                patient: id.clone(),
                id,
                label: Some(if present { "yes" } else { "no" }.to_owned()),
                exposure: Exposure::Unexposed,
                attributes: BTreeMap::from([("group".to_owned(), format!("g{group}"))]),
                outcome: Outcome::score(shift(challenger, shifts.1)),
                champion: Some(Outcome::score(shift(champion, shifts.0))),
            });
        }
    }
    cases
}

/// A frozen protocol from the part of the file that says what is asked.
pub(crate) fn frozen(asked: &str) -> FrozenProtocol {
    let text = format!(
        "format = 1\nname = \"simulated\"\nversion = 1\npurpose = \"to be measured\"\nreference_set = \"{}\"\n\
         target = {{ finding = \"finding\", positive = [\"yes\"], negative = [\"no\"] }}\n{asked}",
        reference_set()
    );
    let protocol = AcceptanceProtocol::parse(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    FrozenProtocol::new(protocol, 1, false, None).expect("version 1 is the next one")
}

pub(crate) fn reference_set() -> Digest {
    Digest::of(b"the cases")
}

pub(crate) fn model(name: &str, threshold: Option<f64>) -> ModelIdentity {
    ModelIdentity { name: name.to_owned(), version: "1.0".to_owned(), package: Digest::of(name.as_bytes()), threshold }
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub(crate) fn input<'a>(protocol: &'a FrozenProtocol, cases: &'a [Case]) -> EvaluationInput<'a> {
    let compared = cases.iter().any(|case| case.champion.is_some());
    EvaluationInput {
        protocol,
        protocol_record: Digest::of(b"the protocol"),
        frozen_by: "clinical-lead".to_owned(),
        frozen_at: time("2026-11-20T08:00:00Z"),
        model: model("challenger", Some(0.5)),
        champion: compared.then(|| model("champion", Some(0.5))),
        reference_set: ReferenceSetIdentity {
            record: reference_set(),
            name: "simulated".to_owned(),
            label_source: "drawn by seed".to_owned(),
            earlier_runs: 0,
        },
        cases,
        waivers: &[],
        knowingly: true,
        run: RunFacts {
            at: time("2026-11-24T10:30:00Z"),
            by: "physicist".to_owned(),
            software: "0.1.0".to_owned(),
            engine: "none".to_owned(),
        },
    }
}

/// The non-inferiority gate of `lifecycle.md`, section 3: AUROC, margin 0.02, one-sided 2.5 %.
pub(crate) const NON_INFERIORITY: &str = r#"
[interval]
bootstrap_resamples = 200
[[criterion]]
name = "not-worse"
metric = "auroc"
comparator = "champion"
margin = 0.02
"#;

/// Share of `repetitions` in which the real gate passes.
pub(crate) fn pass_rate(seed: u64, versions: Versions, positives: u32, negatives: u32, repetitions: u32) -> f64 {
    let protocol = frozen(NON_INFERIORITY);
    let mut draws = Draws::new(seed);
    let mut passed = 0;
    for _ in 0..repetitions {
        let cases = cases(&mut draws, versions, positives, negatives, 1);
        let report = evaluate(&input(&protocol, &cases)).expect("simulated cases are in order");
        passed += u32::from(report.verdict == Verdict::Pass);
    }
    f64::from(passed) / f64::from(repetitions)
}

/// Twelve groups with a margin of 0.05: a criterion on each alone, whatever its size, and the subgroup rule beside it.
pub(crate) fn twelve_groups() -> FrozenProtocol {
    let mut asked = "[interval]\nbootstrap_resamples = 200\n".to_owned();
    for group in 0..12 {
        asked.push_str(&format!(
            "[[criterion]]\nname = \"g{group}\"\nmetric = \"auroc\"\nslice = \"group=g{group}\"\ncomparator = \"champion\"\n\
             margin = 0.05\nmin_pos = 2\nmin_neg = 2\n"
        ));
    }
    asked.push_str(
        "[[subgroup]]\nattribute = \"group\"\nmetric = \"auroc\"\ncomparator = \"champion\"\nmargin = 0.05\n",
    );
    frozen(&asked)
}

/// What twelve groups of one size come to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct GroupRates {
    /// Groups that prove non-inferiority.
    pub(crate) non_inferior: f64,
    /// Evaluations in which all twelve do.
    pub(crate) all_non_inferior: f64,
    /// Groups with a significant drop.
    pub(crate) dropped: f64,
    /// Groups whose estimate lies below minus the margin.
    pub(crate) below_margin: f64,
    /// Groups that pass the rule their size takes.
    pub(crate) rule_passes: f64,
    /// Groups that read "insufficient".
    pub(crate) insufficient: f64,
}

pub(crate) fn group_rates(
    seed: u64,
    versions: Versions,
    positives: u32,
    negatives: u32,
    repetitions: u32,
) -> GroupRates {
    let protocol = twelve_groups();
    let mut draws = Draws::new(seed);
    let mut rates = GroupRates::default();
    for _ in 0..repetitions {
        let cases = cases(&mut draws, versions, positives, negatives, 12);
        let report: Report = evaluate(&input(&protocol, &cases)).expect("simulated cases are in order");
        let share = |n: usize| n as f64 / 12.0 / f64::from(repetitions);
        let non_inferior = report.criteria.iter().filter(|result| result.verdict == Verdict::Pass).count();
        let figures = || report.criteria.iter().filter_map(|result| result.judged.figure());
        let groups = |verdict: Verdict| report.subgroups.iter().filter(|group| group.verdict == verdict).count();
        rates.non_inferior += share(non_inferior);
        rates.all_non_inferior += if non_inferior == 12 { 1.0 / f64::from(repetitions) } else { 0.0 };
        rates.dropped += share(figures().filter(|figure| figure.upper < 0.0).count());
        rates.below_margin += share(figures().filter(|figure| figure.value <= -0.05).count());
        rates.rule_passes += share(groups(Verdict::Pass));
        rates.insufficient += share(groups(Verdict::Insufficient));
    }
    rates
}
