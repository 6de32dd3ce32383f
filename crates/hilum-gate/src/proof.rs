//! What the records say: whether a version is accepted, replayed, trained for and approved.

use crate::readiness::{Missing, ProofInput};
use hilum_registry::manifest::{Manifest, OutputSpec};
use hilum_registry::{Acceptance, Deployment, DeploymentSpec, EvidenceRule, Requirement, StopRule};
use hilum_sign::{Record, RecordKind, SignatureMeaning, approvals, canonical_text, signed_by_others};
use hilum_types::{Digest, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a record says when it says that it holds, or what keeps it from holding.
type Held<T> = Result<T, String>;

/// The operating points in force: the package's, replaced by the declaration's (MV-32).
pub(crate) fn operating_points(manifest: &Manifest, spec: &DeploymentSpec) -> BTreeMap<String, f64> {
    let mut points = BTreeMap::new();
    for output in &manifest.outputs {
        if let OutputSpec::Classification(classification) = output {
            points.extend(classification.findings.iter().map(|f| (f.label.clone(), f.operating_point)));
        }
    }
    points.extend(spec.operating_points.clone());
    points
}

/// Whether a record that was made at `point` (`null`: the package's own points) speaks of the points in force.
fn same_point(input: &ProofInput<'_>, body: &Value, point: &Value) -> Held<()> {
    let spec = &input.deployment.spec;
    at_point(spec, &operating_points(input.manifest, spec), finding_of(body), point)
}

/// A replay names its finding itself, a validation by the protocol in its report.
fn finding_of(body: &Value) -> Option<&str> {
    let paths = ["/finding", "/report/protocol/document/target/finding"];
    paths.iter().find_map(|path| body.pointer(path)?.as_str())
}

fn at_point(spec: &DeploymentSpec, points: &BTreeMap<String, f64>, finding: Option<&str>, point: &Value) -> Held<()> {
    let Some(point) = point.as_f64() else {
        if spec.operating_points.is_empty() {
            return Ok(());
        }
        return Err("was made at the package's own operating point, and the declaration sets another".to_owned());
    };
    let in_force: Vec<f64> = match finding.and_then(|label| points.get(label)) {
        Some(in_force) => vec![*in_force],
        None => points.values().copied().collect(),
    };
    if in_force.iter().any(|in_force| (in_force - point).abs() < 1e-9) {
        return Ok(());
    }
    let in_force: Vec<String> = in_force.iter().map(f64::to_string).collect();
    Err(format!("was made at the operating point {point}, in force is {}", in_force.join(", ")))
}

fn of_kind<'a>(input: &ProofInput<'a>, kind: RecordKind) -> impl Iterator<Item = &'a Record> {
    input.records.iter().filter(move |record| record.kind == kind)
}

fn approved(record: &Record) -> Held<()> {
    let found = approvals(record);
    if found.complete() { Ok(()) } else { Err(format!("lacks {}", found.missing.join(" and "))) }
}

/// The newest validation that accepts exactly this package at this operating point, and until when it counts.
pub(crate) fn acceptance(input: &ProofInput<'_>) -> Result<Acceptance, Missing> {
    let digest = input.deployment.package_digest;
    let about = |record: &&Record| record.subject == digest.to_string() && record.body["package"] == digest.to_string();
    let mut first_gap = None;
    for record in of_kind(input, RecordKind::Validation).filter(about) {
        match accepts(input, record) {
            Ok(accepted) => return Ok(accepted),
            Err(gap) => {
                first_gap.get_or_insert(format!("validation {} {gap}", record.digest.short()));
            }
        }
    }
    let text = first_gap.unwrap_or_else(|| format!("no validation of package {} is on file", digest.short()));
    Err(Missing::new(
        Requirement::Acceptance,
        text,
        "`hilum validate --model NAME@VERSION --protocol FILE --out DIR`, then `hilum record sign` by two people",
    ))
}

