//! Which makers of packages a site trusts, and whether a package is what one of them signed (AV-07).

use hilum_infer::InferError;
use hilum_registry::PackageSource;
use hilum_registry::package::list_files;
use hilum_sign::{
    FileDigest, MakerPublicKey, SIGNATURE_BYTES_MAX, SignError, claimed_fingerprint, read_tree_signature,
};
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Whom a site trusts. The default trusts nobody and asks for no signature.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Whether a package without a signature is refused.
    pub require_signature: bool,
    /// Keys of makers.
    pub keys: Vec<MakerPublicKey>,
}

/// A signature that holds over a whole tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSignature {
    /// The signature file.
    pub text: String,
    /// The key that made it.
    pub key: MakerPublicKey,
    /// Fingerprint of that key, see [`MakerPublicKey::fingerprint`].
    pub fingerprint: String,
    /// What the signer called the tree.
    pub name: String,
    /// Root digest, 64 hexadecimal digits.
    pub root: String,
    /// Files it covers.
    pub n_files: usize,
}

/// Where the signature of a package is looked for: `DIR.sig` beside `DIR`. In the tree it would have to sign itself.
pub fn signature_beside(folder: &Path) -> PathBuf {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mut name = whole.file_name().map_or_else(|| OsString::from("package"), OsString::from);
    name.push(".sig");
    whole.with_file_name(name)
}

