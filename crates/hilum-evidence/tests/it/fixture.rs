//! A small site: two versions of a model, one accepted by two people on a real report, and the chain that holds it all.

use hilum_audit::{AuditAction, AuditEntry, AuditEvent, AuditSubject, Checkpoint, SubjectKind};
use hilum_evidence::pack::Segment;
use hilum_evidence::{AsOf, CardText, DeploymentEvent, DeploymentFacts, PackageFacts, PersonFacts, SiteFacts};
use hilum_registry::Manifest;
use hilum_sign::{NewRecord, PersonKey, Record, RecordKind, SignatureMeaning, ToSign};
use hilum_types::{Digest, Timestamp};
use hilum_validate::{
    AcceptanceProtocol, Case, EvaluationInput, Exposure, FrozenProtocol, ModelIdentity, Outcome, ReferenceSetIdentity,
    RunFacts, evaluate,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PACKAGE: &str = include_str!("../../../../models/phantom-cxr/hilum/package.toml");

const PROTOCOL: &str = r#"
format = 1
name = "nodule-acceptance"
version = 1
purpose = "Find nodules beside the radiologist"
reference_set = "REFERENCE"
[target]
finding = "nodule"
positive = ["nodule"]
negative = ["clear"]
[[criterion]]
name = "ranks"
metric = "auroc"
threshold = 0.75
[[criterion]]
name = "finds"
metric = "sensitivity"
threshold = 0.6
[[criterion]]
name = "answers"
metric = "completeness"
threshold = 0.9
[[subgroup]]
attribute = "sex"
metric = "sensitivity"
threshold = 0.7
margin = 0.1
"#;

/// Prose with everything that XML, YAML, HTML and Markdown would like to take for their own.
pub(crate) const TEXT: &str = "# Card\n\n## How to use\n\nLook at the box & the score: <b>not</b> a \"diagnosis\".\n\n* first the image\n* \
    then the result\n\n## Risks and limitations\n\nMisses nodules below 6 mm | often. ]]> --> {{ }} 胸部 é\n\n## Security\n\nPackages are pinned.\n\n\
    ## Why these metrics\n\nBoth errors matter.\n";

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_795_435_200_000_000).plus_seconds(second)
}

/// The chain as the catalog writes it, and the records that it holds.
pub(crate) struct Site {
    pub(crate) facts: SiteFacts,
    pub(crate) chain: Vec<AuditEntry>,
    head: Checkpoint,
    now: i64,
}

impl Site {
    /// Put an entry into the chain.
    fn act(
        &mut self,
        actor: &str,
        action: AuditAction,
        kind: SubjectKind,
        id: &str,
        detail: &Value,
    ) -> (u64, Timestamp) {
        self.now += 60;
        let event = AuditEvent::new(at(self.now), actor, action, AuditSubject::new(kind, id)).detail(detail);
        let entry = self.head.append(event);
        self.chain.push(entry);
        self.facts.as_of = AsOf { checkpoint: self.head, at: Some(at(self.now)) };
        (self.head.seq, at(self.now))
    }

    fn person(&mut self, name: &str, display: &str, role: &str, seed: u8) {
        let public_key = PersonKey::from_seed([seed; 32]).public_key();
        let detail = json!({ "roles": [role], "active": true, "public_key": public_key, "row": "" });
        self.act("user:admin", AuditAction::UserAdded, SubjectKind::User, name, &detail);
        let (name, display_name, roles) = (name.to_owned(), display.to_owned(), vec![role.to_owned()]);
        self.facts.people.push(PersonFacts { name, display_name, roles, public_key, active: true });
    }

    pub(crate) fn record(&mut self, new: NewRecord) -> Digest {
        let digest = new.digest();
        let detail = json!({ "kind": new.kind.name(), "subject": new.subject });
        let (_, created_at) =
            self.act(&new.author, AuditAction::RecordAdded, SubjectKind::Record, &digest.to_string(), &detail);
        let NewRecord { kind, subject, body, author } = new;
        self.facts.records.push(Record { digest, kind, subject, body, author, created_at, signatures: vec![] });
        self.facts.records.sort_by_key(|record| record.digest);
        digest
    }

