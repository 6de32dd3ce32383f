use hilum_store::records::{IntakeOutcome, Origin, Source};
use hilum_store::{
    BlobOptions, BlobStore, Catalog, CatalogOptions, Committer, CommitterOptions, ErrorKind, LocalBlobs, SpoolFile,
    StorageReport, SweepReport, open, sweep, verify_storage,
};
use hilum_types::{Digest, InstanceHeader, Phi, Reason, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_795_435_200_000_000).plus_seconds(seconds)
}

fn header(study: u32, number: u32) -> InstanceHeader {
    let uid = |text: String| text.parse().unwrap();
    InstanceHeader {
        sop_instance_uid: uid(format!("1.2.{study}.1.{number}")),
        sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.2".into()),
        transfer_syntax_uid: uid("1.2.840.10008.1.2.1".into()),
        study_instance_uid: uid(format!("1.2.{study}")),
        series_instance_uid: uid(format!("1.2.{study}.1")),
        attributes: [("PatientID".to_owned(), Phi::new(vec!["CANARY".to_owned()]))].into(),
    }
}

fn origin() -> Origin {
    Origin { peer: "SCANNER".into(), source: Source::Dimse }
}

struct Store {
    blobs: LocalBlobs,
    catalog: Arc<dyn Catalog>,
    committer: Committer,
}

async fn store(folder: &Path) -> Store {
    let blobs = LocalBlobs::open(folder, &BlobOptions { reserve_bytes: 0 }).unwrap();
    let url = format!("sqlite:{}", folder.join("catalog.db").display());
    let catalog = open(&url, &CatalogOptions::default()).await.unwrap();
    let committer = Committer::start(blobs.clone(), catalog.clone(), &CommitterOptions::default());
    Store { blobs, catalog, committer }
}

fn spool(blobs: &LocalBlobs, meta: &str, data_set: &str) -> SpoolFile {
    let mut spool = blobs.spool().unwrap();
    spool.write(meta.as_bytes()).unwrap();
    spool.begin_data_set();
    for part in data_set.as_bytes().chunks(3) {
        spool.write(part).unwrap();
    }
    spool
}

