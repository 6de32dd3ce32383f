//! How many objects a second go through spool, sync, index and audit, without any network:
//! `ingest FOLDER CATALOG_URL SENDERS OBJECTS BYTES`, for example `ingest /var/tmp/x sqlite:/var/tmp/x/c.db 4 2000 524288`.

use hilum_store::records::{Origin, Source};
use hilum_store::{BlobOptions, CatalogOptions, Committer, CommitterOptions, LocalBlobs, open};
use hilum_types::{InstanceHeader, Phi, Timestamp, attribute};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, url, n_senders, n_objects, n_bytes] = arguments.as_slice() else {
        return Err("ingest FOLDER CATALOG_URL SENDERS OBJECTS BYTES".into());
    };
    let (n_senders, n_objects, n_bytes): (u32, u32, usize) = (n_senders.parse()?, n_objects.parse()?, n_bytes.parse()?);
    std::fs::create_dir_all(folder)?;
    let blobs = LocalBlobs::open(Path::new(folder), &BlobOptions::default())?;
    let catalog = open(url, &CatalogOptions::default()).await?;
    let committer = Committer::start(blobs, catalog, &CommitterOptions::default());
    let run = u64::from(std::process::id()) << 32;
    let (began, cpu_began) = (Instant::now(), cpu_seconds()?);
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..n_senders {
        let committer = committer.clone();
        senders.spawn(async move {
            let mut bytes = vec![7u8; n_bytes];
            for number in 0..n_objects / n_senders {
                let id = run + u64::from(sender * 10_000_000 + number);
                bytes[..8].copy_from_slice(&id.to_le_bytes());
                let mut spool = committer.blobs().spool().map_err(|e| e.to_string())?;
                for part in bytes.chunks(128 << 10) {
                    spool.write(part).map_err(|e| e.to_string())?;
                }
                let origin = Origin { peer: "BENCH".into(), source: Source::Dimse };
                let header = header(run + u64::from(sender), id).map_err(|e| e.to_string())?;
                let now = Timestamp::from_micros(1_795_435_200_000_000);
                committer.store(spool, header, origin, now).await.map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender??;
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds()? - cpu_began);
    let n = f64::from(n_objects / n_senders * n_senders);
    println!("{n_senders} senders: {:.0} objects/s, {:.2} ms CPU per object", n / seconds, cpu * 1e3 / n);
    Ok(())
}

fn header(study: u64, number: u64) -> Result<InstanceHeader, hilum_types::InvalidUid> {
    Ok(InstanceHeader {
        sop_instance_uid: format!("1.2.3.{number}").parse()?,
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.2".parse()?,
        transfer_syntax_uid: "1.2.840.10008.1.2.1".parse()?,
        study_instance_uid: format!("1.2.{study}").parse()?,
        series_instance_uid: format!("1.2.{study}.1").parse()?,
        attributes: attribute::ALL
            .iter()
            .map(|(keyword, ..)| ((*keyword).to_owned(), Phi::new(vec!["A VALUE OF USUAL LENGTH".to_owned()])))
            .collect(),
    })
}

/// User and system time of this process: fields 14 and 15 of `/proc/self/stat`, in clock ticks of 10 ms.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}