    pub(crate) fn sign(&mut self, record: Digest, signer: &str, seed: u8, meaning: SignatureMeaning, role: &str) {
        let (signer, role) = (signer.to_owned(), role.to_owned());
        let to_sign = ToSign { record, meaning, signer, role, signed_at: at(self.now + 30) };
        let signature = PersonKey::from_seed([seed; 32]).sign(&to_sign);
        let detail = json!({
            "meaning": signature.meaning.name(), "signer": signature.signer, "role": signature.role,
            "signed_at": signature.signed_at.to_string(), "public_key": signature.public_key,
            "signature": signature.signature,
        });
        let actor = format!("user:{}", signature.signer);
        self.act(&actor, AuditAction::RecordSigned, SubjectKind::Record, &record.to_string(), &detail);
        let held = self.facts.records.iter_mut().find(|held| held.digest == record).unwrap();
        held.signatures.push(signature);
    }

    fn package(&mut self, version: &str) -> Digest {
        let manifest =
            Manifest::parse(&PACKAGE.replace("version = \"1.0.0\"", &format!("version = {version:?}"))).unwrap();
        let digest = Digest::of(version.as_bytes());
        let detail = json!({ "name": "phantom-cxr", "version": version });
        let (_, imported_at) =
            self.act("user:anna", AuditAction::PackageImported, SubjectKind::Package, &digest.to_string(), &detail);
        let (name, version) = ("phantom-cxr".to_owned(), version.to_owned());
        let manifest = serde_json::to_value(manifest).unwrap();
        self.facts.packages.push(PackageFacts { digest, name, version, manifest, imported_at });
        digest
    }

    fn deployed(&mut self, name: &str, package: Digest, state: &str) {
        let revision =
            1 + self.facts.deployments.iter().filter(|d| d.name == name).map(|d| d.events.len()).sum::<usize>();
        let detail = json!({ "revision": revision, "state": state, "package": package });
        let (seq, when) = self.act("user:anna", AuditAction::DeploymentApplied, SubjectKind::Deployment, name, &detail);
        let declared = json!({
            "spec": {
                "name": name, "package": package.to_string(), "state": state, "owner": "Thorax group",
                "destinations": ["pacs"], "intended_use": { "view": ["PA"] },
            },
            "package_digest": package, "state": state, "suspension": null, "revision": revision, "updated_at": when,
        });
        let declared = Some(serde_json::from_value(declared).unwrap());
        let action = "deployment_applied".to_owned();
        let event = DeploymentEvent { seq, at: when, actor: "user:anna".to_owned(), action, detail };
        let state = state.to_owned();
        match self.facts.deployments.iter_mut().find(|d| d.name == name) {
            Some(held) => {
                held.events.push(event);
                (held.state, held.package, held.declared) = (state, package, declared);
            }
            None => {
                let name = name.to_owned();
                self.facts.deployments.push(DeploymentFacts { name, state, package, declared, events: vec![event] });
            }
        }
    }

    pub(crate) fn segment(&self) -> Segment {
        Segment { after: Checkpoint::START, to: self.head, n_entries: self.chain.len() as u64 }
    }
}

/// 400 cases of 200 patients, the score better than chance; the same every time.
fn cases() -> Vec<Case> {
    let mut state = 7u64;
    let mut draw = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    };
    (0..400)
        .map(|n| {
            let present = n % 2 == 0;
            let score = (draw() * 0.6 + if present { 0.4 } else { 0.0 }).clamp(0.001, 0.999);
            let sex = if n % 4 < 2 { "F" } else { "M" };
            Case {
                id: format!("case-{n:03}"),
                patient: format!("patient-{:03}", n / 2),
                label: Some(if present { "nodule" } else { "clear" }.to_owned()),
                exposure: Exposure::Unexposed,
                attributes: BTreeMap::from([("sex".to_owned(), sex.to_owned())]),
                outcome: Outcome::score(score),
                champion: None,
            }
        })
        .collect()
}

