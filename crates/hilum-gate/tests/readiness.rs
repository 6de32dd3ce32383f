//! Everything that is missing before a step, and the plan when nothing is (MV-01, MV-14, GV-02, GV-09, UX-10).

use hilum_gate::{ProofInput, change_body, plan_promotion, readiness, recovery, rules_digest};
use hilum_registry::DeploymentState::{Accepted, Active, Draft, Limited, Shadow};
use hilum_registry::{Deployment, DeploymentSpec, DeploymentState, Manifest, MonitoringPlan, RehearsalNeed};
use hilum_sign::{NewRecord, PersonKey, Record, RecordKind, SignatureMeaning, ToSign};
use hilum_types::{Digest, Timestamp};
use serde_json::{Value, json};

const DAY: i64 = 86_400;

fn at(days: i64) -> Timestamp {
    Timestamp::from_micros(1_795_435_200_000_000).plus_seconds(days * DAY)
}

fn manifest(status: &str) -> Manifest {
    let text = format!(
        "schema = 1\n[package]\nname = 'cxr'\nversion = '2.0.0'\ntitle = 'CXR'\nmanufacturer = 'M'\nlicense = 'MIT'\n\
         description = 'd'\n[regulatory]\nstatus = '{status}'\n[intended_use]\nmodality = ['DX']\n\
         [[output]]\nkind = 'classification'\ntensor = 't'\n[[output.finding]]\nlabel = 'nodule'\noperating_point = 0.5\n\
         concept = {{ value = '27925004', scheme = 'SCT', meaning = 'Nodule' }}\n"
    );
    toml::from_str(&text).unwrap()
}

fn deployment(name: &str, package: &[u8], state: DeploymentState, more: &str) -> Deployment {
    let digest = Digest::of(package);
    let text = format!("name='{name}'\npackage='{digest}'\npurpose='clinical'\ndestinations=['pacs']\n{more}");
    let spec: DeploymentSpec = toml::from_str(&text).unwrap();
    Deployment::declared(spec, digest, state, at(-10))
}

fn record(kind: RecordKind, subject: &str, body: Value, signed: &[(&str, SignatureMeaning, &str)]) -> Record {
    let new = NewRecord { kind, subject: subject.into(), body, author: "user:dora".into() };
    let digest = new.digest();
    let sign = |(signer, meaning, role): &(&str, SignatureMeaning, &str)| {
        let (signer, role) = ((*signer).to_owned(), (*role).to_owned());
        let claim = ToSign { record: digest, meaning: *meaning, signer, role, signed_at: at(-2) };
        PersonKey::from_seed([1; 32]).sign(&claim)
    };
    let signatures = signed.iter().map(sign).collect();
    let NewRecord { kind, subject, body, author } = new;
    Record { digest, kind, subject, body, author, created_at: at(-3), signatures }
}

const BOTH: &[(&str, SignatureMeaning, &str)] = &[
    ("anna", SignatureMeaning::ApprovedClinical, "clinical"),
    ("bo", SignatureMeaning::ApprovedTechnical, "technical"),
];

struct Case {
    deployment: Deployment,
    champion: Option<Deployment>,
    manifest: Manifest,
    visited: Vec<DeploymentState>,
    records: Vec<Record>,
    now: Timestamp,
}

impl Case {
    /// A challenger in shadow with everything proven, a champion in use.
    fn complete() -> Case {
        let declared = "champion='cxr'\nowner='radiology'\n[rollout]\nshare=0.1\n[monitoring]\nreviewed_by='physics'\n\
                        review_days=7\nstop_rules=['complaints are read weekly']\n\
                        [[monitoring.rule]]\nname='failing'\nmetric='failure_rate'\nabove=0.05\nconfidence=0.95\n\
                        action='suspend'\n[monitoring.evidence]\nwindow_days=90\nn_min=20";
        let deployment = deployment("cxr-2", b"v2", DeploymentState::Limited, declared);
        let champion = self::deployment("cxr", b"v1", DeploymentState::Active, "owner='radiology'");
        let (v1, v2) = (Digest::of(b"v1"), Digest::of(b"v2"));
        let validation = json!({ "format": 1, "verdict": "pass", "package": v2, "operating_point": 0.5 });
        let replay = json!({ "format": 1, "from": v1, "to": v2, "operating_points": { "from": 0.5, "to": 0.5 } });
        let change = change_body("promote", &deployment, Some(&champion), "active", "better on every gate");
        let training = json!({ "format": 1, "package": v2, "what": "an hour with 20 cases" });
        let records = vec![
            record(RecordKind::Validation, &v2.to_string(), validation, BOTH),
            record(RecordKind::Replay, "cxr-2", replay, BOTH),
            record(RecordKind::Change, "cxr-2", change, BOTH),
            record(RecordKind::UserTraining, "anna", training, &[]),
        ];
        let visited = vec![DeploymentState::Limited, DeploymentState::Shadow];
        Case { deployment, champion: Some(champion), manifest: manifest("ce"), visited, records, now: at(0) }
    }

