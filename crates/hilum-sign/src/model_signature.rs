//! OpenSSF Model Signing v1.0: a DSSE envelope in a Sigstore bundle v0.3 around an in-toto statement that lists the
//! SHA-256 digest of every file. Key mode: ECDSA, no certificate, no transparency log, so it works offline.

use crate::SignError;
use crate::maker_key::{MakerKey, MakerPublicKey};
use crate::person::{hex, unhex};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";

/// Largest signature file that is read: 16 MiB, about 100,000 files.
pub const SIGNATURE_BYTES_MAX: u64 = 16 << 20;

/// A file of a tree: its path relative to the root, parts separated by `/`, and the SHA-256 digest of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileDigest {
    /// Relative path.
    pub path: String,
    /// SHA-256 of the content.
    pub sha256: [u8; 32],
}

impl FileDigest {
    /// Of a file with this content.
    pub fn of(path: impl Into<String>, content: &[u8]) -> FileDigest {
        FileDigest { path: path.into(), sha256: Sha256::digest(content).into() }
    }
}

/// What somebody signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTree {
    /// What the signer called it.
    pub name: String,
    /// SHA-256 over the digests of all files in their listed order: the root digest, 64 hexadecimal digits.
    pub root: String,
    /// Path to SHA-256.
    pub files: BTreeMap<String, [u8; 32]>,
}

/// How a tree differs from what was signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The bytes are not those that were signed.
    Changed(String),
    /// It was not there when the tree was signed.
    Extra(String),
    /// It was signed, and is not there.
    Missing(String),
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Difference::Changed(path) => write!(f, "{path} was changed after signing"),
            Difference::Extra(path) => write!(f, "{path} was not signed"),
            Difference::Missing(path) => write!(f, "{path} was signed and is missing"),
        }
    }
}

impl SignedTree {
    /// Every difference between `files` and what was signed, by path; empty when they are the same.
    pub fn compare(&self, files: &[FileDigest]) -> Vec<Difference> {
        differences(&self.files, files)
    }
}

/// Every difference between the files found and those listed, by path; empty when they are the same.
pub fn differences<'a>(
    listed: &BTreeMap<String, [u8; 32]>,
    found: impl IntoIterator<Item = &'a FileDigest>,
) -> Vec<Difference> {
    let mut left: BTreeMap<&str, &[u8; 32]> = listed.iter().map(|(path, sha)| (path.as_str(), sha)).collect();
    let mut differences = Vec::new();
    for file in found {
        match left.remove(file.path.as_str()) {
            None => differences.push(Difference::Extra(file.path.clone())),
            Some(sha256) if *sha256 != file.sha256 => differences.push(Difference::Changed(file.path.clone())),
            Some(_) => {}
        }
    }
    differences.extend(left.into_keys().map(|path| Difference::Missing(path.to_owned())));
    differences
}

/// Sign a tree; the text is the content of a `.sig` file, which belongs beside the tree, not into it.
///
/// # Errors
/// [`SignError::Empty`]; [`SignError::BadName`].
pub fn sign_tree(name: &str, files: &[FileDigest], key: &MakerKey) -> Result<String, SignError> {
    let mut files: Vec<&FileDigest> = files.iter().collect();
    files.sort();
    check_names(files.iter().map(|file| file.path.as_str()))?;
    let resource =
        |file: &&FileDigest| json!({ "name": file.path, "algorithm": "sha256", "digest": hex(&file.sha256) });
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "name": name, "digest": { "sha256": root(files.iter().map(|file| &file.sha256)) } }],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files", "hash_type": "sha256", "allow_symlinks": false, "ignore_paths": [],
            },
            "resources": files.iter().map(resource).collect::<Vec<_>>(),
        },
    });
    let payload = statement.to_string().into_bytes();
    let bundle = json!({
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": { "publicKey": { "hint": key.public().fingerprint()? }, "tlogEntries": [] },
        "dsseEnvelope": {
            "payload": STANDARD.encode(&payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{ "sig": STANDARD.encode(key.sign(&to_be_signed(&payload))), "keyid": "" }],
        },
    });
    Ok(bundle.to_string())
}

/// Which key a signature file says it was made with: its fingerprint, as [`MakerPublicKey::fingerprint`]. Only a claim.
/// `None` when it names none, as files of tools before version 1.1 do.
///
/// # Errors
/// [`SignError::NotASignature`] when it is none of this format.
pub fn claimed_fingerprint(text: &str) -> Result<Option<String>, SignError> {
    let bundle: Bundle = parse(text.as_bytes(), "the Sigstore bundle")?;
    Ok(bundle.verification_material.public_key.and_then(|key| key.hint).filter(|hint| !hint.is_empty()))
}

