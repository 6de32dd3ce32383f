//! What a trial has run already, so that one that was interrupted goes on where it stopped.

use super::{Ended, Subject, TrialError};
use hilum_types::Digest;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Folder below the data folder.
const FOLDER: &str = "trials";

/// One line for each case that was run, under a name made of package, engine, settings and reference set. Without a file it
/// holds nothing and notes nothing. Clones share it.
#[derive(Clone, Default)]
pub struct Journal {
    file: Option<Arc<Written>>,
    held: Arc<HashMap<(String, Digest), Ended>>,
}

struct Written {
    path: PathBuf,
    file: Mutex<File>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    case: String,
    images: Digest,
    #[serde(flatten)]
    ended: Ended,
}

impl Journal {
    /// The journal of this package on this set, with what an interrupted run left. A line that was cut off is passed over.
    ///
    /// # Errors
    /// [`TrialError::Journal`] when the file cannot be opened.
    pub fn open(data_dir: &Path, subject: &Subject, set: &Digest) -> Result<Journal, TrialError> {
        let engine = subject.engine();
        let name = Digest::of(format!("trial 1 {} {engine} {set}", subject.package.digest).as_bytes());
        Journal::open_file(&data_dir.join(FOLDER), &name.to_string())
    }

    fn open_file(folder: &Path, name: &str) -> Result<Journal, TrialError> {
        let path = folder.join(format!("{name}.jsonl"));
        let failed = |source| TrialError::Journal { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = File::options().create(true).append(true).read(true).mode(0o600).open(&path).map_err(failed)?;
        let text = io::read_to_string(&file).map_err(failed)?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let held = lines.map(|line| ((line.case, line.images), line.ended)).collect();
        if !text.is_empty() && !text.ends_with('\n') {
            writeln!(&file).map_err(failed)?;
        }
        Ok(Journal { file: Some(Arc::new(Written { path, file: Mutex::new(file) })), held: Arc::new(held) })
    }

    /// How many cases an interrupted run left.
    pub fn n_held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn held(&self, case: &str, images: &Digest) -> Option<Ended> {
        self.held.get(&(case.to_owned(), *images)).cloned()
    }

    /// Only what the model said is noted: a failure may be the machine's and is tried again.
    pub(super) fn note(&self, case: &str, images: &Digest, ended: &Ended) -> Result<(), TrialError> {
        let (Some(written), Ended::Ran { .. }) = (&self.file, ended) else { return Ok(()) };
        let line = Line { case: case.to_owned(), images: *images, ended: ended.clone() };
        let mut text = serde_json::to_string(&line).map_err(|_| TrialError::Defect)?;
        text.push('\n');
        let mut file = written.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes()).map_err(|source| TrialError::Journal { path: written.path.clone(), source })
    }

    /// The run is complete: the record holds it, and the next one starts from nothing.
    ///
    /// # Errors
    /// [`TrialError::Journal`] when the file cannot be removed.
    pub fn finish(&self) -> Result<(), TrialError> {
        let Some(written) = &self.file else { return Ok(()) };
        match std::fs::remove_file(&written.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(TrialError::Journal { path: written.path.clone(), source })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_validate::NotRunEnd;
    use std::collections::BTreeMap;

    #[test]
    fn an_interrupted_run_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let (images, other) = (Digest::of(b"a"), Digest::of(b"b"));
        // A value that does not survive a short decimal form.
        let ran = Ended::Ran { scores: BTreeMap::from([("pneumonia".to_owned(), 0.1 + 0.2)]) };
        let failed = Ended::NotRun { end: NotRunEnd::Failed, reason: "out of memory".to_owned() };
        let first = Journal::open_file(folder.path(), "x").unwrap();
        first.note("one", &images, &ran).unwrap();
        first.note("two", &images, &failed).unwrap();
        let path = folder.path().join("x.jsonl");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text += "{\"case\":\"three\",\"ima";
        std::fs::write(&path, text).unwrap();
        let second = Journal::open_file(folder.path(), "x").unwrap();
        second.note("four", &images, &ran).unwrap();
        let third = Journal::open_file(folder.path(), "x").unwrap();
        assert_eq!((third.n_held(), third.held("one", &images)), (2, Some(ran.clone())));
        assert_eq!(third.held("four", &images), Some(ran));
        assert_eq!((third.held("one", &other), third.held("two", &images)), (None, None));
        third.finish().unwrap();
        third.finish().unwrap();
        assert_eq!(Journal::open_file(folder.path(), "x").unwrap().n_held(), 0);
    }
}
