//! How facts enter, inside the acts that make them, and what of the fold's state they touch.

use super::carry_out::carry_out;
use crate::monitoring::StoppingRule;
use crate::sql::acquisition::enter_group;
use crate::sql::act::Act;
use crate::sql::connection::{Row, json_text, values};
use crate::sql::deployments::current;
use crate::{StoreError, StudyKey};
use hilum_monitor::fold::{feeds, touched};
use hilum_monitor::{Cell, CellKey, Fact, Label, Labelled, Monitor, Observation};
use hilum_registry::{Deployment, StopRule};
use hilum_types::{Digest, Disposition, Independence, Timestamp};
use std::collections::BTreeMap;

/// How a study revision ended for a deployment, as the catalog knows it.
pub(in crate::sql) struct Ended<'a> {
    pub(in crate::sql) study_key: &'a StudyKey,
    pub(in crate::sql) revision: u32,
    pub(in crate::sql) deployment: &'a str,
    /// The package that ran, or that answers for the end; `None`: the one in use.
    pub(in crate::sql) package: Option<Digest>,
    pub(in crate::sql) disposition: &'a Disposition,
    pub(in crate::sql) visible: bool,
}

/// Enter what was observed of an ended study revision, inside the act that ends it; the first end is the one observed.
pub(in crate::sql) async fn enter_observation(
    act: &mut Act,
    ended: &Ended<'_>,
    measured: Option<&Observation>,
) -> Result<(), StoreError> {
    let Some(mut deployment) = current(act, ended.deployment).await? else { return Ok(()) };
    let sql = "SELECT completed_at FROM study_revision WHERE study_key = $1 AND revision = $2";
    let row = act.row(sql, values![ended.study_key, ended.revision]).await?;
    let event_at = row.map(|row| row.time("completed_at")).transpose()?.unwrap_or(act.now);
    let package = ended.package.unwrap_or(deployment.package_digest);
    let observation = Observation {
        study_key: ended.study_key.to_string(),
        revision: ended.revision,
        deployment: ended.deployment.to_owned(),
        package,
        event_at,
        recorded_at: act.now,
        disposition: ended.disposition.name().to_owned(),
        reason_code: ended.disposition.reason().map(|reason| reason.code.clone()).unwrap_or_default(),
        visible: ended.visible,
        ..measured.cloned().unwrap_or_else(|| Observation::bare(ended.deployment, package))
    };
    let sql = "INSERT INTO observation (study_key, revision, deployment, package, event_at, recorded_at, disposition, \
               reason_code, record) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9) \
               ON CONFLICT (study_key, revision, deployment) DO NOTHING";
    let columns = values![
        ended.study_key,
        ended.revision,
        ended.deployment,
        package,
        event_at,
        act.now,
        observation.disposition.as_str(),
        observation.reason_code.as_str(),
        json_text(&observation)?,
    ];
    if act.execute(sql, columns).await? == 0 {
        return Ok(());
    }
    enter_group(act, deployment.family(), &observation).await?;
    crate::sql::alarms::count_observation(act, &observation).await?;
    crate::sql::tallies::observed(act, &observation).await?;
    keep_fact(act, ended.deployment, "observation", ended.study_key.as_str(), ended.revision, "", act.now).await?;
    leave_out_fed(act, &mut deployment, &observation).await?;
    fold(act, &deployment, &Fact::Observed(&observation)).await
}

/// A study feeds a rule once per version: the rules that an earlier revision of it has fed are left out. What was fed
/// before the version was taken into use again is forgotten with the detectors.
async fn leave_out_fed(
    act: &mut Act,
    deployment: &mut Deployment,
    observation: &Observation,
) -> Result<(), StoreError> {
    let restarted_at = restarted_at(act, deployment).await?;
    let Some(plan) = deployment.spec.monitoring.as_mut().filter(|_| 1 < observation.revision) else { return Ok(()) };
    let sql = "SELECT record FROM observation WHERE study_key = $1 AND deployment = $2 AND package = $3 AND revision <> $4 \
               AND recorded_at >= $5";
    let columns = values![
        observation.study_key.as_str(),
        observation.deployment.as_str(),
        observation.package,
        observation.revision,
        restarted_at,
    ];
    for row in act.rows(sql, columns).await? {
        let earlier: Observation = row.json("record")?;
        plan.rules.retain(|rule| !feeds(rule, &earlier));
    }
    Ok(())
}

