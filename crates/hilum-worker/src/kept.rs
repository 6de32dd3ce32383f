//! Imported packages on disk: beside each tree the list of its files and the signature that came with it.
//!
//! `<digest>/` is the tree, `<digest>.files` the text that the digest is of, `<digest>.sig` the signature file.

use hilum_infer::FolderPackage;
use hilum_registry::PackageSource;
use hilum_registry::package::{compare_tree, list_files, read_listing, tree_digest};
use hilum_types::Digest;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The list of files of a package.
pub(crate) fn listing_path(packages: &Path, digest: &Digest) -> PathBuf {
    packages.join(format!("{digest}.files"))
}

/// The signature file of a package.
pub fn kept_signature_path(packages: &Path, digest: &Digest) -> PathBuf {
    packages.join(format!("{digest}.sig"))
}

/// Content digests of every file of a tree.
///
/// # Errors
/// What cannot be read, or is no plain file, in words.
pub(crate) fn content_digests(source: &dyn PackageSource) -> Result<BTreeMap<String, Digest>, Vec<String>> {
    let files = list_files(source)
        .map_err(|refused| refused.problems.iter().map(|p| format!("{}: {}", p.path, p.problem)).collect::<Vec<_>>())?;
    let (mut digests, mut problems) = (BTreeMap::new(), Vec::new());
    for path in files {
        match source.read(&path) {
            Ok(bytes) => {
                digests.insert(path, Digest::of(&bytes));
            }
            Err(why) => problems.push(format!("{path} cannot be read: {why}")),
        }
    }
    if problems.is_empty() { Ok(digests) } else { Err(problems) }
}

/// How the kept files of an imported package differ from what was imported, in words that name each file; empty when
/// they do not.
pub fn kept_problems(packages: &Path, digest: &Digest) -> Vec<String> {
    let folder = packages.join(digest.to_string());
    if !folder.is_dir() {
        return vec!["its folder is gone; import the package again".to_owned()];
    }
    let now = match content_digests(&FolderPackage::new(&folder)) {
        Ok(now) => now,
        Err(problems) => return problems,
    };
    let is_whole = tree_digest(now.iter().map(|(path, digest)| (path.as_str(), *digest))) == *digest;
    let listing = std::fs::read_to_string(listing_path(packages, digest));
    let before = listing.as_ref().ok().map(|text| read_listing(text, digest));
    match (is_whole, before) {
        (true, Some(None)) => vec!["the list of its files was changed; the files themselves are whole".to_owned()],
        // Packages that were imported by the first version have no list.
        (true, _) => vec![],
        (false, Some(Some(before))) => compare_tree(&before, &now).iter().map(ToString::to_string).collect(),
        (false, Some(None)) => vec!["its files were changed, and so was the list of them".to_owned()],
        (false, None) => {
            vec!["its files were changed; which ones is not known, because no list of them is kept".to_owned()]
        }
    }
}

/// Write a small file so that it is there whole or not at all.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}", std::process::id()));
    let mut file = std::fs::File::create(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_registry::package::tree_listing;

    #[test]
    fn every_changed_file_is_named() {
        let packages = tempfile::tempdir().unwrap();
        let files = [("LICENSE", "MIT"), ("models/model.onnx", "weights")];
        let listed = files.map(|(path, text)| (path, Digest::of(text.as_bytes())));
        let digest = tree_digest(listed);
        let told = || kept_problems(packages.path(), &digest);
        assert_eq!(told(), ["its folder is gone; import the package again"]);
        let tree = packages.path().join(digest.to_string());
        for (path, text) in files {
            std::fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
            std::fs::write(tree.join(path), text).unwrap();
        }
        assert_eq!(told(), [""; 0]);
        write_whole(&listing_path(packages.path(), &digest), &tree_listing(listed)).unwrap();
        assert_eq!(told(), [""; 0]);
        std::fs::write(tree.join("models/model.onnx"), "weightz").unwrap();
        std::fs::write(tree.join("extra"), "").unwrap();
        assert_eq!(told(), ["models/model.onnx was changed", "extra was put in"]);
        std::fs::write(listing_path(packages.path(), &digest), "hilum-package 1\n").unwrap();
        assert_eq!(told(), ["its files were changed, and so was the list of them"]);
        std::fs::remove_file(listing_path(packages.path(), &digest)).unwrap();
        assert!(told()[0].contains("no list of them is kept"));
    }
}