/// Read a signature file and check that `key` made it. The tree itself is compared by [`SignedTree::compare`].
///
/// `ignore_paths` of the signer are not honoured: what is in a package and was not signed is a difference.
///
/// # Errors
/// [`SignError::NotASignature`] when it is none of this format, or contradicts itself; [`SignError::WrongKey`] when
/// another key made it or it was changed; [`SignError::Empty`] and [`SignError::BadName`] for what it lists.
pub fn read_tree_signature(text: &str, key: &MakerPublicKey) -> Result<SignedTree, SignError> {
    let bundle: Bundle = parse(text.as_bytes(), "the Sigstore bundle")?;
    if bundle.media_type != BUNDLE_TYPE {
        return Err(unusable(format!("its media type is {:?}, not {BUNDLE_TYPE}", bundle.media_type)));
    }
    let Envelope { payload, payload_type, signatures } = bundle.dsse_envelope;
    let [signature] = signatures.as_slice() else {
        return Err(unusable(format!("it holds {} signatures, and one is expected", signatures.len())));
    };
    let Material { public_key, x509_certificate_chain, certificate } = bundle.verification_material;
    let Some(public_key) = public_key else {
        let by = match (x509_certificate_chain, certificate) {
            (Some(_), _) => "it was made with a certificate chain",
            (None, Some(_)) => "it was made with a certificate of the day (keyless)",
            (None, None) => "it does not say with what it was made",
        };
        return Err(unusable(format!("{by}; Hilum takes signatures made with a key, which hold without a network")));
    };
    let hint = public_key.hint.filter(|hint| !hint.is_empty());
    if hint.is_some_and(|hint| Ok(hint) != key.fingerprint()) {
        return Err(SignError::WrongKey);
    }
    let payload = base64(&payload, "the payload")?;
    // What is signed is read only after the signature over it holds.
    key.verify(&to_be_signed(&payload), &base64(&signature.sig, "the signature")?)?;
    if payload_type != PAYLOAD_TYPE {
        return Err(unusable(format!("its payload is {payload_type:?}, not {PAYLOAD_TYPE}")));
    }
    signed_tree(parse(&payload, "the in-toto statement")?)
}

fn signed_tree(statement: Statement) -> Result<SignedTree, SignError> {
    if statement.kind != STATEMENT_TYPE || statement.predicate_type != PREDICATE_TYPE {
        let (kind, predicate) = (statement.kind, statement.predicate_type);
        return Err(unusable(format!("it says {kind:?} and {predicate:?}, not {PREDICATE_TYPE}")));
    }
    let [subject] = <[Subject; 1]>::try_from(statement.subject)
        .map_err(|s| unusable(format!("it names {} subjects, and one is expected", s.len())))?;
    let Serialization { method, hash_type } = statement.predicate.serialization;
    if method != "files" || hash_type != "sha256" {
        let text = format!("it was made by {method:?} with {hash_type:?}; sign whole files with sha256");
        return Err(unusable(text));
    }
    check_names(statement.predicate.resources.iter().map(|resource| resource.name.as_str()))?;
    let mut digests = Vec::new();
    for resource in &statement.predicate.resources {
        let digest = unhex::<32>(&resource.digest).filter(|_| resource.algorithm == "sha256");
        digests.push(digest.ok_or_else(|| unusable(format!("{:?} has no sha256 digest", resource.name)))?);
    }
    let root = root(digests.iter());
    if root != subject.digest.sha256 {
        return Err(unusable("its root digest is not the one of the files it lists".to_owned()));
    }
    let names = statement.predicate.resources.into_iter().map(|resource| resource.name);
    Ok(SignedTree { name: subject.name, root, files: names.zip(digests).collect() })
}

/// DSSE v1 pre-authentication encoding: `DSSEv1 <length of type> <type> <length of payload> <payload>`.
fn to_be_signed(payload: &[u8]) -> Vec<u8> {
    let mut text = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    text.extend_from_slice(payload);
    text
}

fn root<'a>(digests: impl Iterator<Item = &'a [u8; 32]>) -> String {
    let mut hasher = Sha256::new();
    digests.for_each(|digest| hasher.update(digest));
    hex(&hasher.finalize())
}

/// At least one name, each relative, without parts that lead elsewhere, and none twice.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), SignError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        let bad_part = name.split('/').any(|part| matches!(part, "" | "." | ".."));
        let bad_character = name.chars().any(|c| c.is_control() || c == '\\');
        if bad_part || bad_character || !seen.insert(name) {
            return Err(SignError::BadName(name.to_owned()));
        }
    }
    if seen.is_empty() { Err(SignError::Empty) } else { Ok(()) }
}

