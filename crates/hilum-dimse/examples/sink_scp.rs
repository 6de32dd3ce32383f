//! Storage SCP that throws data sets away or writes them to a folder, unsynced: what the protocol alone costs.
//!
//! `sink_scp PORT [FOLDER]`; the called AE title is HILUM. Prints the counts whenever no association is open any more.

use bytes::Bytes;
use hilum_dimse::{InstanceSink, Outcome, Server, ServerConfig, Status, StoreContext, StoreHandler};
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

struct Sinks {
    folder: Option<PathBuf>,
    next: Arc<AtomicU64>,
}

struct Sink(Option<File>);

impl StoreHandler for Sinks {
    type Sink = Sink;

    async fn begin(&self, _context: &StoreContext) -> Result<Sink, Outcome> {
        let Some(folder) = &self.folder else { return Ok(Sink(None)) };
        let name = format!("{:08}.part", self.next.fetch_add(1, Ordering::Relaxed));
        match File::create(folder.join(name)) {
            Ok(file) => Ok(Sink(Some(file))),
            Err(_) => Err(Status::OUT_OF_RESOURCES.into()),
        }
    }
}

impl InstanceSink for Sink {
    async fn write(&mut self, chunk: Bytes) -> Result<(), Outcome> {
        match &mut self.0 {
            Some(file) => file.write_all(&chunk).map_err(|_| Status::OUT_OF_RESOURCES.into()),
            None => Ok(()),
        }
    }

    async fn finish(self) -> Outcome {
        Status::SUCCESS.into()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("usage: sink_scp PORT [FOLDER]")?.parse()?;
    let folder = arguments.next().map(PathBuf::from);
    let mut config = ServerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), "HILUM".parse()?);
    config.accept_any_peer = true;
    let server = Server::bind(config, Sinks { folder, next: Arc::default() }).await?;
    println!("listening on {}", server.local_addr());
    let stats = server.stats();
    let mut reported = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if stats.associations_accepted.get() != reported && stats.associations_open.get() == 0 {
            reported = stats.associations_accepted.get();
            println!("{:?}", stats.snapshot());
        }
    }
}
