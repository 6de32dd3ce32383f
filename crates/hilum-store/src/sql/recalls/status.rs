//! Where a recall stands: the list as it is now, held against the record, with what became of each note.

use super::list::recall_list;
use crate::recalls::{
    Answer, DestinationStatus, Held, PlannedStudy, Reach, RecallPlan, RecallStatus, RecallStep, RecallStudyStatus,
    RecalledStudy,
};
use crate::records::DeliveryState;
use crate::sql::SqlCatalog;
use crate::sql::connection::{Row, values};
use crate::{ResultKey, StoreError, StudyKey};
use hilum_types::{Digest, Phi, Timestamp, Uid};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const WHAT: &str = "read where a recall stands";

/// What the catalog holds of one study of a recall that was begun.
#[derive(Default)]
struct Progress {
    step: Option<RecallStep>,
    failure: Option<String>,
    note: Option<Uid>,
    answers: BTreeMap<String, Answer>,
}

pub(in crate::sql) async fn recall_status(catalog: &SqlCatalog, record: &Digest) -> Result<RecallStatus, StoreError> {
    let held = crate::Governance::record_get(catalog, &record.to_string()).await?;
    let plan = RecallPlan::read(&held)?;
    let sql = "SELECT begun_by, begun_at FROM recall WHERE record = $1";
    let row = catalog.database.row(WHAT, sql, values![*record]).await?;
    let begun = row.map(|row| Ok::<(String, Timestamp), StoreError>((row.text("begun_by")?, row.time("begun_at")?)));
    let begun = begun.transpose()?;
    let mut progress = read_progress(catalog, record).await?;
    let list = recall_list(catalog, &plan.window()).await?;
    let by_key: HashMap<&StudyKey, &RecalledStudy> = list.iter().map(|study| (&study.study_key, study)).collect();
    let mut studies = Vec::with_capacity(plan.studies.len());
    for planned in &plan.studies {
        let progress = progress.remove(&planned.study).unwrap_or_default();
        studies.push(study_status(record, planned, by_key.get(&planned.study).copied(), progress));
    }
    Ok(RecallStatus { record: *record, plan, begun, studies })
}

async fn read_progress(catalog: &SqlCatalog, record: &Digest) -> Result<HashMap<StudyKey, Progress>, StoreError> {
    let sql = "SELECT s.study_key, s.step, s.failure, n.sop_instance_uid, d.delivery_key, d.destination, d.state, \
               d.attempts, d.last_error, d.delivered_at FROM recall_study s \
               LEFT JOIN result n ON n.result_key = s.note LEFT JOIN delivery d ON d.result_key = n.result_key \
               WHERE s.record = $1";
    let mut all: HashMap<StudyKey, Progress> = HashMap::new();
    for row in catalog.database.rows(WHAT, sql, values![*record]).await? {
        let progress = all.entry(row.parse("study_key")?).or_default();
        progress.step = Some(row.named("step", RecallStep::from_name)?);
        progress.failure = row.text_or_none("failure")?;
        progress.note = row.parse_or_none("sop_instance_uid")?;
        if let Some(destination) = row.text_or_none("destination")? {
            progress.answers.insert(destination, answer_from(&row)?);
        }
    }
    Ok(all)
}

fn answer_from(row: &Row) -> Result<Answer, StoreError> {
    let (attempts, last_error) = (row.number("attempts")?, row.text_or_none("last_error")?);
    Ok(match (row.named("state", DeliveryState::from_name)?, row.time_or_none("delivered_at")?) {
        (DeliveryState::Delivered, Some(at)) => Answer::Accepted { at },
        (DeliveryState::Queued, _) => Answer::Waiting { attempts, last_error },
        _ => Answer::Refused { attempts, error: last_error.unwrap_or_default(), delivery: row.parse("delivery_key")? },
    })
}

fn study_status(
    record: &Digest,
    planned: &PlannedStudy,
    now: Option<&RecalledStudy>,
    mut progress: Progress,
) -> RecallStudyStatus {
    let step = progress.step.unwrap_or(RecallStep::Planned);
    let listed: BTreeSet<&ResultKey> = planned.results.iter().map(|planned| &planned.result).collect();
    let results = now.iter().flat_map(|study| study.results()).filter(|result| listed.contains(&result.key));
    let mut held: BTreeMap<&str, Held> = BTreeMap::new();
    let mut n_retracted_before = 0;
    for result in results {
        if result.retracted_by.is_some_and(|by| by != *record) {
            n_retracted_before += 1;
            continue;
        }
        for delivery in &result.deliveries {
            let holds = match delivery.reach() {
                Reach::Delivered => Held::Delivered,
                Reach::Possible => Held::Possible,
                _ => Held::Never,
            };
            let known = held.entry(&delivery.destination).or_insert(holds);
            *known = holds.max(*known);
        }
    }
    let destination = |(destination, held): (&str, Held)| {
        let answer = match (progress.answers.remove(destination), held) {
            (Some(answer), _) => answer,
            (None, Held::Never) => Answer::NothingToRetract,
            (None, _) => Answer::NotYet,
        };
        DestinationStatus { destination: destination.to_owned(), held, answer }
    };
    RecallStudyStatus {
        study_key: planned.study.clone(),
        accession_number: now.map_or_else(|| Phi::new(String::new()), |study| study.accession_number.clone()),
        n_results: planned.results.len() as u32,
        n_retracted_before,
        step,
        failure: progress.failure.filter(|_| step == RecallStep::Failed),
        note: progress.note,
        destinations: held.into_iter().map(destination).collect(),
    }
}
