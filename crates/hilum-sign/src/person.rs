//! Signatures of people: Ed25519 (RFC 8032) over what is signed, as what, by whom, in which role and when.

use crate::record::{Record, Signature, SignatureMeaning};
use crate::{SignError, canonical_text};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use hilum_types::{Digest, Timestamp};
use serde_json::json;

/// What a person is about to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToSign {
    /// Digest of the record.
    pub record: Digest,
    /// What the signature shall mean.
    pub meaning: SignatureMeaning,
    /// User name of the signer.
    pub signer: String,
    /// The role in which they sign.
    pub role: String,
    /// When.
    pub signed_at: Timestamp,
}

impl ToSign {
    /// The text that is signed: canonical JSON of `format` (1), `record`, `meaning`, `signer`, `role`, `signed_at`.
    pub fn text(&self) -> String {
        canonical_text(&json!({
            "format": 1,
            "record": self.record.to_string(),
            "meaning": self.meaning.name(),
            "signer": self.signer,
            "role": self.role,
            "signed_at": self.signed_at.to_string(),
        }))
    }
}

/// The secret key of a person. It cannot be printed, and its memory is cleared when dropped.
#[derive(Clone)]
pub struct PersonKey(SigningKey);

impl PersonKey {
    /// The key of a secret seed of 32 random bytes.
    pub fn from_seed(seed: [u8; 32]) -> PersonKey {
        PersonKey(SigningKey::from_bytes(&seed))
    }

    /// The seed it was made of.
    pub(crate) fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its public key: 64 hexadecimal digits.
    pub fn public_key(&self) -> String {
        hex(self.0.verifying_key().as_bytes())
    }

    /// Sign.
    pub fn sign(&self, what: &ToSign) -> Signature {
        let signature = self.0.sign(what.text().as_bytes());
        Signature {
            record: what.record,
            meaning: what.meaning,
            signer: what.signer.clone(),
            role: what.role.clone(),
            signed_at: what.signed_at,
            public_key: self.public_key(),
            signature: hex(&signature.to_bytes()),
        }
    }
}

impl std::fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PersonKey(public {})", &self.public_key()[..12])
    }
}

impl Signature {
    /// What the signature claims to be over.
    pub fn claim(&self) -> ToSign {
        ToSign {
            record: self.record,
            meaning: self.meaning,
            signer: self.signer.clone(),
            role: self.role.clone(),
            signed_at: self.signed_at,
        }
    }

    /// Whether it was made over exactly this claim with its public key. Whose key that is, only the catalog knows.
    ///
    /// # Errors
    /// [`SignError::Malformed`] when key or signature are not hexadecimal text of the right length;
    /// [`SignError::Broken`] when they do not belong together.
    pub fn verify(&self) -> Result<(), SignError> {
        let key: [u8; 32] = unhex(&self.public_key).ok_or(SignError::Malformed("the public key"))?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| SignError::Malformed("the public key"))?;
        let signature: [u8; 64] = unhex(&self.signature).ok_or(SignError::Malformed("the signature"))?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature);
        // Strict: no key of small order, so that a signature belongs to one message only.
        key.verify_strict(self.claim().text().as_bytes(), &signature).map_err(|_| SignError::Broken)
    }
}

impl Record {
    /// Signatures over this record that verify; none when the record itself was changed.
    pub fn valid_signatures(&self) -> Vec<&Signature> {
        if !self.is_intact() {
            return vec![];
        }
        self.signatures.iter().filter(|s| s.record == self.digest && s.verify().is_ok()).collect()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The `N` bytes of lower-case hexadecimal text; `None` when it is none, or of another length.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to_sign() -> ToSign {
        ToSign {
            record: Digest::of(b"a report"),
            meaning: SignatureMeaning::ApprovedClinical,
            signer: "anna".into(),
            role: "clinical".into(),
            signed_at: Timestamp::from_micros(1_795_435_200_000_000),
        }
    }

    /// RFC 8032 section 7.1, test 1: the public key of a published secret key.
    #[test]
    fn key_follows_the_published_vector() {
        let seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(PersonKey::from_seed(seed).public_key(), public);
        assert!(!format!("{:?}", PersonKey::from_seed(seed)).contains("9d61"));
    }

    /// The same text and signature computed with Python's `cryptography`: see `crates/hilum-sign/tests/it/upstream.rs`.
    #[test]
    fn the_signed_text_is_fixed() {
        let record = Digest::of(b"a report");
        assert_eq!(
            to_sign().text(),
            format!(
                r#"{{"format":1,"meaning":"approved_clinical","record":"{record}","role":"clinical","signed_at":"2026-11-23T12:00:00.000000Z","signer":"anna"}}"#
            )
        );
    }

    #[test]
    fn whatever_is_changed_breaks_it() {
        let signed = PersonKey::from_seed([7; 32]).sign(&to_sign());
        assert_eq!(signed.verify(), Ok(()));
        let other_key = PersonKey::from_seed([8; 32]).public_key();
        let changed = [
            Signature { record: Digest::of(b"another report"), ..signed.clone() },
            Signature { meaning: SignatureMeaning::Reviewed, ..signed.clone() },
            Signature { signer: "bo".into(), ..signed.clone() },
            Signature { role: "technical".into(), ..signed.clone() },
            Signature { signed_at: signed.signed_at.plus_micros(1), ..signed.clone() },
            Signature { public_key: other_key, ..signed.clone() },
        ];
        for signature in changed {
            assert_eq!(signature.verify(), Err(SignError::Broken), "{signature:?}");
        }
        let short = Signature { signature: signed.signature[2..].to_owned(), ..signed.clone() };
        assert_eq!(short.verify(), Err(SignError::Malformed("the signature")));
        let upper = Signature { public_key: signed.public_key.to_uppercase(), ..signed };
        assert_eq!(upper.verify(), Err(SignError::Malformed("the public key")));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_of_the_signature_breaks_it(at in 0usize..64, bit in 0u8..8) {
            let mut signed = PersonKey::from_seed([7; 32]).sign(&to_sign());
            let mut bytes: [u8; 64] = unhex(&signed.signature).unwrap();
            bytes[at] ^= 1 << bit;
            signed.signature = hex(&bytes);
            prop_assert_eq!(signed.verify(), Err(SignError::Broken));
        }
    }
}
