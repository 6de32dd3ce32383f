use crate::{AuditEvent, AuditSubject};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// SHA-256 over one entry, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainHash([u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("chain hash {0:?} is not 64 hexadecimal digits")]
pub struct InvalidChainHash(pub String);

/// What the first entry names as the hash before it.
pub const GENESIS: ChainHash = ChainHash([0; 32]);

impl ChainHash {
    /// The raw 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

impl FromStr for ChainHash {
    type Err = InvalidChainHash;
    fn from_str(raw: &str) -> Result<Self, InvalidChainHash> {
        let digits = raw.as_bytes();
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0u8; 32];
        if digits.len() != 64 {
            return Err(InvalidChainHash(raw.to_owned()));
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (Some(high), Some(low)) = (value(pair[0]), value(pair[1])) else {
                return Err(InvalidChainHash(raw.to_owned()));
            };
            *byte = high << 4 | low;
        }
        Ok(ChainHash(bytes))
    }
}

impl TryFrom<String> for ChainHash {
    type Error = InvalidChainHash;
    fn try_from(raw: String) -> Result<Self, InvalidChainHash> {
        raw.parse()
    }
}

impl From<ChainHash> for String {
    fn from(hash: ChainHash) -> String {
        hash.to_string()
    }
}

/// One link of the chain.
///
/// `hash` is SHA-256 over, in this order: the 16 bytes `hilum.audit.v1\0\0`; `seq` as 8 bytes, big endian; the 32
/// bytes of `prev_hash`; `at` in microseconds since 1970 as 8 bytes, big endian, two's complement; then, each with
/// its length in bytes as 4 bytes, big endian, in front: actor, action name, outcome name, subject kind name,
/// subject id, detail, all in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Position, from 1 without gaps.
    pub seq: u64,
    /// Hash of the entry before it; [`GENESIS`] for the first.
    pub prev_hash: ChainHash,
    /// Hash of this entry.
    pub hash: ChainHash,
    /// What happened.
    pub event: AuditEvent,
}

/// How far a chain reaches: enough to go on writing it, and to notice later that its end was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Position of the last entry; 0 for an empty chain.
    pub seq: u64,
    /// Hash of the last entry; [`GENESIS`] for an empty chain.
    pub hash: ChainHash,
}

impl Checkpoint {
    /// The checkpoint of an empty chain.
    pub const START: Checkpoint = Checkpoint { seq: 0, hash: GENESIS };

    /// The next entry: `event` linked to the end of the chain; the checkpoint moves on.
    pub fn append(&mut self, event: AuditEvent) -> AuditEntry {
        let (seq, prev_hash) = (self.seq + 1, self.hash);
        let hash = hash_of(seq, &prev_hash, &event);
        *self = Checkpoint { seq, hash };
        AuditEntry { seq, prev_hash, hash, event }
    }
}

fn hash_of(seq: u64, prev_hash: &ChainHash, event: &AuditEvent) -> ChainHash {
    let AuditEvent { at, actor, action, outcome, subject: AuditSubject { kind, id }, detail } = event;
    let mut hasher = Sha256::new();
    hasher.update(b"hilum.audit.v1\0\0");
    hasher.update(seq.to_be_bytes());
    hasher.update(prev_hash.0);
    hasher.update(at.micros().to_be_bytes());
    for text in [actor, action.name(), outcome.name(), kind.name(), id, detail] {
        // A text beyond 4 GiB cannot be held in a catalog row; saturating keeps the function total.
        hasher.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    ChainHash(hasher.finalize().into())
}

/// A chain that holds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Entries looked at.
    pub count: u64,
    /// Its end, to be kept outside and given to the next verification.
    pub head: Checkpoint,
}

/// Where and how a chain was tampered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("audit entry {seq}: {what}")]
pub struct Tampering {
    /// Position of the first entry that does not hold.
    pub seq: u64,
    /// How it does not hold.
    pub what: TamperKind,
}

/// How an entry does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum TamperKind {
    /// Its contents do not give its hash.
    #[error("its contents were changed after it was written")]
    Changed,
    /// It is not there, although a later one or a checkpoint is.
    #[error("it was removed")]
    Removed,
    /// An entry of an earlier position stands where it belongs.
    #[error("entries were reordered or inserted here")]
    Reordered,
    /// It is whole in itself but does not continue the entry before it, or it differs from the checkpoint.
    #[error("it does not continue the chain: history was rewritten or forked")]
    Forked,
    /// The chain ends before the checkpoint does.
    #[error("it and everything after it was cut off")]
    Truncated,
}

/// Verification of a chain that is read piece by piece.
#[derive(Debug, Clone)]
pub struct Verifier {
    head: Checkpoint,
    count: u64,
    known: Vec<Checkpoint>,
}