/// Enter a label, inside the act that keeps it: the deciding label and the stop it leads to are one transaction.
pub(in crate::sql) async fn enter_label(act: &mut Act, label: &Label) -> Result<(), StoreError> {
    crate::sql::tallies::labelled(act, label).await?;
    keep_fact(act, &label.deployment, "label", &label.study_key, label.revision, &label.key, act.now).await?;
    let Some(deployment) = current(act, &label.deployment).await? else { return Ok(()) };
    let sql = "SELECT record FROM observation WHERE study_key = $1 AND revision = $2 AND deployment = $3";
    let (study, name) = (label.study_key.as_str(), label.deployment.as_str());
    let Some(row) = act.row(sql, values![study, label.revision, name]).await? else { return Ok(()) };
    let observation: Observation = row.json("record")?;
    let restarted_at = restarted_at(act, &deployment).await?;
    // What is said of another version, or of a time before this one was taken into use again, enters figures alone.
    if observation.package != deployment.package_digest || observation.recorded_at < restarted_at {
        return Ok(());
    }
    let earlier = counted(act, label, &observation).await?;
    if label.can_be_first() && !earlier.contains(&label.class()) {
        count(act, label, &observation).await?;
    }
    let labelled = Labelled { label, observation: &observation, earlier: &earlier };
    fold(act, &deployment, &Fact::Labelled(labelled)).await
}

/// When detectors and the time to gather evidence last began: the version came into use, or a stop was lifted.
pub(in crate::sql) async fn restarted_at(act: &mut Act, deployment: &Deployment) -> Result<Timestamp, StoreError> {
    let row = act.row(RESTARTED, values![deployment.spec.name.as_str()]).await?;
    let at = row.map(|row| row.time_or_none("at")).transpose()?.flatten();
    // A catalog from before there was monitoring.
    Ok(at.unwrap_or(deployment.updated_at))
}

pub(in crate::sql) const RESTARTED: &str =
    "SELECT MAX(recorded_at) AS at FROM monitor_fact WHERE deployment = $1 AND kind = 'restart'";

/// What fired first since a deployment was suspended, and when anything fired last: `$1` is its name, `$2` since when.
pub(super) const FIRED: &str = "SELECT rule, MAX(at) OVER () AS last_at FROM signal WHERE deployment = $1 AND at >= $2 \
                                AND action IN ('suspended', 'stopped_already') ORDER BY seq LIMIT 1";

/// [`Monitoring::stopping_rule`](crate::monitoring::Monitoring::stopping_rule), inside an act.
pub(in crate::sql) async fn stopping_rule(
    act: &mut Act,
    deployment: &Deployment,
) -> Result<Option<StoppingRule>, StoreError> {
    let Some(stopped) = &deployment.suspension else { return Ok(None) };
    let fired = act.row(FIRED, values![deployment.spec.name.as_str(), stopped.since]).await?;
    stopping_rule_of(deployment, stopped.since, fired.as_ref())
}

/// Of a deployment suspended since `since`, and the row of [`FIRED`].
pub(super) fn stopping_rule_of(
    deployment: &Deployment,
    since: Timestamp,
    fired: Option<&Row>,
) -> Result<Option<StoppingRule>, StoreError> {
    if let Some(row) = fired {
        return Ok(Some(StoppingRule { name: row.text("rule")?, last_fired_at: row.time("last_at")?.max(since) }));
    }
    Ok(deployment.stopped_by_rule().map(|name| StoppingRule { name: name.to_owned(), last_fired_at: since }))
}

/// Begin afresh, inside the act that takes a version into use, or into use again.
pub(in crate::sql) async fn restart(act: &mut Act, deployment: &Deployment) -> Result<(), StoreError> {
    let name = deployment.spec.name.as_str();
    let sql = "DELETE FROM monitor_cell WHERE deployment = $1 AND package = $2";
    act.execute(sql, values![name, deployment.package_digest]).await?;
    let package = deployment.package_digest.to_string();
    keep_fact(act, name, "restart", "", deployment.revision, &package, act.now).await
}

/// Keep since when a deployment has been in use that was so before there was monitoring, inside the act that changes it:
/// otherwise every change would give it a new time to gather evidence in.
pub(in crate::sql) async fn in_use_since(act: &mut Act, name: &str, since: Timestamp) -> Result<(), StoreError> {
    let row = act.row(RESTARTED, values![name]).await?;
    if row.map(|row| row.time_or_none("at")).transpose()?.flatten().is_some() {
        return Ok(());
    }
    keep_fact(act, name, "restart", "", 0, "", since.min(act.now)).await
}

/// Classes of labels that were counted for this finding of the study before, of whichever revision: one report that is
/// read for each of them is one piece of evidence about the version.
async fn counted(act: &mut Act, label: &Label, observation: &Observation) -> Result<Vec<Independence>, StoreError> {
    let sql = "SELECT DISTINCT class FROM label_counted WHERE deployment = $1 AND study_key = $2 AND package = $3 \
               AND finding = $4 ORDER BY class";
    let columns =
        values![label.deployment.as_str(), label.study_key.as_str(), observation.package, label.finding.as_str()];
    let rows = act.rows(sql, columns).await?;
    rows.iter().map(|row| row.named("class", Independence::from_name)).collect()
}

