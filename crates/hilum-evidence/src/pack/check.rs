//! Verification of a pack by itself: chain, records, signatures, and each held against the others.

use super::{Segment, record_path};
use crate::facts::PersonFacts;
use hilum_audit::{AuditAction, AuditEntry, Checkpoint, Tampering, Verifier};
use hilum_sign::{Record, Signature};
use hilum_types::{Digest, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What was looked at, and what does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackCheck {
    /// Records whose digest was recomputed.
    pub n_records: u64,
    /// Signatures that were verified.
    pub n_signatures: u64,
    /// Records and signatures that were entered before the segment of the chain that is in the pack: they hold in
    /// themselves, but the pack alone does not show when they were entered.
    pub n_before_segment: u64,
    /// What does not hold, each naming the file; empty when all does.
    pub problems: Vec<String>,
}

/// The segment of the audit chain, read entry by entry, and what it proves about records.
#[derive(Debug, Clone)]
pub struct ChainCheck {
    verifier: Verifier,
    from_beginning: bool,
    records: BTreeMap<String, RecordEntry>,
    signatures: BTreeSet<String>,
    /// Login name to the public key in force.
    keys: BTreeMap<String, String>,
    problems: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct RecordEntry {
    kind: String,
    subject: String,
    actor: String,
    at: Timestamp,
}

impl ChainCheck {
    /// Check the segment, which must also pass through `known`, checkpoints kept elsewhere.
    pub fn new(segment: &Segment, known: &[Checkpoint]) -> ChainCheck {
        let mut wanted = known.to_vec();
        wanted.push(segment.to);
        ChainCheck {
            verifier: Verifier::after(segment.after, &wanted),
            from_beginning: segment.after.seq == 0,
            records: BTreeMap::new(),
            signatures: BTreeSet::new(),
            keys: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// Take the next entry.
    ///
    /// # Errors
    /// [`Tampering`] with the position of the first entry that does not hold.
    pub fn take(&mut self, entry: &AuditEntry) -> Result<(), Tampering> {
        self.verifier.take(entry)?;
        let event = &entry.event;
        let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap_or_default();
        let text = |key: &str| detail[key].as_str().unwrap_or_default().to_owned();
        match event.action {
            AuditAction::RecordAdded => {
                let (kind, subject) = (text("kind"), text("subject"));
                let held = RecordEntry { kind, subject, actor: event.actor.clone(), at: event.at };
                self.records.insert(event.subject.id.clone(), held);
            }
            AuditAction::UserAdded | AuditAction::UserChanged => {
                self.keys.insert(event.subject.id.clone(), text("public_key"));
            }
            AuditAction::RecordSigned => {
                let (signer, key) = (text("signer"), text("public_key"));
                let in_force = self.keys.get(&signer);
                let unknown = in_force.is_none() && self.from_beginning;
                if unknown || in_force.is_some_and(|in_force| *in_force != key) {
                    self.problems
                        .push(format!("audit entry {}: {signer} signed with a key that was not theirs", entry.seq));
                }
                self.signatures.insert(text("signature"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The segment ends here: what it proves.
    ///
    /// # Errors
    /// [`Tampering`] when it ends before it should.
    pub fn finish(mut self) -> Result<ChainProof, Tampering> {
        let verifier = std::mem::replace(&mut self.verifier, Verifier::new(&[]));
        verifier.finish()?;
        Ok(ChainProof(self))
    }
}

/// A segment that holds together.
#[derive(Debug, Clone)]
pub struct ChainProof(ChainCheck);

/// Hold every record of a pack, with the path it was found at, against itself and the chain; and people against the chain.
pub fn check_records(records: &[(String, Record)], people: &[PersonFacts], chain: &ChainProof) -> PackCheck {
    let chain = &chain.0;
    let mut check = PackCheck { problems: chain.problems.clone(), ..PackCheck::default() };
    for person in people {
        let in_chain = chain.keys.get(&person.name);
        let unknown = in_chain.is_none() && chain.from_beginning;
        if unknown || in_chain.is_some_and(|key| *key != person.public_key) {
            check.problems.push(format!(
                "{}: the key of {} is not the one in the audit chain",
                super::PEOPLE_PATH,
                person.name
            ));
        }
    }
    for (path, record) in records {
        check.n_records += 1;
        if !record.is_intact() {
            check.problems.push(format!("{path}: the record was changed after it was entered"));
            continue;
        }
        if *path != record_path(record) {
            check.problems.push(format!("{path}: the record inside is {}", record_path(record)));
        }
        entered(path, record, chain, &mut check);
        for signature in &record.signatures {
            check.n_signatures += 1;
            signed(path, record.digest, signature, chain, &mut check);
        }
    }
    check
}

fn entered(path: &str, record: &Record, chain: &ChainCheck, check: &mut PackCheck) {
    let wanted = RecordEntry {
        kind: record.kind.name().to_owned(),
        subject: record.subject.clone(),
        actor: record.author.clone(),
        at: record.created_at,
    };
    match chain.records.get(&record.digest.to_string()) {
        Some(found) if *found == wanted => {}
        Some(_) => {
            check.problems.push(format!("{path}: kind, subject, author or time are not those in the audit chain"))
        }
        None if chain.from_beginning => check.problems.push(format!("{path}: the audit chain does not hold its entry")),
        None => check.n_before_segment += 1,
    }
}

fn signed(path: &str, record: Digest, signature: &Signature, chain: &ChainCheck, check: &mut PackCheck) {
    let signer = &signature.signer;
    if signature.record != record {
        check.problems.push(format!("{path}: the signature of {signer} is over another record"));
    } else if let Err(error) = signature.verify() {
        check.problems.push(format!("{path}: signature of {signer}: {error}"));
    } else if chain.signatures.contains(&signature.signature) {
        // Whose key that was, the chain itself was asked when its entry came by.
    } else if chain.from_beginning {
        check.problems.push(format!("{path}: the audit chain does not hold the signature of {signer}"));
    } else {
        check.n_before_segment += 1;
    }
}