impl Verifier {
    /// Verify from the first entry on. `known` are checkpoints kept elsewhere that the chain must pass through.
    pub fn new(known: &[Checkpoint]) -> Verifier {
        let mut known: Vec<Checkpoint> = known.iter().copied().filter(|checkpoint| 0 < checkpoint.seq).collect();
        known.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.seq));
        Verifier { head: Checkpoint::START, count: 0, known }
    }

    /// Verify a segment: the entries after `start`, which is itself taken on trust. `known` as for [`Verifier::new`];
    /// those before the segment cannot be looked at and are left out.
    pub fn after(start: Checkpoint, known: &[Checkpoint]) -> Verifier {
        let known: Vec<Checkpoint> = known.iter().copied().filter(|checkpoint| start.seq < checkpoint.seq).collect();
        Verifier { head: start, ..Verifier::new(&known) }
    }

    /// Take the next entry.
    ///
    /// # Errors
    /// [`Tampering`] with the position of the first entry that does not hold.
    pub fn take(&mut self, entry: &AuditEntry) -> Result<(), Tampering> {
        let expected = self.head.seq + 1;
        let tampering = |seq, what| Err(Tampering { seq, what });
        if entry.seq > expected {
            return tampering(expected, TamperKind::Removed);
        }
        if entry.seq < expected {
            return tampering(expected, TamperKind::Reordered);
        }
        if entry.hash != hash_of(entry.seq, &entry.prev_hash, &entry.event) {
            return tampering(expected, TamperKind::Changed);
        }
        if entry.prev_hash != self.head.hash {
            return tampering(expected, TamperKind::Forked);
        }
        while let Some(checkpoint) = self.known.pop_if(|checkpoint| checkpoint.seq == entry.seq) {
            if checkpoint.hash != entry.hash {
                return tampering(expected, TamperKind::Forked);
            }
        }
        self.head = Checkpoint { seq: entry.seq, hash: entry.hash };
        self.count += 1;
        Ok(())
    }

    /// The chain ends here.
    ///
    /// # Errors
    /// [`Tampering`] when a known checkpoint lies beyond the end.
    pub fn finish(self) -> Result<Verified, Tampering> {
        if !self.known.is_empty() {
            return Err(Tampering { seq: self.head.seq + 1, what: TamperKind::Truncated });
        }
        Ok(Verified { count: self.count, head: self.head })
    }
}

