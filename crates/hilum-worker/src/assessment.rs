//! Assessments that come as structured reports: what they answer becomes labels, and what they answer that is not known
//! here is kept and flagged (AV-19).

use crate::runner::{Context, JobError};
use hilum_monitor::assessment::{Answer, said, truths};
use hilum_monitor::{Agreement, LabelSource};
use hilum_result::{ReadAssessment, Verdict, finding_tracking_uid};
use hilum_store::labels::{NewLabel, Untied};
use hilum_store::records::{Inference, Journey, StoredInstance};
use hilum_store::{ErrorKind, StudyKey};
use hilum_types::{ModelOutput, Reason};
use std::collections::BTreeSet;

/// A result that an answer speaks of.
type Target = (StudyKey, String, u32);

/// Enter the answers of one report. Entering them again changes nothing.
pub(crate) async fn enter(
    context: &Context,
    instance: &StoredInstance,
    answers: &[ReadAssessment],
) -> Result<(), JobError> {
    for (number, answer) in answers.iter().enumerate() {
        let origin = format!("sr:{}:{number}", instance.key);
        let entered = labels_of(context, instance, answer, &origin).await?;
        match entered {
            Ok(labels) => match context.catalog.labels_add(&labels, context.clock.now()).await {
                // The run is gone from the catalog since it was looked at.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    set_aside(context, instance, answer, origin, unknown()).await?;
                }
                added => drop(added?),
            },
            Err(reason) => set_aside(context, instance, answer, origin, reason).await?,
        }
    }
    Ok(())
}

fn unknown() -> Reason {
    Reason::new("assessment.unknown-target", "an assessment speaks of a result that is not known here")
}

fn agreement(verdict: Verdict) -> Agreement {
    match verdict {
        Verdict::Accepted => Agreement::Agree,
        Verdict::Modified => Agreement::Correct,
        Verdict::Rejected => Agreement::Disagree,
    }
}

async fn set_aside(
    context: &Context,
    instance: &StoredInstance,
    answer: &ReadAssessment,
    origin: String,
    reason: Reason,
) -> Result<(), JobError> {
    let told = Untied {
        origin,
        target: answer.references.iter().chain(&answer.tracking).next().cloned(),
        deployment: None,
        finding: None,
        agreement: Some(agreement(answer.verdict)),
        truth: None,
        comment: None,
        by: format!("peer:{}", instance.origin.peer),
        reason,
    };
    context.catalog.label_set_aside(&told, context.clock.now()).await?;
    Ok(())
}

/// The labels that an answer becomes; a reason when it becomes none.
async fn labels_of(
    context: &Context,
    instance: &StoredInstance,
    answer: &ReadAssessment,
    origin: &str,
) -> Result<Result<Vec<NewLabel>, Reason>, JobError> {
    let mut labels = Vec::new();
    for (study_key, deployment, revision) in targets(context, instance, answer).await? {
        let Some(journey) = context.catalog.study_journey(&study_key).await? else { continue };
        let Some((inference, output)) = run(&journey, &deployment, revision) else { continue };
        let found = findings(&journey, inference, &output, answer);
        for finding in found {
            let asked = Answer { finding, agreement: Some(agreement(answer.verdict)), ..Answer::default() };
            let told = match truths(&said(&output), &asked) {
                Ok(told) => told,
                Err(error) => return Ok(Err(Reason::new("assessment.which-finding", error.to_string()))),
            };
            labels.extend(told.into_iter().map(|one| NewLabel {
                origin: format!("{origin}:{deployment}:{revision}:{}", one.finding),
                study_key: study_key.clone(),
                revision: Some(revision),
                deployment: deployment.clone(),
                finding: one.finding,
                truth: one.truth,
                agreement: Some(agreement(answer.verdict)),
                source: LabelSource::Assessment,
                extractor: None,
                extractor_measured: false,
                // A clock that was set back must not make it late.
                decided_at: instance.received_at.min(context.clock.now()),
                report: None,
                comment: None,
                by: format!("peer:{}", instance.origin.peer),
            }));
        }
    }
    Ok(if labels.is_empty() { Err(unknown()) } else { Ok(labels) })
}

/// The results that an answer refers to; those of its own study when it only names findings.
async fn targets(
    context: &Context,
    instance: &StoredInstance,
    answer: &ReadAssessment,
) -> Result<BTreeSet<Target>, JobError> {
    let mut targets = BTreeSet::new();
    for uid in &answer.references {
        if let Some(result) = context.catalog.result_by_uid(uid).await?
            && !result.deployment.is_empty()
        {
            targets.insert((result.study_key, result.deployment, result.revision));
        }
    }
    if targets.is_empty() && !answer.tracking.is_empty() {
        let journey = context.catalog.study_journey(&instance.study_key).await?;
        let runs = journey.iter().flat_map(|journey| &journey.inferences);
        targets.extend(runs.map(|run| (instance.study_key.clone(), run.deployment.clone(), run.revision)));
    }
    Ok(targets)
}

fn run<'a>(journey: &'a Journey, deployment: &str, revision: u32) -> Option<(&'a Inference, ModelOutput)> {
    let mut runs = journey.inferences.iter().filter(|run| run.deployment == deployment);
    let run = runs.find(|run| run.revision == revision)?;
    Some((run, serde_json::from_value(run.record.get("output")?.clone()).ok()?))
}

/// The findings of a run that an answer names; `None` in the list: the answer is about all of them. A finding that a
/// model saw in several places is answered as a whole.
fn findings(journey: &Journey, run: &Inference, output: &ModelOutput, answer: &ReadAssessment) -> Vec<Option<String>> {
    if answer.tracking.is_empty() {
        return vec![None];
    }
    let (study, package) = (journey.study.study_instance_uid.as_str(), run.package.to_string());
    let revision = run.revision.to_string();
    let seed = [study, &revision, &package, &run.deployment];
    let mut named: Vec<String> = Vec::new();
    for (index, finding) in output.findings.iter().enumerate() {
        let is_named = answer.tracking.contains(&finding_tracking_uid(&seed, index));
        if is_named && !named.contains(&finding.label) {
            named.push(finding.label.clone());
        }
    }
    named.into_iter().map(Some).collect()
}
