//! Content-addressed files below the data directory.
//!
//! `blobs/aa/<digest>` holds what is kept, `incoming/` what is not finished; both are on one file system, so that
//! taking a file over is a rename. Names are digests and counters, never input (threat 4). Nothing here deletes a
//! blob except the start-up sweep, and that only while no other process uses the folder.

use crate::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use hilum_types::Digest;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// A blob that is durable: its bytes, its name, and the folder entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBlob {
    /// Digest of all its bytes: its name.
    pub digest: Digest,
    /// Digest of the part after [`SpoolFile::begin_data_set`]; of everything when that was not called.
    pub content: Digest,
    /// Size in bytes.
    pub size: u64,
}

/// Create-only storage of immutable blobs by digest.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Keep `bytes`; they are durable on return. Keeping the same bytes again changes nothing.
    async fn blob_put(&self, bytes: Bytes) -> Result<StoredBlob, StoreError>;

    /// All bytes of a blob.
    ///
    /// # Errors
    /// [`StoreError::DamagedBlob`] when it is gone or its bytes are not those that were stored: never wrong bytes.
    async fn blob_get(&self, blob: &Digest) -> Result<Bytes, StoreError>;

    /// Read a blob as a stream; a damaged one ends in an error instead of its last bytes' end.
    async fn blob_open(&self, blob: &Digest) -> Result<BlobReader, StoreError>;

    /// Whether the blob is there.
    async fn blob_exists(&self, blob: &Digest) -> Result<bool, StoreError>;
}

/// Settings of [`LocalBlobs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobOptions {
    /// No new object is begun with less than this free on the file system, so that catalog and logs can go on.
    pub reserve_bytes: u64,
}

impl Default for BlobOptions {
    fn default() -> Self {
        BlobOptions { reserve_bytes: 1 << 30 }
    }
}

/// Blobs in a local folder. Clones share it.
#[derive(Debug, Clone)]
pub struct LocalBlobs {
    folder: Arc<Folder>,
}

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    reserve_bytes: u64,
    n_spooled: AtomicU64,
    /// Held shared by every process that uses the folder, exclusively by a sweep.
    lock: File,
}

/// How many bytes are written between two looks at the free space.
const RESERVE_CHECK_BYTES: u64 = 16 << 20;
const BLOBS: &str = "blobs";
const INCOMING: &str = "incoming";

impl LocalBlobs {
    /// Use the folder `data_dir`, creating what is missing. Blocks on the file system: call it at start-up.
    ///
    /// # Errors
    /// [`StoreError::File`] when the folder cannot be made or locked.
    pub fn open(data_dir: &Path, options: &BlobOptions) -> Result<LocalBlobs, StoreError> {
        let create = |path: &Path| {
            std::fs::create_dir_all(path).map_err(|e| StoreError::file("create the folders for objects", e))
        };
        let blobs = data_dir.join(BLOBS);
        create(&data_dir.join(INCOMING))?;
        for first_byte in 0..=255u8 {
            create(&blobs.join(format!("{first_byte:02x}")))?;
        }
        sync_directory(&blobs)?;
        sync_directory(data_dir)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(data_dir.join("lock"))
            .map_err(|e| StoreError::file("open the lock file", e))?;
        lock.lock_shared().map_err(|e| StoreError::file("lock the folder", e))?;
        let folder = Folder {
            root: data_dir.to_owned(),
            reserve_bytes: options.reserve_bytes,
            n_spooled: AtomicU64::new(0),
            lock,
        };
        Ok(LocalBlobs { folder: Arc::new(folder) })
    }