/// Verify a whole chain against checkpoints kept elsewhere.
///
/// # Errors
/// [`Tampering`] with the position of the first entry that does not hold.
pub fn verify<'a>(
    entries: impl IntoIterator<Item = &'a AuditEntry>,
    known: &[Checkpoint],
) -> Result<Verified, Tampering> {
    let mut verifier = Verifier::new(known);
    for entry in entries {
        verifier.take(entry)?;
    }
    verifier.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AuditAction, AuditOutcome, SubjectKind};
    use hilum_types::Timestamp;
    use proptest::prelude::*;

    fn chain(n: u64) -> (Vec<AuditEntry>, Checkpoint) {
        let mut head = Checkpoint::START;
        let entries = (0..n)
            .map(|i| {
                let at = Timestamp::from_micros(1_795_425_161_000_000).plus_seconds(i as i64);
                let subject = AuditSubject::new(SubjectKind::Study, format!("key{i}"));
                let event = AuditEvent::new(at, "system:intake", AuditAction::InstanceStored, subject);
                head.append(event.detail(&serde_json::json!({ "instances": i })))
            })
            .collect();
        (entries, head)
    }

    /// Computed with Python: hashlib.sha256 over struct.pack of the layout documented at `AuditEntry`.
    #[test]
    fn hash_follows_the_documented_layout() {
        let subject = AuditSubject::new(SubjectKind::Study, "k1");
        let event = AuditEvent::new(Timestamp::from_micros(1), "system:t", AuditAction::Started, subject);
        let entry = { Checkpoint::START }.append(event);
        assert_eq!(entry.hash.to_string(), "5f0a4442b50ca3c0955fac9c133723cc28f4dd3d380007b8fb6b7bfe82366b00");
    }

    #[test]
    fn a_whole_chain_verifies() {
        let (entries, head) = chain(100);
        assert_eq!(verify(&entries, &[head]), Ok(Verified { count: 100, head }));
        assert_eq!(verify(&[], &[]), Ok(Verified { count: 0, head: Checkpoint::START }));
    }

    #[test]
    fn removal_reordering_and_truncation_are_named() {
        let (entries, head) = chain(10);
        let tampering = |entries: &[AuditEntry]| verify(entries, &[head]).unwrap_err().to_string();
        let mut removed = entries.clone();
        removed.remove(4);
        assert_eq!(tampering(&removed), "audit entry 5: it was removed");
        let mut reordered = entries.clone();
        reordered.swap(2, 3);
        assert_eq!(tampering(&reordered), "audit entry 3: it was removed");
        let mut repeated = entries.clone();
        repeated.insert(5, entries[4].clone());
        assert_eq!(tampering(&repeated), "audit entry 6: entries were reordered or inserted here");
        let mut renumbered = entries.clone();
        renumbered.remove(4);
        for (i, entry) in renumbered.iter_mut().enumerate() {
            entry.seq = i as u64 + 1;
        }
        assert_eq!(tampering(&renumbered), "audit entry 5: its contents were changed after it was written");
        assert_eq!(tampering(&entries[..7]), "audit entry 8: it and everything after it was cut off");
        assert!(verify(&entries[..7], &[]).is_ok(), "a cut-off end is only seen with a checkpoint");
    }

    #[test]
    fn a_segment_holds_by_itself() {
        let (entries, head) = chain(10);
        let start = Checkpoint { seq: 4, hash: entries[3].hash };
        let segment = |start: Checkpoint, entries: &[AuditEntry], known: &[Checkpoint]| {
            let mut verifier = Verifier::after(start, known);
            entries.iter().try_for_each(|entry| verifier.take(entry))?;
            verifier.finish()
        };
        let before = Checkpoint { seq: 2, hash: entries[1].hash };
        assert_eq!(segment(start, &entries[4..], &[before, head]).unwrap(), Verified { count: 6, head });
        let other = Checkpoint { seq: 4, hash: entries[4].hash };
        assert_eq!(segment(other, &entries[4..], &[]), Err(Tampering { seq: 5, what: TamperKind::Forked }));
        assert_eq!(segment(start, &entries[4..9], &[head]), Err(Tampering { seq: 10, what: TamperKind::Truncated }));
        assert_eq!(segment(start, &entries[5..], &[head]), Err(Tampering { seq: 5, what: TamperKind::Removed }));
    }

    /// Whoever rewrites an entry and every hash after it is caught by a checkpoint kept elsewhere.
    #[test]
    fn a_rewritten_history_is_caught_by_a_checkpoint() {
        let (entries, head) = chain(10);
        let mut rewritten = Checkpoint::START;
        let forged: Vec<AuditEntry> = entries
            .iter()
            .map(|entry| {
                let mut event = entry.event.clone();
                if entry.seq == 3 {
                    event.actor = "user:nobody".into();
                }
                rewritten.append(event)
            })
            .collect();
        assert!(verify(&forged, &[]).is_ok());
        assert_eq!(verify(&forged, &[head]), Err(Tampering { seq: 10, what: TamperKind::Forked }));
        let mut spliced = entries[..5].to_vec();
        spliced.extend_from_slice(&forged[5..]);
        assert_eq!(verify(&spliced, &[head]), Err(Tampering { seq: 6, what: TamperKind::Forked }));
    }

    proptest! {
        /// One flipped bit anywhere in a stored entry is noticed at that entry.
        #[test]
        fn a_flipped_bit_is_named(index in 0usize..20, field in 0u8..8, bit in 0u8..7, at in 0usize..64) {
            let (mut entries, head) = chain(20);
            let entry = &mut entries[index];
            let flip = |text: &mut String| {
                let mut bytes = text.clone().into_bytes();
                let at = at % bytes.len();
                bytes[at] ^= 1 << bit;
                *text = String::from_utf8(bytes).unwrap_or_else(|_| text.clone() + "x");
            };
            match field {
                0 => entry.event.at = entry.event.at.plus_micros(1 << bit),
                1 => flip(&mut entry.event.actor),
                2 => flip(&mut entry.event.detail),
                3 => flip(&mut entry.event.subject.id),
                4 => entry.event.outcome = AuditOutcome::SeriousFailure,
                5 => entry.event.action = AuditAction::InstanceDuplicate,
                6 => entry.hash.0[at % 32] ^= 1 << bit,
                _ => entry.prev_hash.0[at % 32] ^= 1 << bit,
            }
            let wanted = Tampering { seq: index as u64 + 1, what: TamperKind::Changed };
            prop_assert_eq!(verify(&entries, &[head]), Err(wanted));
        }

        #[test]
        fn entries_survive_json(n in 1u64..6) {
            let (entries, head) = chain(n);
            let text = serde_json::to_string(&entries).unwrap();
            let read: Vec<AuditEntry> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(verify(&read, &[head]).unwrap().head, head);
        }
    }
}
