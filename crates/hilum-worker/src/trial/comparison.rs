//! Two versions, or two settings of one, on the same cases: comparison (MV-17) and replay before activation (MV-14).

use super::{CaseRun, Ended, Journal, Place, Progress, Subject, TrialError, run_trial};
use crate::reference::{find_set, refuse_overlap};
use hilum_sign::{NewRecord, Record, RecordKind};
use hilum_validate::version_comparison::{Both, CasePair, ComparisonInput, SideResult};
use hilum_validate::{CaseList, VersionComparison, compare_versions};
use std::sync::Arc;

/// What to compare.
pub struct ComparisonRequest {
    /// Earlier and later side.
    pub sides: Both<Subject>,
    /// Reference set: digest, beginning of one, or name.
    pub set: String,
    /// The finding.
    pub finding: String,
    /// Labels that mean present.
    pub positive: Vec<String>,
    /// Labels that mean absent.
    pub negative: Vec<String>,
    /// Enter it as a replay for this deployment, else as a comparison.
    pub replay_for: Option<String>,
    /// Who asks.
    pub actor: String,
}

/// Run both sides on every case, compare, and enter the record. Nothing is taken from an earlier run: a replay that does not
/// run proves nothing.
///
/// # Errors
/// [`TrialError`]; also when a side was trained on patients or images of the set (MV-11).
pub async fn compare(
    place: &Place,
    request: &ComparisonRequest,
    progress: &Arc<dyn Progress>,
) -> Result<(VersionComparison, Record), TrialError> {
    let catalog = &*place.catalog;
    let (set, list) = find_set(catalog, &request.set).await?;
    let Both { from, to } = &request.sides;
    let operating_points =
        Both { from: from.operating_point(&request.finding)?, to: to.operating_point(&request.finding)? };
    check_labels(&list, request)?;
    for subject in [from, to] {
        refuse_overlap(catalog, &list, &subject.package.name).await?;
    }
    let before = run(place, from, &list, progress).await?;
    let after = run(place, to, &list, progress).await?;
    let pending = list.pending_cases().into_iter();
    let cases = pending.map(|case| CasePair {
        from: side(before.get(&case.id), &request.finding),
        to: side(after.get(&case.id), &request.finding),
        case: case.id,
        patient: case.patient,
        label: case.label,
        exposure: case.exposure,
    });
    let words = |subject: &Subject| format!("{}, {}", subject.title(), subject.engine());
    let comparison = compare_versions(ComparisonInput {
        packages: Both { from: from.package.digest, to: to.package.digest },
        sides: Both { from: words(from), to: words(to) },
        reference_set: set.digest,
        finding: request.finding.clone(),
        operating_points,
        positive: request.positive.clone(),
        negative: request.negative.clone(),
        cases: cases.collect(),
    })?;
    let (kind, subject) = match &request.replay_for {
        Some(deployment) => (RecordKind::Replay, deployment.clone()),
        None => (RecordKind::Comparison, to.package.digest.to_string()),
    };
    let body = serde_json::to_value(&comparison).map_err(|_| TrialError::Defect)?;
    let new = NewRecord { kind, subject, body, author: request.actor.clone() };
    let (digest, now) = (new.digest(), place.clock.now());
    catalog.reference_use(&set.digest, &digest, &to.package.digest, &request.actor, now).await?;
    Ok((comparison, catalog.record_add(&new, now).await?.record))
}

fn check_labels(list: &CaseList, request: &ComparisonRequest) -> Result<(), TrialError> {
    let known = list.label_counts();
    let unknown = request.positive.iter().chain(&request.negative).find(|label| !known.contains_key(label.as_str()));
    match unknown {
        None => Ok(()),
        Some(label) => {
            let known: Vec<&str> = known.into_keys().filter(|label| !label.is_empty()).collect();
            Err(TrialError::Refused(format!("no case has the label {label:?}; there are {}", known.join(", "))))
        }
    }
}

async fn run(
    place: &Place,
    subject: &Subject,
    list: &CaseList,
    progress: &Arc<dyn Progress>,
) -> Result<std::collections::BTreeMap<String, CaseRun>, TrialError> {
    progress.begin(&subject.title(), list.cases.len());
    let told = progress.clone();
    let done = Arc::new(move || told.done());
    run_trial(subject, list, &place.blobs, &Journal::default(), place.n_workers, place.clock.now(), done).await
}

fn side(run: Option<&CaseRun>, finding: &str) -> SideResult {
    match run.map(|run| (&run.ended, run.score(finding))) {
        Some((_, Some(score))) => SideResult::Score(score),
        Some((Ended::NotRun { reason, .. }, None)) => SideResult::None(reason.clone()),
        Some((Ended::Ran { .. }, None)) => SideResult::None(format!("the model gave no score for {finding:?}")),
        None => SideResult::None("it was not run".to_owned()),
    }
}