    /// Begin to receive an object.
    ///
    /// # Errors
    /// [`StoreError::OutOfSpace`] when the disk reserve is reached.
    pub fn spool(&self) -> Result<SpoolFile, StoreError> {
        self.check_reserve()?;
        let number = self.folder.n_spooled.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}-{:016x}", std::process::id(), rand::random::<u64>());
        let path = self.folder.root.join(INCOMING).join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(&path)
            .map_err(|e| StoreError::file("create a temporary file", e))?;
        Ok(SpoolFile {
            file,
            path: Some(path),
            blobs: self.clone(),
            whole: blake3::Hasher::new(),
            content: None,
            size: 0,
            broken: false,
        })
    }

    /// Where a blob lies, for programs that read files by path. It may not exist.
    pub fn path_of(&self, blob: &Digest) -> PathBuf {
        let name = blob.to_string();
        self.folder.root.join(BLOBS).join(&name[..2]).join(name)
    }

    /// Bytes that may still be written before the reserve is reached.
    ///
    /// # Errors
    /// [`StoreError::File`] when the file system does not answer.
    pub fn bytes_free(&self) -> Result<u64, StoreError> {
        let stat =
            rustix::fs::statvfs(&self.folder.root).map_err(|e| StoreError::file("ask for the free space", e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize).saturating_sub(self.folder.reserve_bytes))
    }

    fn check_reserve(&self) -> Result<(), StoreError> {
        if self.bytes_free()? == 0 {
            return Err(StoreError::OutOfSpace { what: "receive an object: the disk reserve is reached" });
        }
        Ok(())
    }

    /// Run `act` while no other process uses the folder; `None` when one does. Nothing of this process may be
    /// spooling or waiting to be committed.
    pub(crate) async fn alone<T>(&self, act: impl Future<Output = T>) -> Result<Option<T>, StoreError> {
        let lock = &self.folder.lock;
        let relock = |e| StoreError::file("lock the folder", e);
        lock.unlock().map_err(relock)?;
        let outcome = match lock.try_lock() {
            Ok(()) => {
                let outcome = act.await;
                lock.unlock().map_err(relock)?;
                Some(outcome)
            }
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(e)) => return Err(relock(e)),
        };
        lock.lock_shared().map_err(relock)?;
        Ok(outcome)
    }

    /// Remove everything in `incoming/`; says how many files.
    pub(crate) fn remove_temporaries(&self) -> Result<u64, StoreError> {
        let failed = |e| StoreError::file("remove temporary files", e);
        let mut n_removed = 0;
        for entry in std::fs::read_dir(self.folder.root.join(INCOMING)).map_err(failed)? {
            std::fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
            n_removed += 1;
        }
        Ok(n_removed)
    }

    /// Digests and sizes of the blobs whose first byte is `first_byte`, sorted. Files with other names are not ours
    /// and are passed over.
    pub(crate) fn list(&self, first_byte: u8) -> Result<Vec<(Digest, u64)>, StoreError> {
        let failed = |e| StoreError::file("list stored objects", e);
        let mut blobs = Vec::new();
        let folder = self.folder.root.join(BLOBS).join(format!("{first_byte:02x}"));
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()) else {
                continue;
            };
            blobs.push((digest, entry.metadata().map_err(failed)?.len()));
        }
        blobs.sort_unstable();
        Ok(blobs)
    }

    /// Remove a blob that no row names. For the sweep only.
    pub(crate) fn remove(&self, blob: &Digest) -> Result<(), StoreError> {
        std::fs::remove_file(self.path_of(blob)).map_err(|e| StoreError::file("remove an orphaned object", e))
    }

    fn open_blob(&self, blob: &Digest) -> Result<File, StoreError> {
        File::open(self.path_of(blob)).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => StoreError::DamagedBlob { digest: blob.short(), what: "it is gone" },
            _ => StoreError::file("open a stored object", e),
        })
    }
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|e| StoreError::file("sync a folder", e))
}

/// An object that is being received: a temporary file, hashed and counted as it grows.
///
/// Dropping it removes the file, so nothing half-received is left. Methods write to the page cache and are called
/// directly from async tasks; only [`SpoolFile::finish`] waits for the disk.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    path: Option<PathBuf>,
    blobs: LocalBlobs,
    whole: blake3::Hasher,
    content: Option<blake3::Hasher>,
    size: u64,
    broken: bool,
}

