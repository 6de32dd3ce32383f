use crate::config::Config;
use crate::system::open_catalog;
use anyhow::{Context, Result};
use hilum_audit::Checkpoint;
use std::path::Path;
use std::process::ExitCode;

/// `hilum audit verify`: exit status 0 when the chain is whole, 1 when it is not.
pub(crate) async fn verify(config: &Path, checkpoints: &[String]) -> Result<ExitCode> {
    let known: Vec<Checkpoint> = checkpoints
        .iter()
        .map(|text| parse_checkpoint(text).with_context(|| format!("{text:?} is not a checkpoint SEQ:HASH")))
        .collect::<Result<_>>()?;
    let catalog = open_catalog(&Config::read(config)?).await?;
    match catalog.audit_verify(&known).await? {
        Ok(verified) => {
            let head = verified.head;
            println!("The audit chain is whole: {} entries, checkpoint {}:{}", verified.count, head.seq, head.hash);
            println!("Keep the checkpoint elsewhere; with --checkpoint it proves that nothing was cut off later.");
            Ok(ExitCode::SUCCESS)
        }
        Err(tampering) => {
            println!("THE AUDIT CHAIN IS BROKEN: {tampering}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn parse_checkpoint(text: &str) -> Option<Checkpoint> {
    let (seq, hash) = text.split_once(':')?;
    Some(Checkpoint { seq: seq.parse().ok()?, hash: hash.parse().ok()? })
}
