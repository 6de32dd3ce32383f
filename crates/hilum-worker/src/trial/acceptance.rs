//! The acceptance test, from a protocol to a record: check, freeze, count, run, judge, enter (MV-10, MV-11).

use super::freeze::protocol_set;
use super::{
    CaseRun, Frozen, Journal, Subject, TrialError, Waived, check_gap, failure_picture, freeze_protocol, read_waiver,
    run_trial, waivers_of,
};
use crate::models::Models;
use crate::reference::refuse_overlap;
use hilum_monitor::label_free::{LabelFreeReference, REFERENCE_KEY};
use hilum_registry::Deployment;
use hilum_sign::{NewRecord, Record, RecordKind};
use hilum_store::records::Package;
use hilum_store::{BlobStore, Catalog};
use hilum_types::{Clock, Digest, Timestamp};
use hilum_validate::protocol::OperatingPoint;
use hilum_validate::report::{ModelIdentity, ReferenceSetIdentity, RunFacts};
use hilum_validate::{
    AcceptanceProtocol, CaseList, EvaluationInput, FailureImages, Report, ValidateError, Waiver, evaluate, plan,
    reference_scores,
};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a trial finds and keeps things.
#[derive(Clone)]
pub struct Place {
    /// Records, packages, deployments.
    pub catalog: Arc<dyn Catalog>,
    /// Images.
    pub blobs: Arc<dyn BlobStore>,
    /// Packages on disk.
    pub models: Models,
    /// For the journal of a run.
    pub data_dir: PathBuf,
    /// The clock of the machine.
    pub clock: Arc<dyn Clock>,
    /// Cases run at once.
    pub n_workers: usize,
}

/// Hears how far a trial is.
pub trait Progress: Send + Sync {
    /// A run of so many cases begins.
    fn begin(&self, what: &str, n_cases: usize);
    /// A case is done.
    fn done(&self);
}

/// What to accept.
pub struct AcceptanceRequest {
    /// What is asked.
    pub protocol: AcceptanceProtocol,
    /// The package under test.
    pub model: Package,
    /// The version it is compared with.
    pub champion: Option<Package>,
    /// The deployment it is meant for; it narrows the intended use and may set the operating point.
    pub used_in: Option<Deployment>,
    /// Signed waivers.
    pub waivers: Vec<Record>,
    /// Go on although a good model would often miss a criterion.
    pub knowingly: bool,
    /// Who asks: `user:<name>`.
    pub actor: String,
    /// Version of Hilum.
    pub software: String,
}

/// What came of it.
pub struct Acceptance {
    /// The report.
    pub report: Report,
    /// The record it was entered as.
    pub record: Record,
    /// The protocol it was judged by.
    pub frozen: Frozen,
    /// Pictures of the failure cases that the report shows.
    pub images: FailureImages,
    /// What a person should know that is not in the report.
    pub notes: Vec<String>,
}