impl SpoolFile {
    /// Append `bytes`.
    ///
    /// # Errors
    /// [`StoreError::OutOfSpace`] or [`StoreError::File`]; the file is then useless, drop it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let before = self.size;
        self.size += bytes.len() as u64;
        if before / RESERVE_CHECK_BYTES != self.size / RESERVE_CHECK_BYTES {
            self.blobs.check_reserve().inspect_err(|_| self.broken = true)?;
        }
        self.file.write_all(bytes).map_err(|e| {
            self.broken = true;
            StoreError::file("write a received object", e)
        })?;
        self.whole.update(bytes);
        if let Some(content) = &mut self.content {
            content.update(bytes);
        }
        Ok(())
    }

    /// What follows is the data set; what was written so far is preamble and file meta information, which does not
    /// count when "same bytes" is decided.
    pub fn begin_data_set(&mut self) {
        self.content = Some(blake3::Hasher::new());
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// A second handle on what was written so far, from its beginning, for the header parse.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn open_for_reading(&self) -> Result<File, StoreError> {
        let path = self.path.as_ref().ok_or_else(|| StoreError::Misuse("the file was already taken over".into()))?;
        File::open(path).map_err(|e| StoreError::file("read a received object", e))
    }

    /// Make it a blob: `fdatasync`, rename, `fsync` of the folder. Waits for the disk: not on an async thread.
    ///
    /// # Errors
    /// [`StoreError::File`]; the file is removed, a failed sync is never repeated on it.
    pub fn finish(mut self) -> Result<StoredBlob, StoreError> {
        if self.broken {
            return Err(StoreError::Misuse("an object whose write failed cannot be kept".into()));
        }
        let digest = Digest::from_bytes(*self.whole.finalize().as_bytes());
        let content = match &self.content {
            Some(content) => Digest::from_bytes(*content.finalize().as_bytes()),
            None => digest,
        };
        self.file.sync_data().map_err(|e| StoreError::file("sync a received object", e))?;
        let target = self.blobs.path_of(&digest);
        let source = self.path.as_ref().ok_or_else(|| StoreError::Misuse("the file was already taken over".into()))?;
        std::fs::rename(source, &target).map_err(|e| StoreError::file("name a received object", e))?;
        self.path = None;
        // A blob's path always has the folder of its first byte as parent.
        sync_directory(target.parent().unwrap_or(&target))?;
        Ok(StoredBlob { digest, content, size: self.size })
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if let Some(path) = self.path.take()
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, "a temporary file could not be removed; the next start reclaims it");
        }
    }
}

/// A blob being read. It hashes as it goes: when the end comes and the bytes were not those stored, reading fails
/// with [`std::io::ErrorKind::InvalidData`].
#[derive(Debug)]
pub struct BlobReader {
    file: tokio::fs::File,
    expected: Digest,
    hasher: blake3::Hasher,
    size: u64,
}

impl BlobReader {
    /// Size of the blob in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl AsyncRead for BlobReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.file).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            self.hasher.update(read);
        } else if 0 < buf.remaining() && self.hasher.finalize().as_bytes() != self.expected.as_bytes() {
            let damaged = StoreError::DamagedBlob { digest: self.expected.short(), what: "its bytes have changed" };
            return Poll::Ready(Err(std::io::Error::new(std::io::ErrorKind::InvalidData, damaged)));
        }
        Poll::Ready(Ok(()))
    }
}

/// Run a blocking act on the pool for such acts.
pub(crate) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(act).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StoreError::ShuttingDown),
    }
}

#[async_trait]
impl BlobStore for LocalBlobs {
    async fn blob_put(&self, bytes: Bytes) -> Result<StoredBlob, StoreError> {
        let blobs = self.clone();
        blocking(move || {
            let mut spool = blobs.spool()?;
            spool.write(&bytes)?;
            spool.finish()
        })
        .await
    }

    async fn blob_get(&self, blob: &Digest) -> Result<Bytes, StoreError> {
        let (blobs, blob) = (self.clone(), *blob);
        blocking(move || {
            let mut bytes = Vec::new();
            let mut file = blobs.open_blob(&blob)?;
            file.read_to_end(&mut bytes).map_err(|e| StoreError::file("read a stored object", e))?;
            if Digest::of(&bytes) != blob {
                return Err(StoreError::DamagedBlob { digest: blob.short(), what: "its bytes have changed" });
            }
            Ok(Bytes::from(bytes))
        })
        .await
    }

    async fn blob_open(&self, blob: &Digest) -> Result<BlobReader, StoreError> {
        let (blobs, blob) = (self.clone(), *blob);
        blocking(move || {
            let file = blobs.open_blob(&blob)?;
            let size = file.metadata().map_err(|e| StoreError::file("read a stored object", e))?.len();
            let file = tokio::fs::File::from_std(file);
            Ok(BlobReader { file, expected: blob, hasher: blake3::Hasher::new(), size })
        })
        .await
    }

    async fn blob_exists(&self, blob: &Digest) -> Result<bool, StoreError> {
        let path = self.path_of(blob);
        blocking(move || path.try_exists().map_err(|e| StoreError::file("look for a stored object", e))).await
    }
}