fn accepts(input: &ProofInput<'_>, record: &Record) -> Held<Acceptance> {
    same_point(input, &record.body, &record.body["operating_point"])?;
    approved(record)?;
    let days = i64::from(input.deployment.spec.validation_days_max);
    let mut until = record.created_at.plus_seconds(days * 86_400);
    if until <= input.now {
        return Err(format!("was entered on {} and counted for {days} days", record.created_at.day()));
    }
    // A verdict that rests on waivers lasts as long as they do.
    if let Some(waived_until) = record.body["waived_until"].as_str().and_then(|time| time.parse::<Timestamp>().ok()) {
        if waived_until <= input.now {
            return Err(format!("rests on a waiver that ended on {}", waived_until.day()));
        }
        until = until.min(waived_until);
    }
    let verdict = record.body["verdict"].as_str().unwrap_or("none");
    if verdict != "pass" {
        let waived_until = waived(input, record).ok_or_else(|| {
            format!("has the verdict {verdict}, and no signed waiver in force says why that is accepted")
        })?;
        until = until.min(waived_until);
    }
    Ok(Acceptance { record: record.digest, accepted_at: record.created_at, until })
}

/// Until when a waiver by somebody other than its author covers the whole record; one for a single group does not.
fn waived(input: &ProofInput<'_>, record: &Record) -> Option<Timestamp> {
    of_kind(input, RecordKind::Waiver)
        .filter(|waiver| waiver.subject == record.digest.to_string() && waiver.is_intact())
        .filter(|waiver| waiver.body["group"].is_null())
        .filter(|waiver| !signed_by_others(waiver, SignatureMeaning::Waived).is_empty())
        .filter_map(|waiver| waiver.body["expires_at"].as_str()?.parse().ok())
        .filter(|until| input.now < *until)
        .max()
}

/// The signed replay of exactly this change; `None` when nothing changes (MV-14).
pub(crate) fn replay<'a>(input: &ProofInput<'a>) -> Result<Option<&'a Record>, Missing> {
    let Some(champion) = input.champion else { return Ok(None) };
    let own = &input.deployment.spec;
    let changed = champion.package_digest != input.deployment.package_digest
        || champion.spec.operating_points != own.operating_points;
    if !changed {
        return Ok(None);
    }
    let (from, to) = (champion.package_digest.to_string(), input.deployment.package_digest.to_string());
    let about = |record: &&Record| {
        [&own.name, &champion.spec.name].contains(&&record.subject)
            && record.body["from"] == from.as_str()
            && record.body["to"] == to.as_str()
    };
    let mut first_gap = None;
    for record in of_kind(input, RecordKind::Replay).filter(about) {
        let at = record.body.pointer("/operating_points/to").unwrap_or(&Value::Null);
        match same_point(input, &record.body, at).and_then(|()| approved(record)) {
            Ok(()) => return Ok(Some(record)),
            Err(gap) => {
                first_gap.get_or_insert(format!("replay {} {gap}", record.digest.short()));
            }
        }
    }
    let text = first_gap.unwrap_or_else(|| {
        format!(
            "the change from package {} to {} was not replayed on reference cases",
            champion.package_digest.short(),
            input.deployment.package_digest.short()
        )
    });
    let remedy =
        format!("`hilum model compare A B --reference SET --for {}`, then `hilum record sign` by two people", own.name);
    Err(Missing::new(Requirement::Replay, text, remedy))
}

/// Name of what is rehearsed: the BLAKE3 digest of the canonical text of stop rules and rule about evidence.
///
/// A record of a rehearsal holds it, so that it counts for exactly these rules, in this order.
pub fn rules_digest(rules: &[StopRule], evidence: Option<&EvidenceRule>) -> Digest {
    Digest::of(canonical_text(&json!({ "rule": rules, "evidence": evidence })).as_bytes())
}

