//! What start-up does about an interrupted run, and the check that nothing is lost or left over (promise R3).

use crate::blobs::{LocalBlobs, blocking};
use crate::records::BlobRow;
use crate::{Catalog, StoreError};
use hilum_types::Digest;
use std::collections::VecDeque;

/// What the start-up sweep reclaimed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Whether it ran: it does not while another process uses the folder.
    pub ran: bool,
    /// Temporary files removed.
    pub n_temporaries: u64,
    /// Blobs without a row removed.
    pub n_orphans: u64,
}

/// How blobs and rows agree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageReport {
    /// Blobs in the folder.
    pub n_blobs: u64,
    /// Blobs without a row.
    pub orphans: Vec<Digest>,
    /// Rows whose blob is gone or has another size.
    pub missing: Vec<Digest>,
}

/// Remove what an interrupted run left behind: temporary files, and blobs that no row names. Call it at start-up,
/// before anything is received; it does nothing while another process uses the folder.
///
/// # Errors
/// The catalog or the folder does not answer. Whatever was removed up to then was an orphan.
pub async fn sweep(blobs: &LocalBlobs, catalog: &dyn Catalog) -> Result<SweepReport, StoreError> {
    let act = async {
        let folder = blobs.clone();
        let n_temporaries = blocking(move || folder.remove_temporaries()).await?;
        let StorageReport { orphans, .. } = verify_storage(blobs, catalog).await?;
        let n_orphans = orphans.len() as u64;
        let folder = blobs.clone();
        blocking(move || orphans.iter().try_for_each(|blob| folder.remove(blob))).await?;
        Ok(SweepReport { ran: true, n_temporaries, n_orphans })
    };
    blobs.alone(act).await?.unwrap_or(Ok(SweepReport::default()))
}

/// Compare the blob folder with the rows that name blobs, by name and size. Bytes are not read.
///
/// # Errors
/// The catalog or the folder does not answer.
pub async fn verify_storage(blobs: &LocalBlobs, catalog: &dyn Catalog) -> Result<StorageReport, StoreError> {
    let mut report = StorageReport::default();
    let mut rows = Rows { catalog, page: VecDeque::new(), last: None, at_end: false };
    for first_byte in 0..=255u8 {
        let folder = blobs.clone();
        let listed = blocking(move || folder.list(first_byte)).await?;
        report.n_blobs += listed.len() as u64;
        for (blob, size) in listed {
            while let Some(row) = rows.next_if(|row| row.blob < blob).await? {
                report.missing.push(row.blob);
            }
            match rows.next_if(|row| row.blob == blob).await? {
                None => report.orphans.push(blob),
                Some(row) if row.size != size => report.missing.push(blob),
                Some(_) => {}
            }
        }
    }
    while let Some(row) = rows.next_if(|_| true).await? {
        report.missing.push(row.blob);
    }
    Ok(report)
}

/// The rows that name blobs, in order of digest, read page by page.
struct Rows<'a> {
    catalog: &'a dyn Catalog,
    page: VecDeque<BlobRow>,
    last: Option<Digest>,
    at_end: bool,
}

impl Rows<'_> {
    async fn next_if(&mut self, wanted: impl Fn(&BlobRow) -> bool) -> Result<Option<BlobRow>, StoreError> {
        const PAGE: u32 = 4096;
        if self.page.is_empty() && !self.at_end {
            self.page = self.catalog.blob_rows(self.last, PAGE).await?.into();
            self.at_end = self.page.is_empty();
            self.last = self.page.back().map(|row| row.blob).or(self.last);
        }
        if !self.page.front().is_some_and(wanted) {
            return Ok(None);
        }
        Ok(self.page.pop_front())
    }
}
