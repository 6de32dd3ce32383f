//! Faults measured: every case of a reference set untouched and with each fault, through the gate, the preparation, the
//! measuring, the model and its calibration that a study in production takes (MV-45). Nothing is entered.

use super::case::{CaseInput, Parts, ask_gate, instances_of, read};
use super::pixels::PixelChange;
use super::{Place, Progress, Subject, TrialError};
use crate::reference::{find_set, refuse_overlap};
use crate::runner::describe;
use hilum_dicom::{Limits, read_part10_header};
use hilum_infer::{InferenceOutcome, RunSettings};
use hilum_monitor::embedding::{EmbeddingError, vector_of};
use hilum_monitor::envelope::EnvelopeRecord;
use hilum_monitor::rehearsal::{CaseAnswer, CaseEnd, CaseTruth, Experiment, Fault, FaultKind, FaultPair, Measurement};
use hilum_registry::Deployment;
use hilum_stats::chance::Chance;
use hilum_store::acquisition::envelope_of;
use hilum_store::records::Package;
use hilum_types::{Digest, Presence, StudyFacts, Timestamp};
use hilum_validate::protocol::Target;
use hilum_validate::{CaseList, Exposure, ListedCase};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// What to measure.
pub struct FaultRequest {
    /// Name or digest of the reference set.
    pub reference_set: String,
    /// Whose intended use, operating points and envelope hold.
    pub used_in: Deployment,
    /// Its package.
    pub model: Package,
    /// The finding, and which reference labels mean that it is there.
    pub target: Target,
    /// The faults; those that are none of pixels, and swaps without a package, come back as they are.
    pub faults: Vec<Fault>,
    /// What answers instead, by the name of a fault that swaps the model.
    pub swaps: BTreeMap<String, Package>,
    /// Seed of the noise.
    pub seed: u64,
}

/// How a case is answered with a fault.
enum Change {
    /// Other images.
    Pixels(PixelChange),
    /// Another package.
    Package(Box<Subject>),
}

/// A fault that is measured: its place among all, and what it is.
struct Measured {
    place: usize,
    name: String,
    change: Change,
}

/// Everything that is the same for every case.
struct Bench {
    subject: Subject,
    measured: Vec<Measured>,
    envelope: Option<(EnvelopeRecord, f64)>,
    finding: String,
    seed: u64,
    now: Timestamp,
}

/// A case: untouched, and with each fault, or why it cannot have that fault.
struct Answers {
    untouched: CaseAnswer,
    faulty: Vec<Result<CaseAnswer, String>>,
}

/// Measure what faults do to the cases of a reference set. The same seed gives the same figures.
///
/// # Errors
/// [`TrialError::Refused`] when no fault can be measured, a size has no meaning on pixels, or no case has a usable label of
/// each kind; [`TrialError::Unmeasured`] when no case shows a fault; as [`super::compare`] for the rest.
pub async fn measure_faults(
    place: &Place,
    request: &FaultRequest,
    progress: &Arc<dyn Progress>,
) -> Result<Vec<Fault>, TrialError> {
    let (set, list) = find_set(&*place.catalog, &request.reference_set).await?;
    check_labels(&list, &request.target)?;
    let bench = Arc::new(bench(place, request).await?);
    for model in [&request.model].into_iter().chain(request.swaps.values()) {
        refuse_overlap(&*place.catalog, &list, &model.name).await?;
    }
    progress.begin(&format!("faults on {}", list.name), list.cases.len());
    let answers = run_all(place, &bench, &list, progress).await?;
    let mut faults = request.faults.clone();
    for (order, measured) in bench.measured.iter().enumerate() {
        let (mut pairs, mut n_left_out, mut left_out_because) = (Vec::new(), 0, None);
        for (case, answers) in list.cases.iter().zip(&answers) {
            if answers.untouched.ended != CaseEnd::Analysed {
                n_left_out += 1;
                continue;
            }
            match &answers.faulty[order] {
                Ok(faulty) => pairs.push(FaultPair {
                    truth: truth_of(case, &request.target),
                    untouched: answers.untouched.clone(),
                    faulty: faulty.clone(),
                }),
                Err(why) => {
                    n_left_out += 1;
                    left_out_because.get_or_insert_with(|| why.clone());
                }
            }
        }
        let experiment = Experiment {
            change: measured.change.words(),
            reference_set: set.digest,
            package: request.model.digest,
            finding: request.target.finding.clone(),
            seed: request.seed,
            n_left_out,
            left_out_because,
        };
        faults[measured.place].measured = Some(Box::new(Measurement::of(experiment, &pairs, bench.now)?));
    }
    Ok(faults)
}

impl Change {
    fn words(&self) -> String {
        match self {
            Change::Pixels(change) => change.to_string(),
            Change::Package(subject) => {
                format!("answered by {}, package {}", subject.title(), subject.package.digest.short())
            }
        }
    }
}

