use hilum_dicom::{DicomError, ErrorKind, Limits, Scanned, part10_header, read_header, read_header_prefix};
use hilum_store::records::{IntakeOutcome, Origin};
use hilum_store::{Committer, QuarantineKey, SpoolFile, StoreError};
use hilum_types::{AeTitle, Clock, Reason, Uid};
use std::sync::Arc;

/// As much of the beginning of an object is kept in memory while it arrives: enough for the header of most.
const HEAD_BYTES: usize = 64 << 10;

/// The way in: clones share one committer.
#[derive(Clone)]
pub struct Intake {
    committer: Committer,
    limits: Arc<Limits>,
    clock: Arc<dyn Clock>,
}

/// What became of a received object. Its bytes are kept in either case.
#[derive(Debug)]
pub enum Received {
    /// It is an instance of a study.
    Instance {
        /// Its header.
        scanned: Box<Scanned>,
        /// New, duplicate, conflicting or late.
        outcome: IntakeOutcome,
    },
    /// It cannot be taken as an instance; a person sees it in quarantine.
    Quarantined {
        /// Where it is listed.
        key: QuarantineKey,
        /// Why.
        error: DicomError,
    },
}

/// Nothing was kept, and the sender must be told so.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The object is larger than this site takes.
    #[error("the object has more than {0} bytes, the limit of this site; raise [storage] object_mib_max to take it")]
    TooLarge(u64),
    /// Bytes or index could not be made durable.
    #[error("the object could not be stored")]
    Store(#[from] StoreError),
    /// The spooled bytes could not be read back.
    #[error("the received bytes could not be read back")]
    ReadBack(#[source] std::io::Error),
}

impl Intake {
    /// Objects go to `committer`; `limits` bound what is read of them.
    pub fn new(committer: Committer, limits: Limits, clock: Arc<dyn Clock>) -> Intake {
        Intake { committer, limits: Arc::new(limits), clock }
    }

    /// Where received objects go.
    pub fn committer(&self) -> &Committer {
        &self.committer
    }

    /// The bounds in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Begin a file as PS3.10 has it.
    ///
    /// # Errors
    /// [`IntakeError::Store`] when the disk reserve is reached.
    pub fn begin_file(&self, origin: Origin) -> Result<Incoming, IntakeError> {
        let spool = self.committer.blobs().spool()?;
        Ok(Incoming { intake: self.clone(), spool, head: Vec::new(), data_set: DataSetStart::Unknown, origin })
    }

    /// Begin a bare data set, as C-STORE carries it: a Part 10 header is put in front, the data set stays as received.
    ///
    /// # Errors
    /// [`IntakeError::Store`] when the disk reserve is reached.
    pub fn begin_data_set(
        &self,
        sop_class_uid: &Uid,
        sop_instance_uid: &Uid,
        transfer_syntax_uid: &Uid,
        calling_ae: Option<&AeTitle>,
        origin: Origin,
    ) -> Result<Incoming, IntakeError> {
        let mut incoming = self.begin_file(origin)?;
        incoming.write(&part10_header(sop_class_uid, sop_instance_uid, transfer_syntax_uid, calling_ae))?;
        Ok(incoming)
    }
}

/// An object that is being received. Dropped without [`Incoming::finish`], it leaves nothing behind.
pub struct Incoming {
    intake: Intake,
    spool: SpoolFile,
    /// The first bytes, at most [`HEAD_BYTES`].
    head: Vec<u8>,
    data_set: DataSetStart,
    origin: Origin,
}

/// Where the data set begins, so that the same object by C-STORE and by STOW-RS is known as a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataSetStart {
    /// Not enough bytes yet.
    Unknown,
    /// At this offset, which has not been reached yet.
    At(u64),
    /// Passed, or not to be found: the object then counts as a whole.
    Settled,
}