fn n_files(folder: &Path) -> usize {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { n_files(&path) } else { 1 })
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_senders_get_what_they_were_promised() {
    let folder = tempfile::tempdir().unwrap();
    let Store { blobs, catalog, committer } = store(folder.path()).await;
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..8 {
        let (blobs, committer) = (blobs.clone(), committer.clone());
        senders.spawn(async move {
            for number in 0..40 {
                let spool = spool(&blobs, "meta", &format!("bytes {sender} {number}"));
                let outcome = committer.store(spool, header(sender, number), origin(), at(0)).await.unwrap();
                assert!(matches!(outcome, IntakeOutcome::Stored { .. }));
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.unwrap();
    }
    let report = verify_storage(&blobs, &*catalog).await.unwrap();
    assert_eq!(report, StorageReport { n_blobs: 320, ..StorageReport::default() });
    for number in [0, 39] {
        let held = catalog.instance_versions(&header(7, number).sop_instance_uid).await.unwrap();
        assert_eq!(blobs.blob_get(&held[0].blob).await.unwrap(), format!("metabytes 7 {number}"));
    }
    assert_eq!(n_files(&folder.path().join("incoming")), 0);
    assert_eq!(catalog.audit_verify(&[]).await.unwrap().unwrap().count, 320);
}

/// The same object by C-STORE and by STOW-RS differs in its file meta information only.
#[tokio::test]
async fn file_meta_information_does_not_make_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let Store { blobs, committer, .. } = store(folder.path()).await;
    let mut outcomes = vec![];
    for (meta, data_set) in [("meta A", "same"), ("meta B", "same"), ("meta A", "other")] {
        outcomes.push(committer.store(spool(&blobs, meta, data_set), header(1, 1), origin(), at(0)).await.unwrap());
    }
    use IntakeOutcome::{Conflict, Duplicate, Stored};
    assert!(
        matches!(outcomes.as_slice(), [Stored { .. }, Duplicate { .. }, Conflict { version: 2, .. }]),
        "{outcomes:?}"
    );
}

/// A program that another test starts holds everything that is open here until it runs, the lock of a folder too.
async fn swept_when_alone(blobs: &LocalBlobs, catalog: &dyn Catalog) -> SweepReport {
    let begun = Instant::now();
    loop {
        let report = sweep(blobs, catalog).await.unwrap();
        if report.ran || PATIENCE < begun.elapsed() {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Promise R3: whatever an interrupted run left is reclaimed at the next start, and nothing else.
#[tokio::test]
async fn the_sweep_reclaims_what_was_left_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let first = store(folder.path()).await;
    first.committer.store(spool(&first.blobs, "", "kept"), header(1, 1), origin(), at(0)).await.unwrap();
    let aside = spool(&first.blobs, "", "no DICOM");
    first.committer.quarantine(aside, &Reason::new("intake.unreadable", "no DICOM"), &origin(), at(0)).await.unwrap();
    // Killed while receiving, and between rename and commit.
    std::fs::write(folder.path().join("incoming/1-0-left"), "half").unwrap();
    let orphan = first.committer.keep(spool(&first.blobs, "", "orphan")).await.unwrap();
    std::fs::write(folder.path().join("blobs/00/README"), "not ours").unwrap();
    let second = LocalBlobs::open(folder.path(), &BlobOptions { reserve_bytes: 0 }).unwrap();
    let report = sweep(&second, &*first.catalog).await.unwrap();
    assert!(!report.ran, "another process uses the folder: {report:?}");
    let catalog = first.catalog.clone();
    drop((first.blobs, first.committer));
    let swept = swept_when_alone(&second, &*catalog).await;
    assert_eq!(swept, SweepReport { ran: true, n_temporaries: 1, n_orphans: 1 });
    let report = verify_storage(&second, &*catalog).await.unwrap();
    assert_eq!(report, StorageReport { n_blobs: 2, ..StorageReport::default() });
    assert!(!second.blob_exists(&orphan.digest).await.unwrap());
    assert_eq!(n_files(&folder.path().join("incoming")), 0);
    assert!(folder.path().join("blobs/00/README").exists());

    std::fs::remove_file(second.path_of(&Digest::of(b"kept"))).unwrap();
    let report = verify_storage(&second, &*catalog).await.unwrap();
    assert_eq!(report.missing, [Digest::of(b"kept")]);
}

/// Promise R5: the reserve is reached before anything is written, and a dropped file leaves nothing.
#[tokio::test]
async fn a_full_disk_is_refused_without_leftovers() {
    let folder = tempfile::tempdir().unwrap();
    let full = LocalBlobs::open(folder.path(), &BlobOptions { reserve_bytes: u64::MAX }).unwrap();
    assert_eq!(full.bytes_free().unwrap(), 0);
    assert_eq!(full.spool().unwrap_err().kind(), ErrorKind::OutOfResources);
    let blobs = LocalBlobs::open(folder.path(), &BlobOptions { reserve_bytes: 0 }).unwrap();
    drop(spool(&blobs, "meta", "an association was aborted"));
    assert_eq!(n_files(&folder.path().join("incoming")), 0);
}

/// Promise R15: a changed byte is an error, never wrong bytes.
#[tokio::test]
async fn a_changed_blob_is_never_read_as_good() {
    let folder = tempfile::tempdir().unwrap();
    let Store { blobs, committer, .. } = store(folder.path()).await;
    let kept = committer.keep(spool(&blobs, "", "the bytes as received")).await.unwrap();
    let path = blobs.path_of(&kept.digest);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(blobs.blob_get(&kept.digest).await.unwrap_err().kind(), ErrorKind::Corrupt);
    let mut reader = blobs.blob_open(&kept.digest).await.unwrap();
    let error = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}