async fn count(act: &mut Act, label: &Label, observation: &Observation) -> Result<(), StoreError> {
    let sql = "INSERT INTO label_counted (deployment, study_key, revision, finding, class, label_key, package, event_at, \
               recorded_at) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9) \
               ON CONFLICT (deployment, study_key, revision, finding, class) DO NOTHING";
    let columns = values![
        label.deployment.as_str(),
        label.study_key.as_str(),
        label.revision,
        label.finding.as_str(),
        label.class().name(),
        label.key.as_str(),
        observation.package,
        observation.event_at,
        act.now,
    ];
    act.execute(sql, columns).await?;
    Ok(())
}

/// One step of the fold: the cells that the fact touches are read, moved on and written, and what follows is carried out.
async fn fold(act: &mut Act, deployment: &Deployment, fact: &Fact<'_>) -> Result<(), StoreError> {
    let rules: &[StopRule] = deployment.spec.monitoring.as_ref().map_or(&[], |plan| &plan.rules);
    let package = match fact {
        Fact::Observed(observation) => observation.package,
        Fact::Labelled(labelled) => labelled.observation.package,
    };
    let keys = touched(rules, fact);
    // Labels also come about versions that are out of use by now; there is nothing left to stop.
    if keys.is_empty() || package != deployment.package_digest || !deployment.state.is_in_service() {
        return Ok(());
    }
    let mut monitor = read_cells(act, deployment, &keys).await?;
    let watched = monitor.take(rules, fact);
    let signals = watched.map_err(|error| StoreError::Misuse(format!("{error}: {}", cause(&error))))?;
    write_cells(act, deployment, &monitor).await?;
    for signal in &signals {
        let Some(rule) = rules.iter().find(|rule| rule.name == signal.rule) else { continue };
        // A stop ends the studies that wait, and these are facts as well.
        Box::pin(carry_out(act, &package, rule, signal)).await?;
    }
    Ok(())
}

fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(String::new, ToString::to_string)
}

async fn read_cells(act: &mut Act, deployment: &Deployment, keys: &[CellKey]) -> Result<Monitor, StoreError> {
    let name = deployment.spec.name.as_str();
    let sql = "SELECT rule, COUNT(*) AS n FROM monitor_cell WHERE deployment = $1 AND package = $2 GROUP BY rule";
    let mut opened = BTreeMap::new();
    for row in act.rows(sql, values![name, deployment.package_digest]).await? {
        opened.insert(row.text("rule")?, row.number("n")?);
    }
    let mut cells = BTreeMap::new();
    for key in keys.iter().filter(|key| opened.contains_key(&key.rule)) {
        let sql = "SELECT state FROM monitor_cell WHERE deployment = $1 AND package = $2 AND rule = $3 AND cut = $4";
        let columns = values![name, deployment.package_digest, key.rule.as_str(), key.cut.as_str()];
        if let Some(row) = act.row(sql, columns).await? {
            cells.insert(key.clone(), row.json::<Cell>("state")?);
        }
    }
    Ok(Monitor::from_parts(cells, opened))
}

async fn write_cells(act: &mut Act, deployment: &Deployment, monitor: &Monitor) -> Result<(), StoreError> {
    let mut columns = Vec::new();
    for (key, cell) in monitor.cells() {
        columns.extend(values![
            deployment.spec.name.as_str(),
            deployment.package_digest,
            key.rule.as_str(),
            key.cut.as_str(),
            json_text(cell)?,
            act.now,
        ]);
    }
    let head = "INSERT INTO monitor_cell (deployment, package, rule, cut, state, updated_at) VALUES";
    let tail = "ON CONFLICT (deployment, package, rule, cut) DO UPDATE SET state = excluded.state, \
                updated_at = excluded.updated_at";
    act.insert(head, tail, 6, columns).await
}

async fn keep_fact(
    act: &mut Act,
    deployment: &str,
    kind: &str,
    study_key: &str,
    revision: u32,
    fact_key: &str,
    recorded_at: Timestamp,
) -> Result<(), StoreError> {
    let row = act.row("SELECT MAX(seq) AS seq FROM monitor_fact", vec![]).await?;
    let seq = row.map(|row| row.int_or_none("seq")).transpose()?.flatten().unwrap_or(0) + 1;
    let sql = "INSERT INTO monitor_fact (seq, deployment, kind, study_key, revision, fact_key, recorded_at) \
               VALUES ($1,$2,$3,$4,$5,$6,$7)";
    act.execute(sql, values![seq, deployment, kind, study_key, revision, fact_key, recorded_at]).await?;
    Ok(())
}
