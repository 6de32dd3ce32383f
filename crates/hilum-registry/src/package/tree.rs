//! The digest of a package's tree, the listing it is the digest of, and how a tree differs from its listing.

use hilum_types::Digest;
use std::collections::BTreeMap;
use std::fmt;

const LISTING_HEAD: &str = "hilum-package 1";

/// Digest of a tree from its files' paths and content digests: the BLAKE3 digest of [`tree_listing`].
pub fn tree_digest<'a>(files: impl IntoIterator<Item = (&'a str, Digest)>) -> Digest {
    Digest::of(tree_listing(files).as_bytes())
}

/// What a tree consists of, in the text whose digest names it.
///
/// The line `hilum-package 1`, then for each file in the order of its path's bytes one line
/// `<BLAKE3 of the content, 64 hexadecimal digits>  <path>` (two spaces, as `b3sum` prints), each ended by a line feed.
/// Folders, times and permissions do not count.
pub fn tree_listing<'a>(files: impl IntoIterator<Item = (&'a str, Digest)>) -> String {
    let mut files: Vec<(&str, Digest)> = files.into_iter().collect();
    files.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut listing = format!("{LISTING_HEAD}\n");
    for (path, digest) in files {
        listing.push_str(&format!("{digest}  {path}\n"));
    }
    listing
}

/// How a file of a tree differs from what was imported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TreeChange {
    /// Its bytes are others.
    Changed(String),
    /// It was put in.
    Added(String),
    /// It is gone.
    Missing(String),
}

impl fmt::Display for TreeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TreeChange::Changed(path) => write!(f, "{path} was changed"),
            TreeChange::Added(path) => write!(f, "{path} was put in"),
            TreeChange::Missing(path) => write!(f, "{path} is gone"),
        }
    }
}

/// The files of a listing, if its text is the one that `digest` names. `None`: it was changed, or is none.
pub fn read_listing(text: &str, digest: &Digest) -> Option<BTreeMap<String, Digest>> {
    if Digest::of(text.as_bytes()) != *digest {
        return None;
    }
    let (head, files) = text.split_once('\n')?;
    let line = |line: &str| {
        let (digest, path) = line.split_once("  ")?;
        Some((path.to_owned(), digest.parse().ok()?))
    };
    if head == LISTING_HEAD { files.lines().map(line).collect() } else { None }
}

/// How `now` differs from `before`, by path.
pub fn compare_tree(before: &BTreeMap<String, Digest>, now: &BTreeMap<String, Digest>) -> Vec<TreeChange> {
    let gone = before.keys().filter(|path| !now.contains_key(*path)).cloned().map(TreeChange::Missing);
    let other = now.iter().filter_map(|(path, digest)| match before.get(path) {
        None => Some(TreeChange::Added(path.clone())),
        Some(then) => (then != digest).then(|| TreeChange::Changed(path.clone())),
    });
    let mut changes: Vec<TreeChange> = gone.chain(other).collect();
    changes.sort();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_proves_itself_and_names_what_changed() {
        let files = [("models/model.onnx", Digest::of(b"weights")), ("LICENSE", Digest::of(b"MIT"))];
        let (text, digest) = (tree_listing(files), tree_digest(files));
        let before = read_listing(&text, &digest).unwrap();
        assert_eq!(before.len(), 2);
        assert_eq!(read_listing(&text.replace("LICENSE", "licence"), &digest), None);
        assert_eq!(read_listing("other\n", &Digest::of(b"other\n")), None);
        let now = BTreeMap::from([
            ("models/model.onnx".to_owned(), Digest::of(b"weightz")),
            ("extra".to_owned(), Digest::of(b"")),
        ]);
        let told: Vec<String> = compare_tree(&before, &now).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["models/model.onnx was changed", "extra was put in", "LICENSE is gone"]);
        assert_eq!(compare_tree(&before, &before), []);
    }
}