/// Read a signature file; `None` when there is none.
///
/// # Errors
/// [`InferError::Signature`] when it is too large or no text; [`InferError::File`].
pub fn read_signature(path: &Path) -> Result<Option<String>, InferError> {
    let failed = |source| InferError::File { what: "cannot read", path: path.display().to_string(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    match file.take(SIGNATURE_BYTES_MAX + 1).read_to_string(&mut text) {
        Err(error) if error.kind() != std::io::ErrorKind::InvalidData => Err(failed(error)),
        Ok(_) if text.len() as u64 <= SIGNATURE_BYTES_MAX => Ok(Some(text)),
        _ => Err(refused(&format!("{} is no signature file: too large, or no text", path.display()))),
    }
}

/// SHA-256 digests of every file of a tree.
///
/// # Errors
/// [`InferError::Refused`] when something in it is no plain file; [`InferError::Signature`] when one cannot be read.
pub fn file_digests(source: &dyn PackageSource) -> Result<Vec<FileDigest>, InferError> {
    let mut digests = Vec::new();
    for path in list_files(source)? {
        let bytes = source.read(&path).map_err(|why| refused(&format!("{path} cannot be read: {why}")))?;
        digests.push(FileDigest::of(path, &bytes));
    }
    Ok(digests)
}

impl Trust {
    /// Whether the tree is one that may be used: signed by a trusted maker, or unsigned where that is allowed.
    ///
    /// A signature that is there must hold, whether one is asked for or not.
    ///
    /// # Errors
    /// [`InferError::Signature`] with every file that differs from what was signed.
    pub fn check(
        &self,
        source: &dyn PackageSource,
        signature: Option<&str>,
    ) -> Result<Option<VerifiedSignature>, InferError> {
        match signature {
            Some(text) => Ok(Some(verify_tree(source, text, &self.keys)?)),
            None if self.require_signature => Err(refused(
                "the package is not signed, and [trust] require_signature asks for it; ask its maker for the signature \
                 file and put it beside the folder as FOLDER.sig",
            )),
            None => Ok(None),
        }
    }
}

/// Hold a tree against a signature file that one of `keys` must have made.
///
/// # Errors
/// [`InferError::Signature`] with every file that differs from what was signed.
pub fn verify_tree(
    source: &dyn PackageSource,
    text: &str,
    keys: &[MakerPublicKey],
) -> Result<VerifiedSignature, InferError> {
    let claimed = claimed_fingerprint(text).map_err(|error| refused(&error.to_string()))?;
    let mut signed = None;
    for key in keys {
        match read_tree_signature(text, key) {
            Ok(tree) => signed = Some((key, tree)),
            // Another trusted key may have made it.
            Err(SignError::WrongKey) => continue,
            Err(error) => return Err(refused(&error.to_string())),
        }
        break;
    }
    let Some((key, tree)) = signed else {
        let own = keys.iter().filter_map(|key| key.fingerprint().ok()).any(|own| Some(own) == claimed);
        return Err(refused(&match (own, claimed) {
            (true, Some(_)) => "the signature file was changed: it names a trusted key that did not make it".to_owned(),
            (_, Some(claimed)) => format!(
                "it is signed with key {claimed}, which is not trusted here; add the maker's public key to [trust] keys \
                 (or give it with --key), or take the signature file away"
            ),
            (_, None) => "no trusted key made the signature; add the maker's public key to [trust] keys".to_owned(),
        }));
    };
    let differences = tree.compare(&file_digests(source)?);
    if !differences.is_empty() {
        let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
        return Err(refused(&format!("the files are not those that were signed: {}", told.join("; "))));
    }
    let fingerprint = key.fingerprint().map_err(|error| refused(&error.to_string()))?;
    Ok(VerifiedSignature {
        text: text.to_owned(),
        key: key.clone(),
        fingerprint,
        name: tree.name,
        root: tree.root,
        n_files: tree.files.len(),
    })
}

fn refused(why: &str) -> InferError {
    InferError::Signature(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_registry::MemoryPackage;
    use hilum_sign::{MakerKey, sign_tree};

    fn tree(model: &str) -> MemoryPackage {
        let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
        MemoryPackage([file("LICENSE", "MIT"), file("models/model.onnx", model)].into())
    }

    fn key(byte: u8) -> MakerKey {
        MakerKey::from_random([byte; 32]).unwrap()
    }

    fn signed_by(byte: u8) -> String {
        sign_tree("cxr", &file_digests(&tree("weights")).unwrap(), &key(byte)).unwrap()
    }

    fn why(checked: Result<Option<VerifiedSignature>, InferError>) -> String {
        checked.unwrap_err().to_string()
    }

    #[test]
    fn what_is_signed_by_a_trusted_maker_is_used() {
        let trust = Trust { require_signature: true, keys: vec![key(1).public(), key(2).public()] };
        let verified = trust.check(&tree("weights"), Some(&signed_by(2))).unwrap().unwrap();
        assert_eq!((verified.n_files, &verified.key, verified.name.as_str()), (2, &key(2).public(), "cxr"));
        assert!(why(trust.check(&tree("weights"), None)).contains("not signed"));
        assert!(why(trust.check(&tree("weightz"), Some(&signed_by(1)))).contains("models/model.onnx was changed"));
        let mut more = tree("weights");
        more.0.insert("extra.bin".into(), vec![]);
        assert!(why(trust.check(&more, Some(&signed_by(1)))).contains("extra.bin was not signed"));
        let fingerprint = key(3).public().fingerprint().unwrap();
        let stranger = why(trust.check(&tree("weights"), Some(&signed_by(3))));
        assert!(stranger.contains(&fingerprint) && stranger.contains("not trusted here"), "{stranger}");
        let forged = signed_by(3).replace(&fingerprint, &key(1).public().fingerprint().unwrap());
        assert!(why(trust.check(&tree("weights"), Some(&forged))).contains("did not make it"));
        assert!(why(trust.check(&tree("weights"), Some("{}"))).contains("signature file cannot be used"));
    }

    #[test]
    fn without_a_rule_unsigned_is_allowed_and_a_wrong_signature_is_not() {
        let trust = Trust::default();
        assert_eq!(trust.check(&tree("weights"), None).unwrap(), None);
        assert!(why(trust.check(&tree("weights"), Some(&signed_by(1)))).contains("not trusted here"));
    }

    #[test]
    fn the_signature_lies_beside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("cxr");
        std::fs::create_dir(&tree).unwrap();
        let expected = folder.path().canonicalize().unwrap().join("cxr.sig");
        assert_eq!(signature_beside(&tree), expected);
        assert_eq!(signature_beside(&tree.join("")), expected);
        assert_eq!(read_signature(&expected).unwrap(), None);
    }
}