/// The approved rehearsal of exactly the declared rules with exactly this package; `None` where neither the deployment nor
/// its champion asks for one (MV-45).
pub(crate) fn rehearsal<'a>(input: &ProofInput<'a>) -> Result<Option<&'a Record>, Missing> {
    let own = &input.deployment.spec;
    if !own.requires_rehearsal() && !input.champion.is_some_and(|champion| champion.spec.requires_rehearsal()) {
        return Ok(None);
    }
    let plan = own.monitoring.as_ref();
    let rules = plan.map_or(&[][..], |plan| plan.rules.as_slice());
    let rules = rules_digest(rules, plan.and_then(|plan| plan.evidence.as_ref()));
    let package = input.deployment.package_digest.to_string();
    // One of recorded days shows no fault.
    let about = |record: &&Record| {
        record.subject == own.name && record.body["package"] == package.as_str() && record.body["mode"] == "faults"
    };
    let mut first_gap = None;
    for record in of_kind(input, RecordKind::Rehearsal).filter(about) {
        match rehearsed(record, &rules) {
            Ok(()) => return Ok(Some(record)),
            Err(gap) => {
                first_gap.get_or_insert(format!("rehearsal {} {gap}", record.digest.short()));
            }
        }
    }
    let text = first_gap.unwrap_or_else(|| {
        format!("its stop rules were not rehearsed with package {}", input.deployment.package_digest.short())
    });
    let remedy = format!(
        "`hilum rehearse --deployment {} --faults FILE --record`, then `hilum record sign` by two people",
        own.name
    );
    Err(Missing::new(Requirement::Rehearsal, text, remedy))
}

fn rehearsed(record: &Record, rules: &Digest) -> Held<()> {
    if record.body["rules"] != rules.to_string() {
        return Err("tried other rules than those that are declared".to_owned());
    }
    let faults = record.body.pointer("/rehearsal/faults").and_then(Value::as_array);
    if faults.is_none_or(Vec::is_empty) {
        return Err("tried no fault".to_owned());
    }
    let verdict = record.body["verdict"].as_str().unwrap_or("none");
    if verdict != "kept" {
        return Err(format!("has the verdict {verdict}"));
    }
    approved(record)
}

/// Active users who were trained for exactly this package, by name (UX-10).
pub(crate) fn trained<'a>(input: &ProofInput<'a>) -> Vec<&'a Record> {
    let package = input.deployment.package_digest.to_string();
    of_kind(input, RecordKind::UserTraining)
        .filter(|record| record.is_intact() && record.body["package"] == package.as_str())
        .filter(|record| input.users.contains(&record.subject))
        .collect()
}

/// What two people approve before a clinical deployment reaches readers: the body of a `Change` record.
///
/// The revisions in it make it good for exactly one step: whatever changes meanwhile, or the step itself, uses it up.
pub fn change_body(act: &str, deployment: &Deployment, champion: Option<&Deployment>, to: &str, reason: &str) -> Value {
    let side = |deployment: &Deployment| {
        let mut side = json!({
            "name": deployment.spec.name,
            "revision": deployment.revision,
            "package": deployment.package_digest,
            "operating_points": deployment.spec.operating_points,
        });
        // The rules it stops by, and what its images are held against, are signed with it.
        if let Some(monitoring) = deployment.spec.signed_monitoring() {
            side["monitoring"] = json!(monitoring);
        }
        side
    };
    json!({
        "format": 1,
        "act": act,
        "to": to,
        "deployment": side(deployment),
        "replaces": champion.map(side),
        "reason": reason,
    })
}

/// The first of `records` that shows why a deployment which a rule stopped may be used again: figures, a validation that
/// passed, a replay, or a rehearsal that missed nothing, of exactly the package it has, and not older than `stopped_at`:
/// the stop, or when a rule fired last since then.
///
/// # Errors
/// Why none counts, of each.
pub fn recovery<'a>(
    records: &'a [Record],
    deployment: &Deployment,
    stopped_at: Timestamp,
) -> Result<&'a Record, String> {
    let mut gaps = Vec::new();
    for record in records {
        match shows_recovery(record, deployment, stopped_at) {
            Ok(()) => return Ok(record),
            Err(gap) => gaps.push(format!("record {} {gap}", record.digest.short())),
        }
    }
    Err(if gaps.is_empty() { "no record is named as evidence".to_owned() } else { gaps.join("; ") })
}

