//! What had reached a labeller before they made up their mind, from what the catalog knows (MV-24).

use crate::StoreError;
use crate::labels::NewLabel;
use crate::sql::act::Act;
use crate::sql::connection::values;
use crate::sql::deployments::current;
use hilum_monitor::LabelSource;
use hilum_monitor::assessment::Shown;
use hilum_registry::{DeploymentSpec, ReadingMode};
use hilum_types::{ModelOutput, Timestamp};

/// Whether a result about the same thing had left for readers: of this deployment, of another version of it, or of any
/// model that looks for a finding of that name.
pub(super) async fn shown(act: &mut Act, new: &NewLabel, revision: u32) -> Result<Shown, StoreError> {
    let own = current(act, &new.deployment).await?;
    let family = own.as_ref().map_or(new.deployment.as_str(), |own| own.family()).to_owned();
    let sql = "SELECT deployment, revision, MIN(created_at) AS released_at FROM result WHERE study_key = $1 \
               AND released = 1 AND created_at <= $2 AND deployment <> '' GROUP BY deployment, revision";
    let released = act.rows(sql, values![&new.study_key, new.decided_at]).await?;
    let mut worst = Shown::No;
    for row in released {
        let (name, of_revision): (String, u32) = (row.text("deployment")?, row.number("revision")?);
        let other = current(act, &name).await?;
        let same_family = other.as_ref().is_some_and(|other| other.family() == family);
        if !same_family && !looks_for(act, new, &name, of_revision).await? {
            continue;
        }
        if !waits_for_first_read(act, new, &name, row.time("released_at")?).await? {
            return Ok(Shown::Yes);
        }
        match revealed(act, new, &name, revision.max(of_revision)).await? {
            Shown::Yes => return Ok(Shown::Yes),
            Shown::Perhaps => worst = Shown::Perhaps,
            Shown::No => {}
        }
    }
    Ok(worst)
}

/// Whether a result that left was hidden until a first impression, all the time from its release until the labeller
/// decided: what is declared today says nothing of what readers saw then.
async fn waits_for_first_read(
    act: &mut Act,
    new: &NewLabel,
    deployment: &str,
    released_at: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "SELECT spec FROM deployment_change WHERE name = $1 AND changed_at <= $2 AND revision >= COALESCE((SELECT \
               MAX(c.revision) FROM deployment_change c WHERE c.name = $1 AND c.changed_at <= $3), 0) ORDER BY revision";
    let rows = act.rows(sql, values![deployment, new.decided_at, released_at]).await?;
    let specs = rows.iter().map(|row| row.json::<DeploymentSpec>("spec")).collect::<Result<Vec<_>, _>>()?;
    let hidden = |spec: &DeploymentSpec| matches!(spec.reading_mode, ReadingMode::AfterFirstRead | ReadingMode::Shadow);
    // Nothing leaves in reading mode shadow; one that did was seen.
    let first = specs.first().is_some_and(|spec| spec.reading_mode == ReadingMode::AfterFirstRead);
    Ok(first && specs.iter().all(hidden))
}

async fn looks_for(act: &mut Act, new: &NewLabel, deployment: &str, revision: u32) -> Result<bool, StoreError> {
    let sql = "SELECT record FROM inference WHERE study_key = $1 AND revision = $2 AND deployment = $3";
    let Some(row) = act.row(sql, values![&new.study_key, revision, deployment]).await? else { return Ok(false) };
    let record: serde_json::Value = row.json("record")?;
    let output = record.get("output").cloned().and_then(|output| serde_json::from_value::<ModelOutput>(output).ok());
    Ok(output.is_some_and(|output| output.findings.iter().any(|finding| finding.label == new.finding)))
}

/// A result that is hidden until a first impression is saved. Of somebody who is no user here nobody knows whether
/// they had saved one.
async fn revealed(act: &mut Act, new: &NewLabel, deployment: &str, revision: u32) -> Result<Shown, StoreError> {
    let is_user = new.by.starts_with("user:") && new.source != LabelSource::Report;
    if !is_user {
        return Ok(Shown::Perhaps);
    }
    let sql = "SELECT 1 AS seen FROM first_read WHERE study_key = $1 AND deployment = $2 AND reader = $3 \
               AND revision <= $4 AND read_at <= $5 LIMIT 1";
    let values = values![&new.study_key, deployment, new.by.as_str(), revision, new.decided_at];
    Ok(if act.row(sql, values).await?.is_some() { Shown::Yes } else { Shown::No })
}
