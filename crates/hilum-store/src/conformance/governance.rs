use super::material::{add_package, all_is_well, at, open};
use crate::governance::{CaseFingerprint, RecordFilter, SetRole, User};
use crate::records::Package;
use crate::{Catalog, ErrorKind, StoreError};
use hilum_sign::{NewRecord, PersonKey, Record, RecordKind, Signature, SignatureMeaning, ToSign, approvals};
use hilum_types::{Digest, Timestamp};
use serde_json::json;
use std::sync::Arc;

/// A user with the key of `seed`; passwords do not matter here.
pub(crate) fn user(name: &str, roles: &[&str], seed: u8) -> User {
    User {
        name: name.into(),
        display_name: format!("Dr. {name}"),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        password_hash: "$argon2id$".into(),
        public_key: PersonKey::from_seed([seed; 32]).public_key(),
        sealed_key: "sealed".into(),
        active: true,
        created_at: at(0),
    }
}

pub(crate) fn sign(record: Digest, signer: &str, seed: u8, meaning: SignatureMeaning, at: Timestamp) -> Signature {
    let role = meaning.required_role().unwrap_or("clinical").to_owned();
    PersonKey::from_seed([seed; 32]).sign(&ToSign { record, meaning, signer: signer.into(), role, signed_at: at })
}

fn report(subject: &str, value: f64) -> NewRecord {
    NewRecord {
        kind: RecordKind::Validation,
        subject: subject.into(),
        body: json!({ "format": 1, "auroc": value, "p": 2.7646916297029802e-151, "note": "p < 0.05 \u{0} 'x" }),
        author: "user:anna".into(),
    }
}

async fn add(catalog: &Arc<dyn Catalog>, record: &NewRecord, now: Timestamp) -> Record {
    catalog.record_add(record, now).await.expect("a record is entered").record
}

fn why<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    outcome.expect_err("it is refused").to_string()
}

/// Nothing was changed by hand.
async fn all_holds(catalog: &Arc<dyn Catalog>) {
    assert_eq!(catalog.governance_verify().await.expect("it can be read").discrepancies, []);
    all_is_well(catalog).await;
}

