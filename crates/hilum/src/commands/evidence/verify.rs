//! `hilum evidence verify`: a pack by itself, without configuration and network.

use super::export::signature_path;
use super::tree;
use crate::commands::audit::parse_checkpoint;
use crate::config::count;
use anyhow::{Context, Result, bail};
use hilum_audit::{AuditEntry, Checkpoint};
use hilum_evidence::PersonFacts;
use hilum_evidence::pack::{
    CHAIN_PATH, ChainCheck, MANIFEST_PATH, PEOPLE_PATH, PackManifest, SEGMENT_PATH, Segment, check_records,
};
use hilum_sign::{FileDigest, MakerPublicKey, Record, SIGNATURE_BYTES_MAX, read_tree_signature};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

/// Largest JSON file of a pack that is read whole: 256 MiB.
const JSON_BYTES_MAX: u64 = 256 << 20;

/// `hilum evidence verify DIR`: exit status 0 when everything holds, 1 when something does not.
pub(super) fn verify(
    folder: &Path,
    key: Option<&Path>,
    signature: Option<&Path>,
    known: &[String],
) -> Result<ExitCode> {
    let known: Vec<Checkpoint> = known
        .iter()
        .map(|text| parse_checkpoint(text).with_context(|| format!("{text:?} is not a checkpoint SEQ:HASH")))
        .collect::<Result<_>>()?;
    let text = read_text(folder, MANIFEST_PATH)
        .with_context(|| format!("{} is no evidence pack: it has no {MANIFEST_PATH}", folder.display()))?;
    let found = tree::digests(folder)?;
    let mut report = Report::default();
    files(&text, &found, &mut report);
    signed(folder, &found, key, signature, &mut report)?;
    match chain_and_records(folder, &found, &known, &mut report) {
        Ok(()) => {}
        Err(error) => report.bad(format!("{error:#}")),
    }
    Ok(report.end())
}

#[derive(Default)]
struct Report {
    n_problems: usize,
}

impl Report {
    fn good(&self, text: &str) {
        println!("ok       {text}");
    }

    fn note(&self, text: &str) {
        println!("note     {text}");
    }

    fn bad(&mut self, text: String) {
        self.n_problems += 1;
        println!("BROKEN   {text}");
    }

    fn end(self) -> ExitCode {
        if self.n_problems == 0 {
            println!("The pack is whole.");
            return ExitCode::SUCCESS;
        }
        println!("THE PACK IS BROKEN: {}.", count(self.n_problems, "problem"));
        ExitCode::FAILURE
    }
}

fn files(text: &str, found: &[FileDigest], report: &mut Report) {
    let manifest = match PackManifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => return report.bad(error.to_string()),
    };
    let differences = manifest.compare(found);
    if differences.is_empty() {
        report.good(&format!("{} as the manifest lists them, pack {}", count(found.len(), "file"), manifest.name()));
    }
    for difference in differences {
        use hilum_sign::Difference::{Changed, Extra, Missing};
        report.bad(match difference {
            Changed(path) => format!("{path} was changed: its digest is not the one in {MANIFEST_PATH}"),
            Extra(path) => format!("{path} is not listed in {MANIFEST_PATH}"),
            Missing(path) => format!("{path} is listed in {MANIFEST_PATH} and not there"),
        });
    }
}