/// Load every package that answers.
async fn bench(place: &Place, request: &FaultRequest) -> Result<Bench, TrialError> {
    let (now, nothing, used_in) = (place.clock.now(), BTreeMap::new(), Some(&request.used_in));
    let load = |package: &Package| Subject::load(&place.models, package.clone(), used_in, &nothing, now);
    let mut measured = Vec::new();
    for (place, fault) in request.faults.iter().enumerate() {
        let change = match (request.swaps.get(&fault.name), fault.kind) {
            (Some(package), FaultKind::ModelSwap) => {
                let subject = load(package).await?;
                subject.operating_point(&request.target.finding)?;
                Change::Package(Box::new(subject))
            }
            _ => match PixelChange::of(fault).map_err(TrialError::Refused)? {
                Some(change) => Change::Pixels(change),
                None => continue,
            },
        };
        measured.push(Measured { place, name: fault.name.clone(), change });
    }
    if measured.is_empty() {
        let why = "no fault changes pixels or names a package that answers instead, so that images show nothing";
        return Err(TrialError::Refused(why.to_owned()));
    }
    let subject = load(&request.model).await?;
    subject.operating_point(&request.target.finding)?;
    let rate = request.used_in.spec.envelope().cloned().unwrap_or_default().false_withhold_rate;
    let on_file = envelope_of(&*place.catalog, &request.model.digest).await?;
    let envelope = on_file.and_then(|(_, record)| record).map(|record| (record, rate));
    let finding = request.target.finding.clone();
    Ok(Bench { subject, measured, envelope, finding, seed: request.seed, now })
}

/// Every case in the order of the list, several at once.
async fn run_all(
    place: &Place,
    bench: &Arc<Bench>,
    list: &CaseList,
    progress: &Arc<dyn Progress>,
) -> Result<Vec<Answers>, TrialError> {
    let inputs: Arc<Vec<CaseInput>> = Arc::new(list.cases.iter().map(CaseInput::of).collect::<Result<_, _>>()?);
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..place.n_workers.clamp(1, 64) {
        let (bench, blobs, progress) = (bench.clone(), place.blobs.clone(), progress.clone());
        let (inputs, next) = (inputs.clone(), next.clone());
        workers.spawn(async move {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(input) = inputs.get(at) else { return Ok::<_, TrialError>(done) };
                let (facts, parts) = read(input, &*blobs).await?;
                let (bench, id) = (bench.clone(), input.id.clone());
                let running = tokio::task::spawn_blocking(move || bench.answers(&id, &facts, &parts));
                done.push((at, running.await.map_err(|_panicked| TrialError::Defect)?));
                progress.done();
            }
        });
    }
    let mut answers = BTreeMap::new();
    while let Some(ended) = workers.join_next().await {
        answers.extend(ended.map_err(|_panicked| TrialError::Defect)??);
    }
    Ok(answers.into_values().collect())
}

impl Bench {
    fn answers(&self, id: &str, facts: &StudyFacts, parts: &Parts) -> Answers {
        let untouched = self.answer(&self.subject, facts, parts);
        if untouched.ended != CaseEnd::Analysed {
            return Answers { untouched, faulty: Vec::new() };
        }
        let with = |measured: &Measured| -> Result<CaseAnswer, String> {
            match &measured.change {
                Change::Package(subject) => Ok(self.answer(subject, facts, parts)),
                Change::Pixels(change) => {
                    let (facts, parts) = self.changed(*change, &measured.name, id, parts)?;
                    Ok(self.answer(&self.subject, &facts, &parts))
                }
            }
        };
        let faulty = self.measured.iter().map(with).collect();
        Answers { untouched, faulty }
    }

    /// The study as it would have come with this fault, or why it cannot have it.
    fn changed(
        &self,
        change: PixelChange,
        fault: &str,
        id: &str,
        parts: &Parts,
    ) -> Result<(StudyFacts, Parts), String> {
        let (mut changed, mut headers) = (Parts::new(), Vec::new());
        for (uid, (bytes, object)) in parts {
            // Each image has draws of its own, whichever worker comes to it and whatever else is rehearsed.
            let stream = Digest::of(format!("{fault}\n{id}\n{object}").as_bytes());
            let [a, b, c, d, e, f, g, h, ..] = *stream.as_bytes();
            let mut chance = Chance::new(self.seed, u64::from_le_bytes([a, b, c, d, e, f, g, h]));
            let bytes = change.apply(bytes, &mut chance).map_err(|error| describe(&error))?;
            let scanned = read_part10_header(&bytes, &Limits::default()).map_err(|error| describe(&error))?;
            headers.push(scanned.header);
            changed.insert(uid.clone(), (bytes.into(), *object));
        }
        let facts = StudyFacts::from_headers(1, headers).ok_or_else(|| "it has no image".to_owned())?;
        Ok((facts, changed))
    }

    /// What a package makes of the case, as production asks it.
    fn answer(&self, subject: &Subject, facts: &StudyFacts, parts: &Parts) -> CaseAnswer {
        let Ok(series) = ask_gate(&subject.manifest, &subject.deployment, facts, self.now) else {
            return CaseAnswer::ended(CaseEnd::NotEligible);
        };
        let operating_points = subject.deployment.spec.operating_points.clone();
        let settings = RunSettings { deadline: None, operating_points };
        match hilum_infer::run(&subject.loaded, instances_of(facts, &series, parts), &settings) {
            Ok(outcome) => self.read_outcome(outcome),
            Err(_) => CaseAnswer::ended(CaseEnd::Failed),
        }
    }

