//! What an audit entry says about a row, so that the row can be held against it later.

use crate::governance::{CaseFingerprint, User};
use hilum_sign::{Signature, canonical_text};
use hilum_types::Digest;
use serde_json::{Value, json};

fn digest_of(value: &Value) -> String {
    Digest::of(canonical_text(value).as_bytes()).to_string()
}

/// Detail of the entry of a package.
pub(in crate::sql) fn package_proof(name: &str, version: &str, manifest: &Value, location: &str) -> Value {
    json!({ "name": name, "version": version, "manifest": digest_of(manifest), "location": location })
}

/// Detail of the entry of a record; its subject is the digest, its actor the author, its time the time of entry.
pub(super) fn record_proof(kind: &str, subject: &str) -> Value {
    json!({ "kind": kind, "subject": subject })
}

/// Detail of the entry of a signature; its subject is the record.
pub(super) fn signature_proof(signature: &Signature) -> Value {
    json!({
        "meaning": signature.meaning.name(),
        "signer": signature.signer,
        "role": signature.role,
        "signed_at": signature.signed_at.to_string(),
        "public_key": signature.public_key,
        "signature": signature.signature,
    })
}

/// Detail of the entry of a user: what decides what they may do, in clear; all of the row as a digest.
pub(super) fn user_proof(user: &User) -> Value {
    let row = json!({
        "name": user.name,
        "display_name": user.display_name,
        "roles": user.roles,
        "password_hash": user.password_hash,
        "public_key": user.public_key,
        "sealed_key": user.sealed_key,
        "active": user.active,
        "created_at": user.created_at.to_string(),
    });
    json!({ "roles": user.roles, "active": user.active, "public_key": user.public_key, "row": digest_of(&row) })
}

/// Detail of the entry of a move of an alias; its subject is `model/alias`.
pub(super) fn alias_proof(number: u64, from: Option<&Digest>, to: &Digest) -> Value {
    json!({ "number": number, "from": from.map(ToString::to_string), "to": to.to_string() })
}

/// Detail of the entry of one use of a reference set; its subject is the set.
pub(super) fn use_proof(number: u32, protocol: &str, package: &str) -> Value {
    json!({ "number": number, "protocol": protocol, "package": package })
}

/// Detail of the entry of a case list; its subject is the set.
pub(super) fn case_list_proof(role: &str, model: &str, n_cases: usize, rows: &[FingerprintRow]) -> Value {
    let mut rows: Vec<Value> = rows.iter().map(|(case, kind, value)| json!([case, kind, value])).collect();
    rows.sort_by_key(|row| row.to_string());
    rows.dedup();
    json!({ "role": role, "model": model, "n_cases": n_cases, "rows": digest_of(&Value::from(rows)) })
}

/// Case, kind (`patient` or `pixels`), value.
pub(super) type FingerprintRow = (String, String, String);

/// The rows of a case list.
pub(super) fn fingerprint_rows(cases: &[CaseFingerprint]) -> Vec<FingerprintRow> {
    let mut rows = Vec::new();
    for case in cases {
        let row = |kind: &str, value: &Digest| (case.case_id.clone(), kind.to_owned(), value.to_string());
        rows.extend(case.patient.iter().map(|patient| row("patient", patient)));
        rows.extend(case.pixels.iter().map(|pixels| row("pixels", pixels)));
    }
    rows.sort();
    rows.dedup();
    rows
}
