use crate::ConfigFile;
use crate::commands::package::find;
use crate::commands::password::signed_in;
use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Result, bail};
use clap::Subcommand;
use hilum_sign::{NewRecord, Record, RecordKind, Signature, SignatureMeaning, approvals, signed_by_others};
use hilum_store::Catalog;
use hilum_store::governance::RecordFilter;
use hilum_types::{Clock, Timestamp};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// `hilum record ...`.
#[derive(Subcommand)]
pub(crate) enum RecordCommand {
    /// List records, newest first.
    List {
        /// Of this kind, such as `validation`.
        #[arg(long, value_name = "KIND", value_parser = kind)]
        kind: Option<RecordKind>,
        /// About this subject: a deployment, a user, a package digest, or NAME@VERSION.
        #[arg(long, value_name = "SUBJECT")]
        subject: Option<String>,
        /// What was known at this time, such as 2026-05-03T14:00:00Z.
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// One JSON array instead of text.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Show a record, whether its signatures hold, and what is missing before it may take effect.
    Show {
        /// Digest, or its first 12 digits or more.
        digest: String,
        /// The record as JSON instead of text.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Sign a record with one's own key, which the password opens.
    Sign {
        /// Digest, or its first 12 digits or more.
        digest: String,
        #[command(flatten)]
        signer: Signer,
        /// What the signature means: approved_clinical, approved_technical, reviewed, rejected, waived, acknowledged.
        #[arg(long, value_name = "MEANING", value_parser = meaning)]
        meaning: SignatureMeaning,
        /// Role to sign in; the one that the meaning needs, or else the first, when left out.
        #[arg(long, value_name = "ROLE")]
        role: Option<String>,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Enter a waiver: a gap of a record that somebody answers for until a date. Another person signs it as `waived`.
    Waive {
        /// The record that has the gap: digest, or its first 12 digits or more.
        digest: String,
        /// Subgroup or criterion it is about, as the report names it; the whole record when left out.
        #[arg(long, value_name = "GROUP")]
        group: Option<String>,
        /// Why the gap is acceptable.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// When it ends, such as 2026-12-31T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        expires: Timestamp,
        #[command(flatten)]
        author: Signer,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// Who signs or writes.
#[derive(clap::Args)]
pub(crate) struct Signer {
    /// Login name.
    #[arg(long = "as", value_name = "USER", env = "HILUM_USER")]
    user: String,
    /// File that holds the password; asked for at the terminal when left out.
    #[arg(long, value_name = "FILE", env = "HILUM_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
}

fn kind(text: &str) -> Result<RecordKind, String> {
    let names = || RecordKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    RecordKind::from_name(text).ok_or_else(|| format!("there are {}", names()))
}

fn meaning(text: &str) -> Result<SignatureMeaning, String> {
    let names = || SignatureMeaning::ALL.iter().map(|meaning| meaning.name()).collect::<Vec<_>>().join(", ");
    SignatureMeaning::from_name(text).ok_or_else(|| format!("there are {}", names()))
}

/// Carry out `hilum record ...`.
pub(crate) async fn run(command: RecordCommand) -> Result<ExitCode> {
    match command {
        RecordCommand::List { kind, subject, at, limit, json, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            let subject = match subject {
                Some(name) if name.contains('@') => Some(find(&*catalog, &name).await?.digest.to_string()),
                other => other,
            };
            let records = catalog.record_list(&RecordFilter { kind, subject, until: at }, limit).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&records)?);
            } else {
                list(&records);
            }
        }
        RecordCommand::Show { digest, json, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            let record = catalog.record_get(&digest).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&record)?);
            } else {
                show(&record);
            }
            // A script must notice a changed record.
            return Ok(if is_whole(&record) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        RecordCommand::Sign { digest, signer, meaning, role, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            sign(&*catalog, &digest, &signer, meaning, role.as_deref()).await?;
        }
        RecordCommand::Waive { digest, group, reason, expires, author, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            waive(&*catalog, &digest, Gap { group, reason, expires }, &author).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_whole(record: &Record) -> bool {
    record.is_intact() && record.valid_signatures().len() == record.signatures.len()
}

/// Where a record stands, in a word or two.
fn standing(record: &Record) -> String {
    let approved = approvals(record);
    if !is_whole(record) {
        "CHANGED".to_owned()
    } else if !approved.rejected.is_empty() {
        "rejected".to_owned()
    } else if approved.complete() {
        "approved".to_owned()
    } else {
        match record.signatures.len() {
            0 => "not signed".to_owned(),
            1 => "1 signature".to_owned(),
            n => format!("{n} signatures"),
        }
    }
}

fn list(records: &[Record]) {
    if records.is_empty() {
        println!("There is no such record.");
    }
    for record in records {
        let subject = if record.subject.len() == 64 { &record.subject[..12] } else { &record.subject };
        println!(
            "{}  {:<15} {:<24} {}  {:<14} {}",
            record.digest.short(),
            record.kind.name(),
            subject,
            record.created_at,
            standing(record),
            record.author
        );
    }
}

fn show(record: &Record) {
    println!("record   {}", record.digest);
    println!("kind     {}", record.kind.name());
    println!("subject  {}", record.subject);
    println!("entered  {} by {}", record.created_at, record.author);
    println!("{}", serde_json::to_string_pretty(&record.body).unwrap_or_default());
    if !record.is_intact() {
        println!("THE RECORD WAS CHANGED AFTER IT WAS ENTERED; every signature over it is void.");
    }
    for signature in &record.signatures {
        println!("signed   {}", signed(record, signature));
    }
    let approved = approvals(record);
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "nobody".to_owned());
    println!("approved clinically by {}, technically by {}", name(&approved.clinical), name(&approved.technical));
    for missing in &approved.missing {
        println!("missing  {missing}");
    }
    if record.kind == RecordKind::Waiver {
        let waived = signed_by_others(record, SignatureMeaning::Waived);
        println!(
            "waived   by {}",
            if waived.is_empty() { "nobody but the author".to_owned() } else { waived.join(", ") }
        );
    }
}

fn signed(record: &Record, signature: &Signature) -> String {
    let Signature { meaning, signer, role, signed_at, .. } = signature;
    let holds = match signature.verify() {
        _ if !record.is_intact() => "BROKEN: the record was changed".to_owned(),
        _ if signature.record != record.digest => "BROKEN: it is over another record".to_owned(),
        Ok(()) => "valid".to_owned(),
        Err(error) => format!("BROKEN: {error}"),
    };
    format!("{} by {signer} as {role} at {signed_at}: {holds}", meaning.name())
}

async fn sign(
    catalog: &dyn Catalog,
    digest: &str,
    signer: &Signer,
    meaning: SignatureMeaning,
    role: Option<&str>,
) -> Result<()> {
    let record = catalog.record_get(digest).await?;
    println!("{} of {}, record {}", record.kind.name(), record.subject, record.digest);
    let person = signed_in(catalog, &signer.user, signer.password_file.as_deref(), SystemClock.now()).await?;
    let signature = person.sign(catalog, record.digest, meaning, role, SystemClock.now()).await?;
    let record = catalog.record_get(&record.digest.to_string()).await?;
    println!("signed   {}", signed(&record, &signature));
    for missing in approvals(&record).missing {
        println!("missing  {missing}");
    }
    Ok(())
}

struct Gap {
    group: Option<String>,
    reason: String,
    expires: Timestamp,
}

async fn waive(catalog: &dyn Catalog, digest: &str, gap: Gap, author: &Signer) -> Result<()> {
    let about = catalog.record_get(digest).await?;
    let now = SystemClock.now();
    if gap.reason.trim().is_empty() {
        bail!("--reason is empty; say why the gap is acceptable");
    }
    if gap.expires <= now {
        bail!("--expires {} is over; a waiver ends in the future", gap.expires);
    }
    let person = signed_in(catalog, &author.user, author.password_file.as_deref(), now).await?;
    let record = NewRecord {
        kind: RecordKind::Waiver,
        subject: about.digest.to_string(),
        body: json!({
            "format": 1,
            "record": about.digest,
            "group": gap.group,
            "reason": gap.reason.trim(),
            "expires_at": gap.expires,
        }),
        author: person.actor(),
    };
    let added = catalog.record_add(&record, now).await?;
    let digest = added.record.digest.short();
    println!("waiver {digest} {}", if added.is_new { "entered" } else { "entered before" });
    println!("Another person accepts it: hilum record sign {digest} --as USER --meaning waived");
    Ok(())
}