    fn ask<T>(&self, ask: impl FnOnce(&ProofInput<'_>) -> T) -> T {
        let mut all = vec![self.deployment.clone()];
        all.extend(self.champion.clone());
        let users = ["anna".to_owned(), "bo".to_owned()];
        ask(&ProofInput {
            deployment: &self.deployment,
            champion: self.champion.as_ref(),
            all: &all,
            manifest: &self.manifest,
            features: &["noise"],
            visited: &self.visited,
            records: &self.records,
            users: &users,
            now: self.now,
        })
    }

    fn missing(&self, to: DeploymentState) -> String {
        self.ask(|input| readiness(input, to, None).iter().map(|missing| format!("{missing}\n")).collect())
    }

    fn body(&mut self, kind: RecordKind, change: impl FnOnce(&mut Value), signed: &[(&str, SignatureMeaning, &str)]) {
        let place = self.records.iter().position(|record| record.kind == kind).unwrap();
        let mut body = self.records[place].body.clone();
        change(&mut body);
        self.records[place] = record(kind, &self.records[place].subject.clone(), body, signed);
    }
}

#[test]
fn a_proven_challenger_is_planned_with_its_evidence() {
    let case = Case::complete();
    assert_eq!(case.missing(Active), "");
    let digest = Digest::of(b"v1").to_string();
    let plan = case.ask(|input| plan_promotion(input, Active, Some(&digest[..12]), "user:anna", None)).unwrap();
    assert_eq!((plan.name(), plan.revision(), plan.to()), ("cxr-2", 1, Active));
    assert_eq!(plan.champion(), Some(("cxr", 1, Digest::of(b"v1"))));
    assert_eq!(plan.evidence().len(), 4, "validation, replay, change, training");
    let accepted = plan.acceptance().unwrap();
    assert_eq!((accepted.record, accepted.until), (case.records[0].digest, at(-3 + 365)));
}

/// MV-01: the refusal lists everything, not the first thing.
#[test]
fn everything_missing_is_told_at_once() {
    let bare = Case {
        deployment: deployment("cxr", b"v2", Draft, ""),
        champion: None,
        manifest: Manifest { intended_use: Default::default(), ..manifest("research-only") },
        visited: vec![],
        records: vec![],
        now: at(0),
    };
    insta::assert_snapshot!(bare.missing(Active), @r#"
    cxr is draft, and from there is no step to active: clinical use begins with acceptance: `hilum deploy promote NAME --to accepted`
    nobody answers for it: set `owner` in its declaration
    neither package nor declaration says what it is for: set `[deployment.intended_use]`
    its package is for research only: a package whose maker states a status in force; research needs no promotion
    no validation of package a32d57bd2838 is on file: `hilum validate --model NAME@VERSION --protocol FILE --out DIR`, then `hilum record sign` by two people
    its monitoring plan lacks a rule that suspends, evidence, reviewed_by, review_days: set `[deployment.monitoring]`
    there is no earlier version to return to, and nothing says how studies are read without the model: set `fallback` in its declaration, such as "read without the model"
    no active user was trained for exactly this version: `hilum user trained USER --model NAME@VERSION --what TEXT`
    nobody has approved exactly this step to active: `hilum deploy propose cxr --to active --reason TEXT`, then `hilum record sign` by two people
    "#);
    insta::assert_snapshot!(bare.missing(Accepted), @r"
    nobody answers for it: set `owner` in its declaration
    neither package nor declaration says what it is for: set `[deployment.intended_use]`
    its package is for research only: a package whose maker states a status in force; research needs no promotion
    no validation of package a32d57bd2838 is on file: `hilum validate --model NAME@VERSION --protocol FILE --out DIR`, then `hilum record sign` by two people
    ");
}

#[test]
fn each_proof_must_be_of_exactly_this() {
    let gap = |change: &dyn Fn(&mut Case)| {
        let mut case = Case::complete();
        change(&mut case);
        case.missing(Active)
    };
    use RecordKind::{Change, Replay, UserTraining, Validation};
    insta::assert_snapshot!(gap(&|c| c.body(Validation, |b| b["package"] = json!(Digest::of(b"v1")), BOTH)), @"no validation of package a32d57bd2838 is on file: `hilum validate --model NAME@VERSION --protocol FILE --out DIR`, then `hilum record sign` by two people");
    insta::assert_snapshot!(gap(&|c| c.body(Validation, |b| b["operating_point"] = json!(0.4), BOTH)), @"validation 13e6f8fd2605 was made at the operating point 0.4, in force is 0.5: `hilum validate --model NAME@VERSION --protocol FILE --out DIR`, then `hilum record sign` by two people");
    insta::assert_snapshot!(gap(&|c| c.body(Validation, |_| {}, &BOTH[..1])), @"validation dc62475d28fc lacks approval in the technical role: `hilum validate --model NAME@VERSION --protocol FILE --out DIR`, then `hilum record sign` by two people");
    insta::assert_snapshot!(gap(&|c| c.body(Validation, |b| b["verdict"] = json!("insufficient"), BOTH)), @"validation 7b5fd7ac23b2 has the verdict insufficient, and no signed waiver in force says why that is accepted: `hilum validate --model NAME@VERSION --protocol FILE --out DIR`, then `hilum record sign` by two people");
    insta::assert_snapshot!(gap(&|c| c.now = at(362)), @"validation dc62475d28fc was entered on 2026-11-20 and counted for 365 days: `hilum validate --model NAME@VERSION --protocol FILE --out DIR`, then `hilum record sign` by two people");
    insta::assert_snapshot!(gap(&|c| c.body(Replay, |b| b["from"] = json!(Digest::of(b"v0")), BOTH)), @"the change from package 2a84887509a9 to a32d57bd2838 was not replayed on reference cases: `hilum model compare A B --reference SET --for cxr-2`, then `hilum record sign` by two people");
    insta::assert_snapshot!(gap(&|c| c.body(Replay, |_| {}, &[])), @"replay 867ffef89eb8 lacks approval in the clinical role and approval in the technical role: `hilum model compare A B --reference SET --for cxr-2`, then `hilum record sign` by two people");
    insta::assert_snapshot!(gap(&|c| c.body(UserTraining, |b| b["package"] = json!(Digest::of(b"v1")), &[])), @"no active user was trained for exactly this version: `hilum user trained USER --model NAME@VERSION --what TEXT`");
    insta::assert_snapshot!(gap(&|c| c.records[3].subject = "carl".into()), @"no active user was trained for exactly this version: `hilum user trained USER --model NAME@VERSION --what TEXT`");
    insta::assert_snapshot!(gap(&|c| c.body(Change, |_| {}, &BOTH[1..])), @"change 4e62d97d4c5f lacks approval in the clinical role: `hilum record sign DIGEST --as USER --meaning ...`");
    insta::assert_snapshot!(gap(&|c| c.champion.as_mut().unwrap().revision = 2), @"nobody has approved exactly this step to active: `hilum deploy propose cxr-2 --to active --reason TEXT`, then `hilum record sign` by two people");
    let skipped = |c: &mut Case| (c.visited, c.deployment.state) = (vec![Shadow], Shadow);
    insta::assert_snapshot!(gap(&skipped), @"this version has not been limited here: go through limited first, or say why not with --reason TEXT");
    insta::assert_snapshot!(gap(&|c| c.champion.as_mut().unwrap().state = DeploymentState::Retired), @"its champion cxr is retired, so it cannot take over a version: bring the champion into service");
    insta::assert_snapshot!(gap(&|c| c.champion.as_mut().unwrap().state = DeploymentState::Suspended), @"");
    insta::assert_snapshot!(gap(&|c| c.records[0].body["verdict"] = json!("pass ")), @"validation dc62475d28fc lacks the record was changed after it was entered; its signatures are void and approval in the clinical role and approval in the technical role: `hilum validate --model NAME@VERSION --protocol FILE --out DIR`, then `hilum record sign` by two people");
}

/// The envelope is signed with the rules: a record that two people approved before it was changed is of another thing.
#[test]
fn what_images_are_held_against_is_signed() {
    let mut case = Case::complete();
    assert_eq!(case.missing(Active), "");
    let plan = case.deployment.spec.monitoring.as_mut().unwrap();
    plan.envelope = Some(hilum_registry::EnvelopePlan::default());
    assert!(
        case.missing(Active).starts_with("nobody has approved exactly this step to active"),
        "{}",
        case.missing(Active)
    );
    let change = |case: &Case| change_body("promote", &case.deployment, case.champion.as_ref(), "active", "");
    let withholds = change(&case);
    let plan = case.deployment.spec.monitoring.as_mut().unwrap();
    plan.envelope.as_mut().unwrap().outside = hilum_registry::OutsidePolicy::Mark;
    assert_ne!(withholds, change(&case));
}

/// MV-45: where the plan asks for it, results reach readers after a rehearsal of exactly these rules with exactly this package,
/// which met faults, kept what is declared, and was approved by two people.
#[test]
fn a_required_rehearsal_is_of_exactly_these_rules() {
    let mut case = Case::complete();
    let plan = case.deployment.spec.monitoring.as_mut().unwrap();
    plan.rehearsal = RehearsalNeed::Required;
    let rules = rules_digest(&plan.rules, plan.evidence.as_ref());
    let remedy = "`hilum rehearse --deployment cxr-2 --faults FILE --record`, then `hilum record sign` by two people\n";
    let none = format!("its stop rules were not rehearsed with package a32d57bd2838: {remedy}");
    assert_eq!((case.missing(Active), case.missing(Shadow).contains("rehearse")), (none.clone(), false));
    let body = json!({
        "format": 1, "mode": "faults", "package": Digest::of(b"v2"), "rules": rules, "verdict": "kept",
        "rehearsal": { "faults": [{ "verdict": "kept" }] },
    });
    let rehearsed = |body: &Value, signed| record(RecordKind::Rehearsal, "cxr-2", body.clone(), signed);
    let with = |rehearsal: Record, why: &str| {
        let mut records = Case::complete().records;
        records.push(rehearsal);
        let told = Case { records, deployment: case.deployment.clone(), ..Case::complete() }.missing(Active);
        assert!(told.ends_with(&format!("{why}: {remedy}")), "{told}");
    };
    with(rehearsed(&body, &BOTH[..1]), "lacks approval in the technical role");
    for (key, value, why) in [
        ("rules", json!(Digest::of(b"others")), "tried other rules than those that are declared"),
        ("rules", Value::Null, "tried other rules than those that are declared"),
        ("rehearsal", json!({ "faults": [] }), "tried no fault"),
        ("verdict", json!("not_shown"), "has the verdict not_shown"),
        ("mode", json!("replay"), "were not rehearsed with package a32d57bd2838"),
        ("package", json!(Digest::of(b"v1")), "were not rehearsed with package a32d57bd2838"),
    ] {
        let mut other = body.clone();
        other[key] = value;
        with(rehearsed(&other, BOTH), why);
    }
    let signed = rehearsed(&body, BOTH);
    case.records.push(signed.clone());
    assert_eq!(case.missing(Active), "");
    let plan = case.ask(|input| plan_promotion(input, Active, None, "user:anna", None)).unwrap();
    assert!(plan.evidence().contains(&signed.digest), "the step names it");
    // Another rule about evidence is another thing.
    case.deployment.spec.monitoring.as_mut().unwrap().evidence.as_mut().unwrap().n_min += 1;
    assert!(case.missing(Active).contains("tried other rules than those that are declared"));
    // What the champion asks for, no version takes away.
    let mut case = Case::complete();
    case.champion.as_mut().unwrap().spec.monitoring =
        Some(MonitoringPlan { rehearsal: RehearsalNeed::Required, ..MonitoringPlan::default() });
    assert_eq!(case.missing(Active), none);
}

/// A rule about a finding that the package does not have would be silent for ever.
#[test]
fn a_rule_about_nothing_is_no_plan() {
    let mut case = Case::complete();
    let plan = case.deployment.spec.monitoring.as_mut().unwrap();
    plan.rules[0].finding = "nodul".to_owned();
    let first = case.missing(Active).lines().next().unwrap_or_default().to_owned();
    insta::assert_snapshot!(first, @r#"monitoring: rule "failing" is about "nodul", which its package never says; there are nodule: put it right in `[deployment.monitoring]`"#);
}

/// MV-32: another threshold is another thing: what was validated at the package's own point does not count for it.
#[test]
fn a_changed_threshold_needs_its_own_proof() {
    let mut case = Case::complete();
    case.deployment.spec.operating_points.insert("nodule".into(), 0.3);
    let told = case.missing(Active);
    assert!(told.contains("was made at the operating point 0.5, in force is 0.3"), "{told}");
    assert!(told.contains("nobody has approved exactly this step"), "the change record spoke of other points: {told}");
}

#[test]
fn a_failed_validation_counts_with_a_signed_waiver_until_that_ends() {
    let mut case = Case::complete();
    case.body(RecordKind::Validation, |b| b["verdict"] = json!("fail"), BOTH);
    let waive = |group: Option<&str>, signer: &str, expires: Timestamp| {
        let body = json!({ "format": 1, "group": group, "reason": "none are examined here", "expires_at": expires });
        let signed = [(signer, SignatureMeaning::Waived, "clinical")];
        record(RecordKind::Waiver, &case.records[0].digest.to_string(), body, &signed)
    };
    for (waiver, counts) in [
        (waive(None, "anna", at(30)), true),
        (waive(None, "dora", at(30)), false),
        (waive(None, "anna", at(-1)), false),
        // One group is not the whole report: that waiver belongs to a run with `--waiver`.
        (waive(Some("age=<18 auroc"), "anna", at(30)), false),
    ] {
        let mut records = case.records.clone();
        records.push(waiver);
        let waived = Case { records, ..Case::complete() };
        let told = waived.missing(Active);
        assert_eq!(!told.contains("no signed waiver"), counts, "{told}");
    }
}

#[test]
fn a_pass_that_rests_on_a_waiver_ends_with_it() {
    let mut case = Case::complete();
    case.body(RecordKind::Validation, |b| b["waived_until"] = json!(at(3)), BOTH);
    assert!(!case.missing(Active).contains("waiver"), "{}", case.missing(Active));
    case.body(RecordKind::Validation, |b| b["waived_until"] = json!(at(-1)), BOTH);
    let told = case.missing(Active);
    assert!(told.contains("rests on a waiver that ended on "), "{told}");
}

#[test]
fn a_step_meant_for_something_else_is_refused() {
    let case = Case::complete();
    let told =
        case.ask(|input| plan_promotion(input, Active, Some(&Digest::of(b"v0").to_string()), "", None)).unwrap_err();
    let told: String = told.iter().map(|missing| format!("{missing}\n")).collect();
    insta::assert_snapshot!(told, @r"
    cxr has package 2a84887509a9, not 57f21cd664d3bc0d499bf992ad3ca2f2adf929df01da4d0d7769cc59aac241c3: somebody changed it meanwhile; look at `hilum deploy history`, and decide again
    nobody is named who takes the step: add --by NAME
    ");
}

/// A step back needs a reason and no proof; another limited version of the family is in the way of a step forward.
#[test]
fn stepping_back_is_easy_and_one_version_is_limited_at_a_time() {
    let mut case = Case::complete();
    case.records.clear();
    insta::assert_snapshot!(case.missing(Shadow), @"no reason is given: add --reason TEXT");
    case.ask(|input| plan_promotion(input, Shadow, None, "user:anna", Some("two wrong sides"))).unwrap();
    let mut case = Case::complete();
    case.deployment.state = Shadow;
    let mut all = vec![case.deployment.clone(), deployment("cxr-3", b"v3", Limited, "champion='cxr'")];
    all.extend(case.champion.clone());
    let told = case.ask(|input| readiness(&ProofInput { all: &all, ..*input }, Limited, None));
    assert!(
        told.iter().any(|missing| missing.text == "cxr-3 is limited already, and one version at a time is"),
        "{told:?}"
    );
}

/// What may be evidence that a stopped version is fit again, and what is not; of each it is said why.
#[test]
fn what_shows_that_a_stopped_version_is_fit_again() {
    let deployment = deployment("cxr", b"v2", Active, "");
    let package = deployment.package_digest.to_string();
    let at_entry = at(-3);
    let ask = |kind, subject: &str, body: Value, stopped_at| {
        let records = [record(kind, subject, body, &[])];
        recovery(&records, &deployment, stopped_at)
            .map(|record| record.kind.name().to_owned())
            .unwrap_or_else(|gap| gap)
    };
    let body = || json!({ "format": 1, "package": package, "as_of": at_entry });
    let replay = |to: &[u8]| json!({ "format": 1, "from": Digest::of(b"v1"), "to": Digest::of(to) });
    let verdict = |verdict: &str| json!({ "format": 1, "package": package, "verdict": verdict });
    for (kind, subject, body) in [
        (RecordKind::MonitoringEvidence, "cxr", body()),
        (RecordKind::Replay, "cxr", replay(b"v2")),
        // Of recorded days, and of faults.
        (RecordKind::Rehearsal, "cxr", body()),
        (RecordKind::Rehearsal, "cxr", verdict("kept")),
        (RecordKind::Validation, package.as_str(), verdict("pass")),
    ] {
        assert_eq!(ask(kind, subject, body, at_entry), kind.name());
    }
    let refused = |kind, subject: &str, body: Value, stopped_at, why: &str| {
        let said = ask(kind, subject, body, stopped_at);
        assert!(said.starts_with("record ") && said.ends_with(why), "{said}");
    };
    refused(RecordKind::Validation, &package, verdict("fail"), at_entry, "has the verdict fail");
    for missed in ["missed", "not_shown"] {
        let why = format!("has the verdict {missed}");
        refused(RecordKind::Rehearsal, "cxr", verdict(missed), at_entry, &why);
    }
    // The name had another version before.
    let of_v1 = "is about the version 2a84887509a9, and cxr has a32d57bd2838";
    for kind in [RecordKind::MonitoringEvidence, RecordKind::Rehearsal, RecordKind::Validation] {
        let body = json!({ "format": 1, "package": Digest::of(b"v1"), "verdict": "pass" });
        refused(kind, "cxr", body, at_entry, of_v1);
        refused(kind, "cxr", json!({ "format": 1 }), at_entry, "does not name the version it is about");
    }
    refused(RecordKind::Replay, "cxr", replay(b"v1"), at_entry, of_v1);
    let mut early = body();
    early["as_of"] = json!(at(-4));
    let why = "says what was known on 2026-11-19, before the stop";
    refused(RecordKind::MonitoringEvidence, "cxr", early, at_entry, why);
    refused(RecordKind::Replay, "ct", body(), at_entry, "is about neither cxr nor its package a32d57bd2838");
    let only = "is of kind user_training; figures, a validation, a replay or a rehearsal count";
    refused(RecordKind::UserTraining, "cxr", body(), at_entry, only);
    let later = at_entry.plus_seconds(1);
    refused(RecordKind::Rehearsal, "cxr", body(), later, "before the stop");
    // A threshold that the declaration sets is part of what was tested.
    let mut deployment = deployment.clone();
    deployment.spec.operating_points.insert("nodule".into(), 0.3);
    let tested = |finding: &str, point: f64| {
        let report = json!({ "protocol": { "document": { "target": { "finding": finding } } } });
        let more = json!({ "operating_point": point, "report": report, "package": package, "verdict": "pass" });
        let records = [record(RecordKind::Validation, &package, more, &[])];
        recovery(&records, &deployment, at_entry).map(|_| ())
    };
    assert_eq!((tested("nodule", 0.3), tested("effusion", 0.5)), (Ok(()), Ok(())));
    let gap = tested("nodule", 0.5).unwrap_err();
    assert!(gap.ends_with("was made at the operating point 0.5, in force is 0.3"), "{gap}");
    assert_eq!(recovery(&[], &deployment, at_entry).unwrap_err(), "no record is named as evidence");
}
