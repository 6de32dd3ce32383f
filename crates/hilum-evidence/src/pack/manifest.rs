//! The list of files with their SHA-256 digests, in the form that `sha256sum --check` reads.

use crate::{EvidenceError, hex};
use hilum_sign::{Difference, FileDigest, differences, unhex};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Path of the manifest. It lists every other file of the pack.
pub const MANIFEST_PATH: &str = "manifest.sha256";

/// Files of a pack and their digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackManifest {
    /// Path to SHA-256.
    pub files: BTreeMap<String, [u8; 32]>,
}

impl PackManifest {
    /// Take a file in.
    pub fn add(&mut self, path: &str, sha256: [u8; 32]) {
        self.files.insert(path.to_owned(), sha256);
    }

    /// The text of the file: one line `<64 digits>  <path>` each, by path.
    pub fn text(&self) -> String {
        self.files.iter().map(|(path, sha256)| format!("{}  {path}\n", hex(sha256))).collect()
    }

    /// SHA-256 of that text: the name of the pack.
    pub fn name(&self) -> String {
        hex(&Sha256::digest(self.text().as_bytes()))
    }

    /// Read it back.
    ///
    /// # Errors
    /// [`EvidenceError::PackFile`] naming the line that is none, leads out of the pack, or stands twice or out of order.
    pub fn parse(text: &str) -> Result<PackManifest, EvidenceError> {
        let refuse = |line: usize, why: &str| EvidenceError::PackFile {
            path: MANIFEST_PATH.to_owned(),
            why: format!("line {line} {why}"),
        };
        let mut manifest = PackManifest::default();
        for (n, line) in text.lines().enumerate() {
            let parts = line.split_once("  ").and_then(|(digest, path)| Some((unhex(digest)?, path)));
            let Some((digest, path)) = parts else {
                return Err(refuse(n + 1, "is no SHA-256 digest and path"));
            };
            let leads_out = path.split('/').any(|part| matches!(part, "" | "." | ".."));
            if leads_out || path.chars().any(|c| c.is_control() || c == '\\') {
                return Err(refuse(n + 1, "names no file of the pack"));
            }
            if manifest.files.last_key_value().is_some_and(|(last, _)| last.as_str() >= path) {
                return Err(refuse(n + 1, "is out of order"));
            }
            manifest.add(path, digest);
        }
        // A byte between two lines would otherwise go unseen.
        if manifest.text() != text {
            return Err(refuse(manifest.files.len(), "or the end of the file is not as Hilum writes it"));
        }
        Ok(manifest)
    }

    /// Every difference between the files found and those listed.
    pub fn compare(&self, found: &[FileDigest]) -> Vec<Difference> {
        differences(&self.files, found.iter().filter(|file| file.path != MANIFEST_PATH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest() -> PackManifest {
        let mut manifest = PackManifest::default();
        for path in ["index.html", "audit/entries.jsonl", "records/a b/c.json"] {
            manifest.add(path, Sha256::digest(path.as_bytes()).into());
        }
        manifest
    }

    #[test]
    fn it_reads_what_it_writes() {
        assert_eq!(PackManifest::parse(&manifest().text()).unwrap(), manifest());
        assert_eq!(PackManifest::parse("").unwrap(), PackManifest::default());
    }

    #[test]
    fn what_leads_out_or_is_out_of_order_is_refused() {
        let digest = "0".repeat(64);
        for text in [
            format!("{digest}  ../a\n"),
            format!("{digest}  /etc/passwd\n"),
            format!("{digest}  b\n{digest}  a\n"),
            format!("{digest}  a\n{digest}  a\n"),
            format!("{digest} a\n"),
            format!("{digest}  a"),
            format!("{}  a\n", "G".repeat(64)),
        ] {
            assert!(PackManifest::parse(&text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn differences_are_named() {
        let file =
            |path: &str, text: &str| FileDigest { path: path.into(), sha256: Sha256::digest(text.as_bytes()).into() };
        let found = [file("index.html", "other"), file("new", "new"), file("records/a b/c.json", "records/a b/c.json")];
        let told: Vec<String> = manifest().compare(&found).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        index.html was changed after signing
        new was not signed
        audit/entries.jsonl was signed and is missing
        ");
    }

    proptest! {
        /// One flipped bit of the manifest is either seen in its form, or makes a listed file differ.
        #[test]
        fn a_flipped_bit_is_noticed(at in 0usize..1000, bit in 0u8..8) {
            let text = manifest().text();
            let mut bytes = text.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(changed) = String::from_utf8(bytes)
                && let Ok(read) = PackManifest::parse(&changed)
            {
                prop_assert!(read != manifest());
            }
        }
    }
}