/// Carry out an acceptance test.
///
/// Nothing is run before the protocol is frozen, the power check passed, every waiver holds, and no case turned out to be one
/// that the model or the champion was trained on. The use of the reference set is counted before the first result exists.
///
/// # Errors
/// [`TrialError`]; what was frozen and counted until then stays.
pub async fn accept(
    place: &Place,
    request: &AcceptanceRequest,
    progress: &Arc<dyn Progress>,
) -> Result<Acceptance, TrialError> {
    let catalog = &*place.catalog;
    let protocol = &request.protocol;
    let (set, list) = protocol_set(catalog, protocol).await?;
    check_request(request)?;
    let waived: Vec<Waived> =
        request.waivers.iter().map(|record| read_waiver(record, place.clock.now())).collect::<Result<_, _>>()?;
    let subject = load(place, &request.model, request.used_in.as_ref(), protocol).await?;
    let of_champion = request.used_in.as_ref().filter(|deployment| {
        request.champion.as_ref().is_some_and(|champion| champion.digest == deployment.package_digest)
    });
    let champion = match &request.champion {
        Some(package) => Some(load(place, package, of_champion, protocol).await?),
        None => None,
    };
    for model in [Some(&request.model), request.champion.as_ref()].into_iter().flatten() {
        refuse_overlap(catalog, &list, &model.name).await?;
    }
    let mut cases = list.pending_cases();
    let planned = plan(protocol, &cases)?;
    planned.check(request.knowingly)?;
    for waived in &waived {
        check_gap(waived, protocol, &planned)?;
    }
    let frozen = freeze_protocol(catalog, protocol, &request.actor, place.clock.now()).await?;
    for (waived, record) in waived.iter().zip(&request.waivers) {
        check_subject(catalog, request, &frozen, waived, record).await?;
    }
    let (record, package, now) = (frozen.record.digest, request.model.digest, place.clock.now());
    let n_uses = catalog.reference_use(&set.digest, &record, &package, &request.actor, now).await?;

    let finding = &protocol.target.finding;
    let mut champion_journal = None;
    if let Some(champion) = &champion {
        let (runs, journal) = run(place, champion, &set, &list, progress).await?;
        champion_journal = Some(journal);
        cases.iter_mut().for_each(|case| case.champion = runs.get(&case.id).map(|run| run.outcome(finding)));
        // With the champion's scores at hand, the power of a comparison can be told better than before.
        plan(protocol, &cases)?.check(request.knowingly)?;
    }
    let (runs, journal) = run(place, &subject, &set, &list, progress).await?;
    for case in &mut cases {
        if let Some(run) = runs.get(&case.id) {
            case.outcome = run.outcome(finding);
        }
    }
    // Cases that could not be run are known now, and with them gaps that a waiver of everything answers for.
    let planned = plan(protocol, &cases)?;
    let waivers: Vec<Waiver> = waived.iter().flat_map(|waived| waivers_of(waived, &planned)).collect();
    let model_identity = identity(&subject, protocol)?;
    let report = evaluate(&EvaluationInput {
        protocol: &frozen.frozen,
        protocol_record: frozen.record.digest,
        frozen_by: frozen.record.author.clone(),
        frozen_at: frozen.record.created_at,
        model: model_identity.clone(),
        champion: champion.as_ref().map(|champion| identity(champion, protocol)).transpose()?,
        reference_set: ReferenceSetIdentity {
            record: set.digest,
            name: list.name.clone(),
            label_source: label_source(&list),
            earlier_runs: u64::from(n_uses.saturating_sub(1)),
        },
        cases: &cases,
        waivers: &waivers,
        knowingly: request.knowingly,
        run: RunFacts {
            at: place.clock.now(),
            by: request.actor.clone(),
            software: request.software.clone(),
            engine: subject.engine().to_string(),
        },
    })?;
    let (images, mut notes) = pictures(place, &report, &runs).await;
    let n_held = journal.n_held() + champion_journal.as_ref().map_or(0, Journal::n_held);
    if 0 < n_held {
        notes.push(format!(
            "results taken over from an interrupted run of the same package, engine and images: {n_held}"
        ));
    }
    let answered = answered(&report);
    let moot = report.waivers.iter().filter(|waiver| !answered.contains(&(waiver.gap.as_str(), waiver.record)));
    notes.extend(moot.map(|waiver| format!("waiver {} of {} has no effect", waiver.record.short(), waiver.gap)));
    let in_force = waived.iter().filter(|waived| answered.iter().any(|(_, by)| *by == waived.record));
    let waived_until = in_force.map(|waived| waived.ends_at).min();
    let mut new = validation_record(request, &frozen, &set.digest, &report, model_identity.threshold, waived_until)?;
    if let Some(scores) = reference_scores(protocol, &cases)? {
        let reference = LabelFreeReference { finding: finding.clone(), scores };
        new.body[REFERENCE_KEY] = serde_json::to_value(reference).map_err(|_| TrialError::Defect)?;
    }
    let added = catalog.record_add(&new, place.clock.now()).await?;
    journal.finish()?;
    champion_journal.map_or(Ok(()), |journal: Journal| journal.finish())?;
    Ok(Acceptance { report, record: added.record, frozen, images, notes })
}

fn check_request(request: &AcceptanceRequest) -> Result<(), TrialError> {
    let protocol = &request.protocol;
    let refuse = |why: String| Err(TrialError::Refused(why));
    let metrics = protocol.criteria.iter().map(|criterion| criterion.metric);
    if let Some(metric) = metrics.chain(protocol.subgroups.iter().map(|group| group.metric)).find(|m| m.is_measure()) {
        return refuse(format!(
            "the protocol asks for {metric}, which needs reference masks; reference sets hold labels only so far"
        ));
    }
    if protocol.needs_champion() && request.champion.is_none() {
        let of_champion = |comparator| comparator == hilum_validate::protocol::Comparator::Champion;
        let named = protocol.criteria.iter().find(|criterion| of_champion(criterion.comparator));
        let name = named.map_or("subgroup", |criterion| criterion.name.as_str());
        return Err(ValidateError::NoChampion(name.to_owned()).into());
    }
    if request.champion.as_ref().is_some_and(|champion| champion.digest == request.model.digest) {
        return refuse("model and champion are the same package; name another champion".to_owned());
    }
    if protocol.operating_point == OperatingPoint::Deployment && request.used_in.is_none() {
        return refuse(
            "the protocol takes the operating point of the deployment; name it with --deployment".to_owned(),
        );
    }
    Ok(())
}

/// The package with the thresholds that the protocol asks for: its own, unless it asks for the deployment's.
async fn load(
    place: &Place,
    package: &Package,
    used_in: Option<&Deployment>,
    protocol: &AcceptanceProtocol,
) -> Result<Subject, TrialError> {
    let mut used_in = used_in.cloned();
    if protocol.operating_point == OperatingPoint::Package
        && let Some(deployment) = &mut used_in
    {
        deployment.spec.operating_points.clear();
    }
    let now = place.clock.now();
    let subject = Subject::load(&place.models, package.clone(), used_in.as_ref(), &BTreeMap::new(), now).await?;
    subject.operating_point(&protocol.target.finding)?;
    Ok(subject)
}