fn signed(
    folder: &Path,
    found: &[FileDigest],
    key: Option<&Path>,
    signature: Option<&Path>,
    report: &mut Report,
) -> Result<()> {
    let beside = signature_path(folder);
    let path = signature.unwrap_or(&beside);
    let Some(key) = key else {
        if signature.is_some() {
            bail!("a signature is checked with the public key of the signer; give it with --key FILE");
        }
        report.note(if path.exists() {
            "there is a signature beside the pack; --key FILE checks it with the signer's public key"
        } else {
            "no signature: whoever changed the pack could have written a new manifest; records and chain are checked"
        });
        return Ok(());
    };
    let pem = std::fs::read_to_string(key).with_context(|| format!("cannot read the key {}", key.display()))?;
    let key = MakerPublicKey::from_pem(&pem).with_context(|| format!("{} is no public key", key.display()))?;
    let size = std::fs::metadata(path).with_context(|| format!("cannot read the signature {}", path.display()))?.len();
    if SIGNATURE_BYTES_MAX < size {
        bail!("{} is larger than a signature can be", path.display());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    match read_tree_signature(&text, &key) {
        Err(error) => report.bad(format!("{}: {error}", path.display())),
        Ok(tree) => {
            let differences = tree.compare(found);
            if differences.is_empty() {
                report.good(&format!("signed as a whole by key {}", key.fingerprint()?));
            }
            for difference in differences {
                report.bad(format!("{difference}"));
            }
        }
    }
    Ok(())
}

fn chain_and_records(folder: &Path, found: &[FileDigest], known: &[Checkpoint], report: &mut Report) -> Result<()> {
    let segment: SegmentFile = read_json(folder, SEGMENT_PATH)?;
    let segment = segment.segment;
    let mut chain = ChainCheck::new(&segment, known);
    let path = folder.join(CHAIN_PATH);
    let file = std::fs::File::open(&path).with_context(|| format!("cannot read {CHAIN_PATH}"))?;
    for (n, line) in BufReader::new(file).lines().enumerate() {
        let line = line.with_context(|| format!("{CHAIN_PATH} line {} cannot be read", n + 1))?;
        let entry: AuditEntry =
            serde_json::from_str(&line).with_context(|| format!("{CHAIN_PATH} line {} is no audit entry", n + 1))?;
        chain.take(&entry).with_context(|| CHAIN_PATH.to_owned())?;
    }
    let proof = chain.finish().with_context(|| CHAIN_PATH.to_owned())?;
    let (after, to) = (segment.after, segment.to);
    report.good(&format!("audit chain up to its checkpoint {}:{}, entry by entry", to.seq, to.hash));
    if 0 < after.seq {
        report.note(&format!(
            "the chain begins after entry {}; what was before is taken on trust: {}:{}",
            after.seq, after.seq, after.hash
        ));
    }
    for known in known.iter().filter(|known| known.seq <= after.seq) {
        if known.seq == after.seq && known.hash != after.hash {
            report.bad(format!("the chain does not pass through the checkpoint {}:{}", known.seq, known.hash));
        } else if known.seq < after.seq {
            report.note(&format!("checkpoint {} lies before this segment and cannot be checked here", known.seq));
        }
    }
    let people: People = read_json(folder, PEOPLE_PATH)?;
    let mut records: Vec<(String, Record)> = Vec::new();
    for file in found.iter().filter(|file| file.path.starts_with("records/")) {
        records.push((file.path.clone(), read_json(folder, &file.path)?));
    }
    let check = check_records(&records, &people.people, &proof);
    if check.problems.is_empty() {
        report.good(&format!(
            "{} and {}, each held against the chain",
            count(check.n_records as usize, "record"),
            count(check.n_signatures as usize, "signature")
        ));
    }
    if 0 < check.n_before_segment {
        let n = check.n_before_segment;
        report.note(&format!("{n} of them were entered before the chain of this pack begins: they hold in themselves"));
    }
    check.problems.into_iter().for_each(|problem| report.bad(problem));
    Ok(())
}

#[derive(serde::Deserialize)]
struct SegmentFile {
    segment: Segment,
}

#[derive(serde::Deserialize)]
struct People {
    people: Vec<PersonFacts>,
}

fn read_text(folder: &Path, relative: &str) -> Result<String> {
    let path = folder.join(relative);
    let size = std::fs::metadata(&path).with_context(|| format!("cannot read {relative}"))?.len();
    if JSON_BYTES_MAX < size {
        bail!("{relative} is larger than {} MiB", JSON_BYTES_MAX >> 20);
    }
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {relative}"))?;
    // A flipped bit may leave text that is none; the digest of the file says where.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_json<T: DeserializeOwned>(folder: &Path, relative: &str) -> Result<T> {
    serde_json::from_str(&read_text(folder, relative)?).with_context(|| format!("{relative} is not as Hilum writes it"))
}
