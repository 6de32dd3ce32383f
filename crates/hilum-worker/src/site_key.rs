//! The site's secret: under it patients become pseudonyms, and fall on one side of a rollout or the other.

use hilum_types::Digest;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// File name below the data folder.
const FILE: &str = "site.key";

/// The secret of this site under which identifiers of patients become pseudonyms. It is made once and never leaves the
/// data folder; losing it makes old and new case lists incomparable by patient.
#[derive(Clone)]
pub struct SiteKey([u8; 32]);

impl std::fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SiteKey(..)")
    }
}

impl SiteKey {
    /// The key of the data folder; made, with mode 0600, when there is none. Two processes that make it at once get
    /// the same one.
    ///
    /// # Errors
    /// The file cannot be made or read, others may read it, or it is damaged; the text names the remedy.
    pub fn open(data_dir: &Path) -> io::Result<SiteKey> {
        let path = data_dir.join(FILE);
        match File::open(&path) {
            Ok(file) => return read(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_dir, &path)?,
            Err(error) => return Err(error),
        }
        read(&File::open(&path)?)
    }

    /// The key itself, for the pure functions that need it.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key at hand, for tests and other stores of secrets.
    pub fn of(bytes: [u8; 32]) -> SiteKey {
        SiteKey(bytes)
    }

    /// Pseudonym of a patient: keyed hash of the identifier without surrounding space; `None` for an empty one.
    pub fn patient(&self, identifier: &str) -> Option<Digest> {
        let identifier = identifier.trim();
        (!identifier.is_empty()).then(|| self.keyed("patient", identifier))
    }

    /// Keyed hash of a value for one purpose; the same value for another purpose has nothing in common with it.
    pub fn keyed(&self, purpose: &str, value: &str) -> Digest {
        Digest::keyed(&self.0, format!("{purpose}\0{value}").as_bytes())
    }
}

fn read(file: &File) -> io::Result<SiteKey> {
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        let remedy = "others may read site.key; take that away with chmod 600, and think about who has read it";
        return Err(io::Error::other(remedy));
    }
    let text = io::read_to_string(io::Read::take(file, 1024))?;
    match text.trim().parse::<Digest>() {
        Ok(bytes) => Ok(SiteKey(*bytes.as_bytes())),
        Err(_) => Err(io::Error::other("site.key is not 64 hexadecimal digits; restore it from a backup")),
    }
}

/// Write under a name of its own, sync, and link: the first of two makers wins and nobody sees half a key.
fn make(data_dir: &Path, path: &Path) -> io::Result<()> {
    let partial = data_dir.join(format!(".{FILE}.{}.{:016x}", std::process::id(), rand::random::<u64>()));
    let written = write(&partial).and_then(|()| match std::fs::hard_link(&partial, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    std::fs::remove_file(&partial)?;
    written?;
    File::open(data_dir)?.sync_all()
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", Digest::from_bytes(rand::random()))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_kept_secret() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<SiteKey> = std::thread::scope(|scope| {
            let open = || SiteKey::open(folder.path()).unwrap();
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key.0 == keys[0].0));
        let path = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(!format!("{:?}", keys[0]).contains(&Digest::from_bytes(keys[0].0).to_string()));

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(SiteKey::open(folder.path()).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "short").unwrap();
        assert!(SiteKey::open(folder.path()).unwrap_err().to_string().contains("64 hexadecimal digits"));
    }

    #[test]
    fn pseudonyms_depend_on_key_and_purpose_only() {
        let (one, other) = (SiteKey::of([1; 32]), SiteKey::of([2; 32]));
        assert_eq!(one.patient(" P-17 "), one.patient("P-17"));
        assert_ne!(one.patient("P-17"), other.patient("P-17"));
        assert_ne!(one.patient("P-17"), Some(one.keyed("share", "P-17")));
        assert_eq!(one.patient("  "), None);
    }
}
