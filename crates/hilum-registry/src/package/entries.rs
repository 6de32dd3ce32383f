//! What stands in a package folder, before a byte of it is read.

use super::{
    ENTRIES_MAX, FILE_BYTES_MAX, Findings, MANIFEST_FILE, PACKAGE_BYTES_MAX, PATH_BYTES_MAX, PackageRefused,
    TEXT_BYTES_MAX,
};
use std::collections::{BTreeMap, BTreeSet};

/// What stands at a path of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File {
        /// Length in bytes.
        bytes: u64,
        /// Names of this file in its file system; more than 1 means that it can change from elsewhere.
        links: u64,
    },
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A device, socket or pipe.
    Other,
}

/// One path of a package, relative to its root, parts separated by `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageEntry {
    /// The path; a name that is not UTF-8 is given with replacement characters, and refused.
    pub path: String,
    /// What stands there.
    pub kind: EntryKind,
}

/// A package to check: a list of its paths and a way to read its files.
pub trait PackageSource {
    /// Everything in the package. A source may stop one entry after [`ENTRIES_MAX`].
    fn entries(&self) -> Vec<PackageEntry>;

    /// The bytes of a file that was listed, at most [`FILE_BYTES_MAX`].
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// A package in memory: path to bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryPackage(pub BTreeMap<String, Vec<u8>>);

impl PackageSource for MemoryPackage {
    fn entries(&self) -> Vec<PackageEntry> {
        let file = |bytes: &Vec<u8>| EntryKind::File { bytes: bytes.len() as u64, links: 1 };
        self.0.iter().map(|(path, bytes)| PackageEntry { path: path.clone(), kind: file(bytes) }).collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }
}

/// Paths of the files of a tree, in order, when nothing in it is a link, a device or a name that cannot be kept. What
/// is signed or held against a signature is listed by this.
///
/// # Errors
/// [`PackageRefused`] with every entry that cannot be.
pub fn list_files(source: &dyn PackageSource) -> Result<BTreeSet<String>, PackageRefused> {
    let mut found = Findings(Vec::new());
    let files = check_entries(&source.entries(), &mut found);
    if found.0.is_empty() { Ok(files) } else { Err(PackageRefused { problems: found.0 }) }
}

/// Names of the files that may be read: none when the listing itself is refused.
pub(super) fn check_entries(entries: &[PackageEntry], found: &mut Findings) -> BTreeSet<String> {
    if entries.is_empty() {
        found.add(".", "there is nothing in the package", "give the folder that holds hilum/package.toml");
    }
    if ENTRIES_MAX < entries.len() {
        found.add(".", format!("more than {ENTRIES_MAX} files and folders"), "leave out what the model does not need");
        return BTreeSet::new();
    }
    let mut files = BTreeSet::new();
    let mut folded = BTreeSet::new();
    let mut total: u64 = 0;
    for PackageEntry { path, kind } in entries {
        let shown = shown(path);
        if let Some(problem) = path_problem(path) {
            found.add(&shown, problem, "rename or remove it");
            continue;
        }
        if !folded.insert(path.to_lowercase()) {
            found.add(&shown, "another path differs only in case", "rename one of them");
        }
        match kind {
            EntryKind::Folder => {}
            EntryKind::Symlink => found.add(&shown, "it is a symbolic link", "put the file itself there"),
            EntryKind::Other => found.add(&shown, "it is neither a file nor a folder", "remove it"),
            EntryKind::File { links, .. } if 1 < *links => {
                found.add(
                    &shown,
                    format!("the file has {links} names (hard links)"),
                    "copy it so that it stands alone",
                );
            }
            EntryKind::File { bytes, .. } => {
                total = total.saturating_add(*bytes);
                let text = matches!(path.as_str(), MANIFEST_FILE | super::metadata::METADATA_FILE);
                let most = if text { TEXT_BYTES_MAX } else { FILE_BYTES_MAX };
                if most < *bytes {
                    found.add(&shown, format!("{bytes} bytes; {most} are the most"), "make it smaller");
                } else {
                    files.insert(path.clone());
                }
            }
        }
    }
    if PACKAGE_BYTES_MAX < total {
        found.add(
            ".",
            format!("{total} bytes in all; {PACKAGE_BYTES_MAX} are the most"),
            "leave out what is not needed",
        );
        return BTreeSet::new();
    }
    files
}

/// A hostile path, safe to print.
fn shown(path: &str) -> String {
    path.chars().take(128).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn path_problem(path: &str) -> Option<&'static str> {
    if path.is_empty() || PATH_BYTES_MAX < path.len() {
        return Some("the path is empty or over 512 bytes");
    }
    let bad = |c: char| c.is_control() || matches!(c, '\\' | ':' | '\u{FFFD}');
    if path.chars().any(bad) {
        return Some("the path holds a control character, backslash, colon or bytes that are not UTF-8");
    }
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return Some("the path is absolute, leaves the package or has a part that begins with a dot");
    }
    None
}