fn identity(subject: &Subject, protocol: &AcceptanceProtocol) -> Result<ModelIdentity, TrialError> {
    let threshold = match protocol.operating_point {
        OperatingPoint::Stated { threshold } => threshold,
        OperatingPoint::Package | OperatingPoint::Deployment => subject.operating_point(&protocol.target.finding)?,
    };
    Ok(ModelIdentity {
        name: subject.package.name.clone(),
        version: subject.package.version.clone(),
        package: subject.package.digest,
        threshold: Some(threshold),
    })
}

async fn run(
    place: &Place,
    subject: &Subject,
    set: &Record,
    list: &CaseList,
    progress: &Arc<dyn Progress>,
) -> Result<(BTreeMap<String, CaseRun>, Journal), TrialError> {
    let journal = Journal::open(&place.data_dir, subject, &set.digest)?;
    progress.begin(&subject.title(), list.cases.len());
    let told = progress.clone();
    let done = Arc::new(move || told.done());
    let runs = run_trial(subject, list, &place.blobs, &journal, place.n_workers, place.clock.now(), done).await?;
    Ok((runs, journal))
}

/// Whether a waiver is about this protocol, or about an earlier report on this package under it.
async fn check_subject(
    catalog: &dyn Catalog,
    request: &AcceptanceRequest,
    frozen: &Frozen,
    waived: &Waived,
    record: &Record,
) -> Result<(), TrialError> {
    let about = catalog.record_get(&waived.about.to_string()).await?;
    let of_protocol = about.digest == frozen.record.digest;
    let of_report = about.kind == RecordKind::Validation
        && about.subject == request.model.digest.to_string()
        && about.body["protocol"] == json!(frozen.record.digest);
    if of_protocol || of_report {
        return Ok(());
    }
    Err(TrialError::Refused(format!(
        "waiver {} is about record {}, which is neither this protocol ({}) nor a report on this package under it",
        record.digest.short(),
        about.digest.short(),
        frozen.record.digest.short()
    )))
}

/// Where the labels come from, in words, the commonest first.
fn label_source(list: &CaseList) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for label in list.cases.iter().filter_map(|case| case.label.as_ref()) {
        let extractor = label.extractor.as_ref().map_or(String::new(), |name| format!(", read by {name}"));
        *counts.entry(format!("{}{extractor}", label.source)).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    match counts.as_slice() {
        [] => "there are no labels".to_owned(),
        [(only, _)] => only.clone(),
        several => several.iter().map(|(text, n)| format!("{text} ({n})")).collect::<Vec<_>>().join("; "),
    }
}

/// Gaps that a waiver answers for, each with the waiver.
fn answered(report: &Report) -> BTreeSet<(&str, Digest)> {
    let criteria = report.criteria.iter().filter_map(|result| result.waived_by.map(|by| (result.name.as_str(), by)));
    let groups = report.subgroups.iter().filter_map(|result| result.waived_by.map(|by| (result.key.as_str(), by)));
    criteria.chain(groups).collect()
}

/// A picture that cannot be made is told and left out; the report shows the case by its numbers then.
async fn pictures(place: &Place, report: &Report, runs: &BTreeMap<String, CaseRun>) -> (FailureImages, Vec<String>) {
    let (mut images, mut notes) = (FailureImages::new(), Vec::new());
    let flips = report.comparison.iter().flat_map(|comparison| &comparison.negative_flips).map(|flip| &flip.case);
    let wanted: BTreeSet<&String> =
        report.failures.shown.iter().map(|failure| &failure.case).chain(flips.take(24)).collect();
    for case in wanted {
        let Some((object, frame)) = runs.get(case).and_then(|run| run.shown) else { continue };
        match failure_picture(&*place.blobs, case, &object, frame).await {
            Ok(png) => {
                images.insert(case.clone(), png);
            }
            Err(error) => notes.push(format!("no picture: {error}")),
        }
    }
    (images, notes)
}

fn validation_record(
    request: &AcceptanceRequest,
    frozen: &Frozen,
    set: &Digest,
    report: &Report,
    threshold: Option<f64>,
    waived_until: Option<Timestamp>,
) -> Result<NewRecord, TrialError> {
    Ok(NewRecord {
        kind: RecordKind::Validation,
        subject: request.model.digest.to_string(),
        body: json!({
            "format": 1,
            "verdict": report.verdict.name(),
            "post_hoc": report.post_hoc,
            "protocol": frozen.record.digest,
            "reference_set": set,
            "package": request.model.digest,
            "model": request.model.name,
            "version": request.model.version,
            "deployment": request.used_in.as_ref().map(|deployment| deployment.spec.name.clone()),
            "operating_point": threshold,
            "waived_until": waived_until,
            "report": serde_json::to_value(report).map_err(|_| TrialError::Defect)?,
        }),
        author: request.actor.clone(),
    })
}