fn shows_recovery(record: &Record, deployment: &Deployment, stopped_at: Timestamp) -> Held<()> {
    use RecordKind::{MonitoringEvidence, Rehearsal, Replay, Validation};
    let name = &deployment.spec.name;
    if !matches!(record.kind, MonitoringEvidence | Validation | Replay | Rehearsal) {
        let kind = record.kind.name();
        return Err(format!("is of kind {kind}; figures, a validation, a replay or a rehearsal count"));
    }
    let package = deployment.package_digest;
    if record.subject != *name && record.subject != package.to_string() {
        return Err(format!("is about neither {name} nor its package {}", package.short()));
    }
    // Under one name there were other versions before; a replay names the one it leads to.
    let of = if record.kind == Replay { &record.body["to"] } else { &record.body["package"] };
    match of.as_str() {
        None => return Err("does not name the version it is about".to_owned()),
        Some(of) if of != package.to_string() => {
            let of: String = of.chars().take(12).collect();
            return Err(format!("is about the version {of}, and {name} has {}", package.short()));
        }
        Some(_) => (),
    }
    if !record.is_intact() {
        return Err("was changed after it was entered".to_owned());
    }
    if record.created_at < stopped_at {
        return Err(format!("was entered on {}, before the stop", record.created_at.day()));
    }
    // Figures of an earlier moment can be entered at any time.
    let as_of = record.body["as_of"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    if let Some(as_of) = as_of.filter(|as_of| *as_of < stopped_at) {
        return Err(format!("says what was known on {}, before the stop", as_of.day()));
    }
    let verdict = record.body["verdict"].as_str().unwrap_or("none");
    let holds = match record.kind {
        Validation => verdict == "pass",
        // One of recorded days has none.
        Rehearsal => matches!(verdict, "kept" | "none"),
        _ => true,
    };
    if !holds {
        return Err(format!("has the verdict {verdict}"));
    }
    match record.kind {
        Validation => at_declared_point(deployment, &record.body, record.body.get("operating_point")),
        Replay => at_declared_point(deployment, &record.body, record.body.pointer("/operating_points/to")),
        _ => Ok(()),
    }
}

/// Whether a record was made at the point that the declaration sets. What it leaves to the package is not known here.
fn at_declared_point(deployment: &Deployment, body: &Value, point: Option<&Value>) -> Held<()> {
    let (declared, finding) = (&deployment.spec.operating_points, finding_of(body));
    if declared.is_empty() || finding.is_some_and(|label| !declared.contains_key(label)) {
        return Ok(());
    }
    at_point(&deployment.spec, declared, finding, point.unwrap_or(&Value::Null))
}

/// The approved record among `records` that speaks of exactly this change, or what the newest one that does lacks.
///
/// # Errors
/// Why none counts; `None` when none speaks of it.
pub fn approved_change<'a>(records: &'a [Record], expected: &Value) -> Result<&'a Record, Option<String>> {
    let same = |record: &&Record| {
        let mut body = record.body.clone();
        body["reason"] = expected["reason"].clone();
        // What the signers looked at; whoever carries the change out says which of it is needed.
        if let Some(body) = body.as_object_mut() {
            body.remove("evidence");
        }
        record.kind == RecordKind::Change && body == *expected
    };
    let mut first_gap = None;
    for record in records.iter().filter(same) {
        match approved(record) {
            Ok(()) => return Ok(record),
            Err(gap) => {
                first_gap.get_or_insert(format!("change {} {gap}", record.digest.short()));
            }
        }
    }
    Err(first_gap)
}