impl Incoming {
    /// The next bytes.
    ///
    /// # Errors
    /// Nothing is kept; drop the object and tell the sender.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        let limit = self.intake.limits.file_bytes_max;
        let before = self.spool.size();
        let after = before + bytes.len() as u64;
        if limit < after {
            return Err(IntakeError::TooLarge(limit));
        }
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.data_set == DataSetStart::Unknown && PART10_FIXED_BYTES <= self.head.len() {
            self.data_set = data_set_start(&self.head).map_or(DataSetStart::Settled, DataSetStart::At);
        }
        match self.data_set {
            DataSetStart::At(offset) if offset < after => {
                // The offset was found before it was reached, so it lies in these bytes.
                let (meta, data_set) = bytes.split_at((offset - before) as usize);
                self.spool.write(meta)?;
                self.spool.begin_data_set();
                self.data_set = DataSetStart::Settled;
                Ok(self.spool.write(data_set)?)
            }
            _ => Ok(self.spool.write(bytes)?),
        }
    }

    /// Bytes so far, the Part 10 header of a data set included.
    pub fn size(&self) -> u64 {
        self.spool.size()
    }

    /// All bytes have come: read the header and commit.
    ///
    /// `expected` is the SOP Instance UID of the request, when there was one: a sender that announces one instance
    /// and sends another must not have the announced one acknowledged.
    ///
    /// # Errors
    /// Nothing was kept.
    pub async fn finish(self, expected: Option<&Uid>) -> Result<Received, IntakeError> {
        let scanned = self.scan().await?.and_then(|scanned| match expected {
            Some(uid) if *uid != scanned.header.sop_instance_uid => Err(DicomError::Unidentifiable {
                attribute: "SOPInstanceUID",
                reason: "differs between the request and the data set",
            }),
            _ => Ok(scanned),
        });
        match scanned {
            Ok(scanned) => {
                let outcome = self.commit(&scanned).await?;
                Ok(Received::Instance { scanned: Box::new(scanned), outcome })
            }
            Err(error) => Ok(Received::Quarantined { key: self.set_aside(&error).await?, error }),
        }
    }

    /// Store it as the instance that [`Incoming::scan`] found.
    ///
    /// # Errors
    /// Nothing was kept.
    pub async fn commit(self, scanned: &Scanned) -> Result<IntakeOutcome, IntakeError> {
        let Incoming { intake, spool, origin, .. } = self;
        let now = intake.clock.now();
        Ok(intake.committer.store(spool, scanned.header.clone(), origin, now).await?)
    }

    /// Put it into quarantine because of `error`.
    ///
    /// # Errors
    /// Nothing was kept.
    pub async fn set_aside(self, error: &DicomError) -> Result<QuarantineKey, IntakeError> {
        let Incoming { intake, spool, origin, .. } = self;
        let now = intake.clock.now();
        let reason = Reason::new(quarantine_code(error), error.to_string());
        Ok(intake.committer.quarantine(spool, &reason, &origin, now).await?)
    }

    /// The header, from the first bytes when they are enough; else from the whole file, on a thread that may block.
    /// For callers that decide on it before anything is kept; all bytes must have come.
    ///
    /// # Errors
    /// [`IntakeError::ReadBack`]; the inner error says why the object is no instance.
    pub async fn scan(&self) -> Result<Result<Scanned, DicomError>, IntakeError> {
        match read_header_prefix(&self.head, self.spool.size(), None, &self.intake.limits) {
            Err(error) if error.kind() == ErrorKind::MoreBytesNeeded => {}
            settled => return Ok(settled),
        }
        let file = self.spool.open_for_reading()?;
        let limits = self.intake.limits.clone();
        let read = tokio::task::spawn_blocking(move || {
            // SAFETY: the spool file is ours alone, and nothing writes to it or cuts it after the last byte came.
            #[expect(unsafe_code, reason = "a map keeps objects of any size out of memory; see the safety note")]
            let bytes = unsafe { memmap2::Mmap::map(&file) }?;
            Ok(read_header(&bytes, None, &limits))
        });
        match read.await {
            Ok(read) => read.map_err(IntakeError::ReadBack),
            // A parser that panics must cost one object, not the process; its bytes go to quarantine.
            Err(_panicked) => Ok(Err(DicomError::NotDicom)),
        }
    }
}

/// Preamble, prefix and the group length element: what stands at a fixed place in a Part 10 file.
const PART10_FIXED_BYTES: usize = 144;

/// Offset of the data set by File Meta Information Group Length (0002,0000), when the file has one.
fn data_set_start(head: &[u8]) -> Option<u64> {
    let fixed = head.get(128..PART10_FIXED_BYTES)?;
    let length = fixed.strip_prefix(b"DICM\x02\0\0\0UL\x04\0")?;
    Some(PART10_FIXED_BYTES as u64 + u64::from(u32::from_le_bytes(length.try_into().ok()?)))
}

/// Stable code of `docs/reference/reasons.md`.
fn quarantine_code(error: &DicomError) -> &'static str {
    match error.kind() {
        ErrorKind::Limit => "quarantine.limit",
        ErrorKind::Unidentifiable => "quarantine.unidentifiable",
        _ => "quarantine.malformed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_set_starts_where_the_group_length_says() {
        let uid: Uid = "1.2.3".parse().unwrap();
        let header = part10_header(&uid, &uid, &uid, None);
        assert_eq!(data_set_start(&header), Some(header.len() as u64));
        assert_eq!(data_set_start(&[0; 144]), None);
        assert_eq!(data_set_start(&header[..100]), None);
    }
}