    fn read_outcome(&self, outcome: InferenceOutcome) -> CaseAnswer {
        let mut features = outcome.features.clone();
        let mut outside = None;
        if let Some((record, rate)) = &self.envelope {
            match embedded(record, outcome.first_embedding()) {
                Ok(embedded) => {
                    features.extend(embedded);
                    outside = record.envelope.check(&features, *rate).ok().map(|check| !check.is_inside());
                }
                // Components that cannot be read are no fault of the model; then there is nothing to compare with.
                Err(EmbeddingError::Stored) => {}
                Err(_) => return CaseAnswer::ended(CaseEnd::Failed),
            }
        }
        let finding = outcome.output.findings.into_iter().find(|finding| finding.label == self.finding);
        let present = finding.as_ref().map(|finding| is_found(finding.presence));
        let score = finding.and_then(|finding| finding.score);
        features.retain(|_, value| value.is_finite());
        CaseAnswer { ended: CaseEnd::Analysed, features, score, present, outside }
    }
}

/// Whether an answer finds the finding, as stop rules count it: abstaining is no way out of being measured.
fn is_found(presence: Presence) -> bool {
    presence == Presence::Present
}

/// What the embedding of a case comes to as features of the envelope; none where it was learned without.
fn embedded(record: &EnvelopeRecord, runs: &[Vec<f32>]) -> Result<BTreeMap<String, f64>, EmbeddingError> {
    match &record.embedding {
        None => Ok(BTreeMap::new()),
        Some(learned) => learned.features(&vector_of(runs)?.unwrap_or_default()),
    }
}

/// What is true of a case by a label that was not given with the answer of a model in view, as far as is recorded; `None`: it
/// says nothing usable.
fn truth_of(case: &ListedCase, target: &Target) -> Option<CaseTruth> {
    let label = case.label.as_ref().filter(|label| label.effective_exposure() != Exposure::Exposed)?;
    let present = target.positive.contains(&label.value);
    (present || target.negative.contains(&label.value)).then_some(CaseTruth { present, class: label.independence })
}

/// Cases of both kinds are needed, or a loss could not be told.
fn check_labels(list: &CaseList, target: &Target) -> Result<(), TrialError> {
    let truths: Vec<CaseTruth> = list.cases.iter().filter_map(|case| truth_of(case, target)).collect();
    for (present, labels) in [(true, &target.positive), (false, &target.negative)] {
        if !truths.iter().any(|truth| truth.present == present) {
            let known: Vec<&str> = list.label_counts().into_keys().filter(|label| !label.is_empty()).collect();
            return Err(TrialError::Refused(format!(
                "no case of {:?} has a label of {} given without seeing a model; its labels are {}",
                list.name,
                labels.join(", "),
                known.join(", ")
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_types::Independence;
    use serde_json::json;

    fn list(labels: &[(&str, Exposure)]) -> CaseList {
        let cases: Vec<_> = labels
            .iter()
            .enumerate()
            .map(|(n, (value, exposure))| {
                json!({ "id": n.to_string(), "instances": [], "label": {
                    "value": value, "source": "drawn", "exposure": exposure, "independence": "unexposed" } })
            })
            .collect();
        serde_json::from_value(json!({ "format": 1, "name": "set", "columns": [], "cases": cases })).unwrap()
    }

    fn target() -> Target {
        Target { finding: "mass".to_owned(), positive: vec!["yes".to_owned()], negative: vec!["no".to_owned()] }
    }

    /// MV-25: a label whose labeller had seen an answer says nothing about what a fault costs.
    #[test]
    fn truth_is_what_somebody_said_without_a_model() {
        let one = |value, exposure| truth_of(&list(&[(value, exposure)]).cases[0], &target());
        let class = Some(Independence::Unexposed);
        assert_eq!(one("yes", Exposure::Unexposed), Some(CaseTruth { present: true, class }));
        assert_eq!(one("no", Exposure::Unexposed), Some(CaseTruth { present: false, class }));
        assert_eq!(one("yes", Exposure::Exposed), None);
        assert_eq!(one("unsure", Exposure::Unexposed), None);
    }

    /// A fault that makes the model abstain costs sensitivity, as the rules that have to notice it count.
    #[test]
    fn abstaining_finds_nothing() {
        let found = [Presence::Present, Presence::Absent, Presence::Indeterminate].map(is_found);
        assert_eq!(found, [true, false, false]);
    }

    #[test]
    fn a_set_without_cases_of_both_kinds_is_refused_with_its_labels() {
        let both = [("yes", Exposure::Unexposed), ("no", Exposure::Unexposed)];
        assert!(check_labels(&list(&both), &target()).is_ok());
        let said = check_labels(&list(&[("yes", Exposure::Unexposed), ("no", Exposure::Exposed)]), &target());
        let said = said.unwrap_err().to_string();
        assert!(said.contains("no case of \"set\" has a label of no "), "{said}");
        assert!(said.contains("its labels are no, yes"), "{said}");
    }
}
