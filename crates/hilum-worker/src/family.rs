//! Which version answers for a study where a champion and a limited challenger are both in service.

use crate::runner::{Context, JobError};
use hilum_gate::{LimitedOutcome, Role, settle};
use hilum_registry::{Deployment, DeploymentState};
use hilum_store::StudyKey;
use hilum_types::Disposition;

/// What the recorded assignment of a study revision means for `deployment` now; `None` when none was made, because no
/// version of its family was limited when the study was evaluated.
///
/// A limited version that has ended without an answer gives the study back to its champion.
pub(crate) async fn role(
    context: &Context,
    study_key: &StudyKey,
    revision: u32,
    deployment: &Deployment,
) -> Result<Option<Role>, JobError> {
    let assignments = context.catalog.study_assignments(study_key).await?;
    let of_family =
        |row: &&hilum_store::rollout::StudyAssignment| row.revision == revision && row.family == deployment.family();
    let Some(row) = assignments.iter().find(of_family) else { return Ok(None) };
    if row.limited == deployment.spec.name {
        return Ok(Some(row.assignment.role(true)));
    }
    let outcome = limited_outcome(context, study_key, revision, &row.limited).await?;
    Ok(Some(settle(&row.assignment, &row.limited, &outcome).role(false)))
}

async fn limited_outcome(
    context: &Context,
    study_key: &StudyKey,
    revision: u32,
    limited: &str,
) -> Result<LimitedOutcome, JobError> {
    let study = context.catalog.study_get(study_key).await?;
    let dispositions = study.map(|study| study.dispositions).unwrap_or_default();
    let ended = dispositions.into_iter().find(|d| d.deployment == limited && d.revision == revision);
    let Some(ended) = ended else {
        let deployment = context.catalog.deployment_get(limited).await?;
        let in_use = deployment.is_some_and(|deployment| deployment.state == DeploymentState::Limited);
        return Ok(if in_use {
            LimitedOutcome::Open
        } else {
            LimitedOutcome::Silent("not in use any more".to_owned())
        });
    };
    let released = context.catalog.results_released(study_key, revision, limited).await?;
    Ok(match ended.disposition {
        Disposition::Analysed if released => LimitedOutcome::Answered,
        Disposition::Analysed => LimitedOutcome::Silent("analysed in shadow".to_owned()),
        other => LimitedOutcome::Silent(other.name().replace('_', " ")),
    })
}