fn unusable(text: String) -> SignError {
    SignError::NotASignature(text)
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, SignError> {
    serde_json::from_slice(bytes).map_err(|error| unusable(format!("{what} cannot be read: {error}")))
}

fn base64(text: &str, what: &str) -> Result<Vec<u8>, SignError> {
    STANDARD.decode(text).map_err(|_| unusable(format!("{what} is not base64")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<KeyHint>,
    x509_certificate_chain: Option<serde::de::IgnoredAny>,
    certificate: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct KeyHint {
    hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
    predicate: Predicate,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    name: String,
    digest: Sha256Digest,
}

#[derive(Deserialize)]
struct Sha256Digest {
    sha256: String,
}

#[derive(Deserialize)]
struct Predicate {
    serialization: Serialization,
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Serialization {
    method: String,
    hash_type: String,
}

#[derive(Serialize, Deserialize)]
struct Resource {
    name: String,
    algorithm: String,
    digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MakerKey {
        MakerKey::from_random([byte; 32]).unwrap()
    }

    fn file(path: &str, content: &str) -> FileDigest {
        FileDigest { path: path.into(), sha256: Sha256::digest(content.as_bytes()).into() }
    }

    fn told(differences: &[Difference]) -> Vec<String> {
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn differences_are_named() {
        let files = [file("models/model.onnx", "weights"), file("LICENSE", "MIT"), file("docs/README.md", "card")];
        let text = sign_tree("cxr", &files, &key(7)).unwrap();
        let signed = read_tree_signature(&text, &key(7).public()).unwrap();
        assert_eq!((signed.name.as_str(), signed.files.len()), ("cxr", 3));
        assert_eq!(signed.compare(&files), []);
        let now = [file("models/model.onnx", "weightz"), file("LICENSE", "MIT"), file("extra.py", "import os")];
        assert_eq!(
            told(&signed.compare(&now)),
            [
                "models/model.onnx was changed after signing",
                "extra.py was not signed",
                "docs/README.md was signed and is missing"
            ]
        );
        assert_eq!(read_tree_signature(&text, &key(8).public()), Err(SignError::WrongKey));
    }

    #[test]
    fn what_cannot_be_signed_is_refused() {
        assert_eq!(sign_tree("x", &[], &key(1)), Err(SignError::Empty));
        for name in ["../x", "a/../b", "/etc/passwd", "a//b", "", ".", "a\\b", "a\nb"] {
            assert_eq!(sign_tree("x", &[file(name, "")], &key(1)), Err(SignError::BadName(name.into())), "{name:?}");
        }
        assert_eq!(sign_tree("x", &[file("a", ""), file("a", "b")], &key(1)), Err(SignError::BadName("a".into())));
    }

    /// Signed by the right key, and still not a signature over a tree.
    #[test]
    fn what_contradicts_itself_is_refused() {
        let text = sign_tree("cxr", &[file("a", "1"), file("b", "2")], &key(7)).unwrap();
        let resigned = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut bundle: serde_json::Value = serde_json::from_str(&text).unwrap();
            let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
            let mut statement: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            change(&mut statement);
            let payload = statement.to_string().into_bytes();
            bundle["dsseEnvelope"]["payload"] = STANDARD.encode(&payload).into();
            bundle["dsseEnvelope"]["signatures"][0]["sig"] =
                STANDARD.encode(key(7).sign(&to_be_signed(&payload))).into();
            read_tree_signature(&bundle.to_string(), &key(7).public())
        };
        assert!(resigned(&|_| ()).is_ok());
        let refused: [&dyn Fn(&mut serde_json::Value); 7] = [
            &|s| s["predicate"]["resources"] = json!([]),
            &|s| s["predicate"]["resources"][0]["name"] = "../a".into(),
            &|s| s["predicate"]["resources"][1]["name"] = "a".into(),
            &|s| s["predicate"]["resources"][0]["algorithm"] = "blake3".into(),
            &|s| s["predicate"]["serialization"]["method"] = "shards".into(),
            &|s| s["subject"][0]["digest"]["sha256"] = "00".into(),
            &|s| s["predicateType"] = "https://model_signing/Digests/v0.1".into(),
        ];
        for (place, change) in refused.iter().enumerate() {
            assert!(resigned(change).is_err(), "{place}");
        }
    }

    #[test]
    fn a_changed_signature_file_is_refused() {
        let text = sign_tree("cxr", &[file("a", "1")], &key(7)).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            let read = read_tree_signature(&changed, &key(7).public());
            // Only what is not signed and not used may differ: the `keyid` and its name.
            let free = read.as_ref().is_ok_and(|tree| tree.name == "cxr" && tree.compare(&[file("a", "1")]).is_empty());
            assert!(read.is_err() || free, "byte {at}: {changed}");
        }
    }

    /// The fingerprint of this key computed by `openssl` and `sha256sum`: see docs/guides/signing.md.
    #[test]
    fn keys_survive_pem() {
        let pem = key(7).to_pem().unwrap();
        assert_eq!(MakerKey::from_pem(&pem).unwrap().public(), key(7).public());
        let public = key(7).public().to_pem().unwrap();
        assert_eq!(MakerPublicKey::from_pem(&public).unwrap(), key(7).public());
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n") && public.ends_with("-----END PUBLIC KEY-----\n"));
        assert_eq!(MakerPublicKey::from_pem(&pem).unwrap_err(), SignError::NotAKey("public"));
        assert!(MakerKey::from_pem(&public).is_err() && MakerKey::from_pem("").is_err());
        assert!(!format!("{:?}", key(7)).contains(&pem[40..60]));
    }
}
