//! C-ECHO latency of a running SCP while idle associations stand open and others store.
//!
//! `echo_latency HOST:PORT CALLED_AE IDLE ACTIVE SECONDS`; every active association stores 512 KB data sets of noise,
//! one more sends a C-ECHO every 5 ms. Prints one JSON line.

use hilum_dimse::uids::EXPLICIT_VR_LITTLE_ENDIAN;
use hilum_dimse::{Association, AssociationOptions, DataSet, ProposedContext, StoreRequest};
use hilum_types::AeTitle;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [addr, called, idle, active, seconds] = arguments.as_slice() else {
        return Err("usage: echo_latency HOST:PORT CALLED_AE IDLE ACTIVE SECONDS".into());
    };
    let (idle, active): (usize, usize) = (idle.parse()?, active.parse()?);
    let until = Duration::from_secs(seconds.parse()?);
    let contexts = vec![ProposedContext::verification(), ProposedContext::new(CT, EXPLICIT_VR_LITTLE_ENDIAN)];
    let options = AssociationOptions::new("BENCH".parse::<AeTitle>()?, called.parse()?, contexts);

    let mut standing = Vec::new();
    for _ in 0..idle {
        standing.push(Association::connect(addr.as_str(), &options).await?);
    }
    let stored = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut senders = Vec::new();
    for n in 0..active {
        let (addr, options, stored) = (addr.clone(), options.clone(), stored.clone());
        senders.push(tokio::spawn(async move { send(&addr, &options, n, until, &stored).await }));
    }
    let mut echo = Association::connect(addr.as_str(), &options).await?;
    let mut latencies = Vec::new();
    while started.elapsed() < until {
        let sent = Instant::now();
        echo.echo().await?;
        latencies.push(sent.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for sender in senders {
        sender.await??;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let standing_echoed = echo_each(&mut standing).await?;
    latencies.sort();
    let at = |quantile: f64| {
        let n = ((latencies.len() as f64 * quantile) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(n).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    println!(
        "{{\"idle\":{idle},\"idle_still_open\":{standing_echoed},\"active\":{active},\"stored_per_s\":{:.0},\"echoes\":{},\"p50_ms\":{:.2},\"p99_ms\":{:.2},\"max_ms\":{:.2}}}",
        stored.load(Ordering::Relaxed) as f64 / elapsed,
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
    Ok(())
}

async fn send(
    addr: &str,
    options: &AssociationOptions,
    n: usize,
    until: Duration,
    stored: &AtomicU64,
) -> Result<(), Failure> {
    let data: Vec<u8> = (0..512u32 << 10).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut association = Association::connect(addr, options).await?;
    let started = Instant::now();
    let mut count = 0u64;
    while started.elapsed() < until {
        let uid = format!("2.25.{n}.{count}");
        let request = StoreRequest {
            sop_class_uid: CT,
            sop_instance_uid: &uid,
            transfer_syntax: EXPLICIT_VR_LITTLE_ENDIAN,
            data: DataSet::Bytes(&data),
        };
        association.store(request).await?;
        stored.fetch_add(1, Ordering::Relaxed);
        count += 1;
    }
    association.release().await?;
    Ok(())
}

/// Each standing association answers one more C-ECHO.
async fn echo_each(standing: &mut [Association]) -> Result<usize, Failure> {
    let mut n_alive = 0;
    for association in standing {
        association.echo().await?;
        n_alive += 1;
    }
    Ok(n_alive)
}