fn validation(site: &SiteFacts, package: Digest, protocol: Digest, set: Digest) -> NewRecord {
    let record = site.record(&protocol).unwrap();
    let frozen = FrozenProtocol::from_record(record).unwrap();
    let model = ModelIdentity { name: "phantom-cxr".into(), version: "1.1.0".into(), package, threshold: Some(0.5) };
    let report = evaluate(&EvaluationInput {
        protocol: &frozen,
        protocol_record: protocol,
        frozen_by: record.author.clone(),
        frozen_at: record.created_at,
        model,
        champion: None,
        reference_set: ReferenceSetIdentity {
            record: set,
            name: "thorax-2026".into(),
            label_source: "consensus of two radiologists".into(),
            earlier_runs: 0,
        },
        cases: &cases(),
        waivers: &[],
        knowingly: true,
        run: RunFacts { at: at(0), by: "anna".into(), software: "0.1.0".into(), engine: "tract".into() },
    })
    .unwrap();
    let body = json!({
        "format": 1, "verdict": report.verdict.name(), "post_hoc": report.post_hoc, "protocol": protocol,
        "reference_set": set, "package": package, "model": "phantom-cxr", "version": "1.1.0", "operating_point": 0.5,
        "report": report,
    });
    NewRecord { kind: RecordKind::Validation, subject: package.to_string(), body, author: "user:anna".into() }
}

fn new(kind: RecordKind, subject: impl Into<String>, body: Value) -> NewRecord {
    NewRecord { kind, subject: subject.into(), body, author: "user:anna".to_owned() }
}

/// The whole site; built once, because the acceptance test takes its time.
pub(crate) fn site() -> Site {
    let empty = SiteFacts {
        as_of: AsOf { checkpoint: Checkpoint::START, at: None },
        packages: vec![],
        deployments: vec![],
        records: vec![],
        people: vec![],
    };
    let mut site = Site { facts: empty, chain: vec![], head: Checkpoint::START, now: 0 };
    site.person("anna", "Dr Anna Berg", "clinical", 1);
    site.person("bo", "Bo Lind", "technical", 2);
    let old = site.package("1.0.0");
    let package = site.package("1.1.0");
    site.deployed("cxr", old, "active");
    let set = site.record(new(RecordKind::ReferenceSet, "thorax-2026", json!({ "format": 1, "n_cases": 400 })));
    let text = PROTOCOL.replace("REFERENCE", &set.to_string());
    let protocol = AcceptanceProtocol::parse(&text).unwrap();
    let frozen = FrozenProtocol::new(protocol, 1, false, None).unwrap();
    let protocol = site.record(frozen.record("user:anna"));
    let tested = validation(&site.facts, package, protocol, set);
    let tested = site.record(tested);
    site.sign(tested, "anna", 1, SignatureMeaning::ApprovedClinical, "clinical");
    site.sign(tested, "bo", 2, SignatureMeaning::ApprovedTechnical, "technical");
    let text = CardText::parse(TEXT).unwrap().record(&package, None, "user:anna");
    site.record(text);
    let training = json!({ "format": 1, "package": package, "what": "30 minutes with the physicist" });
    site.record(new(RecordKind::UserTraining, "anna", training));
    site.deployed("cxr", package, "active");
    site
}

/// The newer of the two versions.
pub(crate) fn package() -> Digest {
    Digest::of(b"1.1.0")
}

/// A file of a card, by name.
pub(crate) fn card_file(site: &Site, name: &str) -> String {
    let card = hilum_evidence::Card::new(&site.facts, &package()).unwrap();
    let file = card.files().unwrap().into_iter().find(|file| file.name == name).unwrap();
    String::from_utf8(file.bytes).unwrap()
}