pub(super) async fn records_never_change(url: String) {
    let catalog = open(&url).await;
    let first = report("cxr", 0.812_345_678_901_234_5);
    let added = catalog.record_add(&first, at(1)).await.unwrap();
    assert!(added.is_new && added.record.is_intact() && added.record.digest == first.digest());
    let again = NewRecord { author: "user:bo".into(), ..first.clone() };
    let held = catalog.record_add(&again, at(2)).await.unwrap();
    assert_eq!((held.is_new, &held.record), (false, &added.record), "author and time are those of the first");
    let second = add(&catalog, &report("cxr", 0.9), at(3)).await;
    let other = add(&catalog, &report("ct", 0.9), at(4)).await;
    let get = async |text: &str| catalog.record_get(text).await;
    assert_eq!(get(&second.digest.short()).await.unwrap(), second);
    assert!(get(&added.record.digest.to_string()).await.unwrap().is_intact());
    assert_eq!(get("0123456789ab").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(get("%").await.unwrap_err().kind(), ErrorKind::Conflict);
    let list = async |filter: RecordFilter| {
        let records = catalog.record_list(&filter, 10).await.unwrap();
        records.into_iter().map(|record| record.digest).collect::<Vec<_>>()
    };
    let of_cxr = RecordFilter { subject: Some("cxr".into()), ..RecordFilter::default() };
    assert_eq!(list(of_cxr.clone()).await, [second.digest, first.digest()]);
    assert_eq!(list(RecordFilter { until: Some(at(1)), ..of_cxr }).await, [first.digest()]);
    let of_kind = |kind| RecordFilter { kind: Some(kind), ..RecordFilter::default() };
    assert_eq!(list(of_kind(RecordKind::Validation)).await, [other.digest, second.digest, first.digest()]);
    assert_eq!(list(of_kind(RecordKind::Recall)).await, []);
    let no_format = NewRecord { body: json!({}), ..first.clone() };
    assert!(why(catalog.record_add(&no_format, at(5)).await).contains("format"));
    let no_subject = NewRecord { subject: String::new(), ..first };
    assert!(why(catalog.record_add(&no_subject, at(5)).await).contains("subject"));
    all_holds(&catalog).await;
}

pub(super) async fn only_the_holder_of_key_and_role_signs(url: String) {
    use SignatureMeaning::{ApprovedClinical, ApprovedTechnical, Reviewed};
    let catalog = open(&url).await;
    catalog.user_add(&user("anna", &["clinical"], 1), "user:root").await.unwrap();
    catalog.user_add(&user("bo", &["technical"], 2), "user:root").await.unwrap();
    let record = add(&catalog, &report("cxr", 0.8), at(1)).await.digest;
    let enter = async |signature: Signature, now: i64| catalog.signature_add(&signature, at(now)).await;
    enter(sign(record, "anna", 1, ApprovedClinical, at(10)), 10).await.unwrap();
    let twice = enter(sign(record, "anna", 1, ApprovedClinical, at(11)), 11).await;
    assert!(why(twice).contains("anna signed it already as approved_clinical"));
    assert!(why(enter(sign(record, "bo", 1, ApprovedTechnical, at(12)), 12).await).contains("the key is not bo's"));
    assert!(why(enter(sign(record, "anna", 1, ApprovedTechnical, at(12)), 12).await).contains("does not hold"));
    let mut wrong_role = ToSign {
        record,
        meaning: ApprovedTechnical,
        signer: "anna".into(),
        role: "clinical".into(),
        signed_at: at(12),
    };
    let key = PersonKey::from_seed([1; 32]);
    assert!(why(enter(key.sign(&wrong_role), 12).await).contains("signed in the role \"technical\""));
    wrong_role.meaning = Reviewed;
    let broken = Signature { meaning: ApprovedClinical, ..key.sign(&wrong_role) };
    assert!(why(enter(broken, 12).await).contains("the signature is broken"));
    assert!(why(enter(sign(record, "anna", 1, Reviewed, at(12)), 12 + 601).await).contains("10 minutes"));
    let unknown = Digest::of(b"no record");
    assert_eq!(enter(sign(unknown, "anna", 1, Reviewed, at(12)), 12).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(enter(sign(record, "zoe", 1, Reviewed, at(12)), 12).await.unwrap_err().kind(), ErrorKind::NotFound);
    enter(sign(record, "bo", 2, ApprovedTechnical, at(13)), 13).await.unwrap();
    let held = catalog.record_get(&record.to_string()).await.unwrap();
    assert_eq!(held.signatures.len(), 2);
    let approved = approvals(&held);
    assert!(approved.complete(), "{approved:?}");
    // Bo leaves and anna gets a new key: what they signed stays valid, and the old keys sign nothing more.
    let gone = User { active: false, ..user("bo", &["technical"], 2) };
    catalog.user_change(&gone, "user:root", at(1000)).await.unwrap();
    let renewed = user("anna", &["clinical"], 3);
    catalog.user_change(&renewed, "user:anna", at(1000)).await.unwrap();
    assert!(why(enter(sign(record, "bo", 2, Reviewed, at(1001)), 1001).await).contains("deactivated"));
    assert!(why(enter(sign(record, "anna", 1, Reviewed, at(1001)), 1001).await).contains("the key is not anna's"));
    enter(sign(record, "anna", 3, Reviewed, at(1001)), 1001).await.unwrap();
    all_holds(&catalog).await;
}

pub(super) async fn user_names_are_given_once(url: String) {
    let catalog = open(&url).await;
    let anna = user("anna", &["clinical"], 1);
    catalog.user_add(&anna, "user:root").await.unwrap();
    assert_eq!(catalog.user_get("anna").await.unwrap(), Some(anna.clone()));
    assert_eq!(catalog.user_get("ANNA").await.unwrap(), None);
    let gone = User { active: false, ..anna.clone() };
    catalog.user_change(&gone, "user:root", at(5)).await.unwrap();
    catalog.user_change(&gone, "user:root", at(6)).await.unwrap();
    assert!(why(catalog.user_add(&anna, "user:root").await).contains("never given twice"));
    for name in ["", "Anna", "a b", "-x", "o'hara", &"x".repeat(65)] {
        assert!(
            why(catalog.user_add(&user(name, &["clinical"], 1), "user:root").await).contains("login name"),
            "{name}"
        );
    }
    assert!(why(catalog.user_add(&user("bo", &[], 1), "user:root").await).contains("a user holds a role"));
    assert!(why(catalog.user_add(&user("bo", &["root"], 1), "user:root").await).contains("\"root\" is no role"));
    assert_eq!(catalog.user_change(&user("bo", &["clinical"], 1), "x", at(7)).await.unwrap_err().kind(), {
        ErrorKind::NotFound
    });
    let bo = user("bo", &["auditor", "governance"], 2);
    catalog.user_add(&bo, "user:root").await.unwrap();
    let less = User { roles: vec!["auditor".into()], ..bo.clone() };
    for last in [User { active: false, ..bo.clone() }, less.clone()] {
        let refusal = why(catalog.user_change(&last, "user:bo", at(8)).await);
        assert!(refusal.contains("the last one with the role governance"), "{refusal}");
    }
    catalog.user_add(&user("cy", &["governance"], 4), "user:bo").await.unwrap();
    catalog.user_change(&less, "user:bo", at(9)).await.unwrap();
    let names: Vec<String> = catalog.user_list().await.unwrap().into_iter().map(|user| user.name).collect();
    assert_eq!(names, ["anna", "bo", "cy"]);
    all_holds(&catalog).await;
}

pub(super) async fn aliases_move_by_comparison(url: String) {
    let catalog = open(&url).await;
    let one = add_package(&catalog).await;
    let two = Digest::of(b"package 2");
    let newer =
        Package { digest: two, version: "2.0.0".into(), ..catalog.package_get(&one.to_string()).await.unwrap() };
    assert!(catalog.package_add(&newer, "user:test").await.unwrap());
    let go = async |model: &str, alias: &str, to: Digest, expected: Option<Digest>, now: i64| {
        catalog.alias_move(model, alias, &to, expected.as_ref(), "user:anna", at(now)).await
    };
    go("cxr", "candidate", one, None, 1).await.unwrap();
    assert!(why(go("cxr", "candidate", two, None, 2).await).contains("somebody moved candidate meanwhile"));
    go("cxr", "candidate", two, Some(one), 3).await.unwrap();
    assert!(why(go("cxr", "candidate", two, Some(one), 4).await).contains("meanwhile"));
    go("cxr", "candidate", two, Some(two), 5).await.unwrap();
    assert!(why(go("ct", "candidate", two, None, 5).await).contains("is of model cxr, not ct"));
    assert!(why(go("cxr", "Best One", two, None, 5).await).contains("an alias has"));
    assert_eq!(go("cxr", "a", Digest::of(b"x"), None, 5).await.unwrap_err().kind(), ErrorKind::NotFound);
    let now = catalog.alias_list(Some("cxr"), false).await.unwrap();
    assert_eq!((now.len(), now[0].package, now[0].moved_at), (1, two, at(3)));
    let moves = catalog.alias_list(None, true).await.unwrap();
    assert_eq!(moves.iter().map(|alias| alias.package).collect::<Vec<_>>(), [two, one]);
    assert_eq!(catalog.alias_list(Some("ct"), true).await.unwrap(), []);
    all_holds(&catalog).await;
}

pub(super) async fn a_registered_version_is_never_overwritten(url: String) {
    let catalog = open(&url).await;
    let digest = add_package(&catalog).await;
    let held = catalog.package_get(&digest.to_string()).await.unwrap();
    let other = Package { digest: Digest::of(b"other bytes"), ..held.clone() };
    let refusal = why(catalog.package_add(&other, "user:test").await);
    assert!(refusal.contains("cxr 1.0.0 is registered already as package"), "{refusal}");
    assert!(!catalog.package_add(&held, "user:test").await.unwrap());
    let newer = Package { version: "1.0.1".into(), ..other };
    assert!(catalog.package_add(&newer, "user:test").await.unwrap());
    assert_eq!(catalog.package_list().await.unwrap().len(), 2);
    all_holds(&catalog).await;
}

pub(super) async fn case_lists_are_compared(url: String) {
    let catalog = open(&url).await;
    let case = |case_id: &str, patient: Option<&str>, pixels: &[&str]| CaseFingerprint {
        case_id: case_id.into(),
        patient: patient.map(|text| Digest::of(text.as_bytes())),
        pixels: pixels.iter().map(|text| Digest::of(text.as_bytes())).collect(),
    };
    let (reference, training, foreign) = (Digest::of(b"ref"), Digest::of(b"train"), Digest::of(b"foreign"));
    let list = [case("r1", Some("p1"), &["a", "a", "b"]), case("r2", None, &["c"]), case("r3", Some("p3"), &["d"])];
    let trained = [case("t1", Some("p1"), &["x"]), case("t2", Some("p9"), &["c", "b"])];
    let who = "user:anna";
    catalog.fingerprints_add(&reference, SetRole::Reference, "", &list, who, at(1)).await.unwrap();
    catalog.fingerprints_add(&reference, SetRole::Reference, "", &list, who, at(2)).await.unwrap();
    catalog.fingerprints_add(&training, SetRole::Training, "cxr", &trained, who, at(3)).await.unwrap();
    catalog.fingerprints_add(&foreign, SetRole::Training, "ct", &list, who, at(4)).await.unwrap();
    let told = async |role, model| {
        let overlaps = catalog.fingerprints_overlap(&list, role, model).await.unwrap();
        let line = |o: crate::governance::Overlap| format!("{} {} {}", o.case_id, o.other_case_id, o.by);
        overlaps.into_iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(told(SetRole::Training, "cxr").await, ["r1 t1 patient", "r1 t2 pixels", "r2 t2 pixels"]);
    assert_eq!(told(SetRole::Training, "mr").await, [""; 0]);
    assert_eq!(told(SetRole::Reference, "").await.len(), 5, "with itself: two patients, three images");
    assert_eq!(catalog.fingerprints_overlap(&[], SetRole::Training, "cxr").await.unwrap(), []);
    assert_eq!(catalog.reference_use_count(&reference).await.unwrap(), 0);
    for n in 1..=3 {
        let used = catalog.reference_use(&reference, &Digest::of(b"protocol"), &Digest::of(b"p"), who, at(n)).await;
        assert_eq!(used.unwrap(), n as u32);
    }
    assert_eq!(catalog.reference_use_count(&reference).await.unwrap(), 3);
    all_holds(&catalog).await;
}
