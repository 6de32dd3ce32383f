//! `hilum model ...`: what a data scientist does with a package before anything runs.

mod alias;
mod import;
mod key;
mod list;
mod sign;
mod verify;

use crate::ConfigFile;
use anyhow::Result;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use key::read_public_key;

/// `hilum model ...`.
#[derive(Subcommand)]
pub(crate) enum ModelCommand {
    /// Check a package, replay its golden cases on every engine, and keep it under its digest.
    Import {
        /// Folder of the package.
        folder: PathBuf,
        /// Signature file; FOLDER.sig beside the folder, where there is one, when left out.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// Import nothing: write a beginning of hilum/package.toml into the folder, unless there is one.
        #[arg(long)]
        skeleton: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List imported packages: who signed them, whether they are accepted, where they run.
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Check that a folder, or an imported package, is byte for byte what was signed and imported.
    Verify {
        /// A folder, or an imported package: NAME@VERSION, NAME@DIGEST or a digest.
        what: String,
        /// Signature file; the one beside the folder, or the one kept with the package, when left out.
        #[arg(long, value_name = "FILE")]
        signature: Option<PathBuf>,
        /// Public key of the maker; those of [trust] keys when left out.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Sign a package as its maker (OpenSSF Model Signing v1.0): writes FOLDER.sig beside the folder.
    Sign {
        /// Folder of the package.
        folder: PathBuf,
        /// Private key (PEM, ECDSA P-256).
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Keys of makers of packages.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Run two versions, or two settings of one, on the same cases.
    Compare(Box<crate::commands::compare::CompareArgs>),
    /// Give a version a name for people, such as `candidate`; nothing that runs changes by it.
    Alias(alias::AliasArgs),
    /// Render the model card from the records, or verify one.
    Card(crate::commands::card::CardArgs),
    /// Enter what people write for the model card.
    CardText(crate::commands::card::CardTextArgs),
}

/// `hilum model key ...`.
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key pair: the private key in FILE, for its owner only, and the public key in FILE.pub.
    New {
        /// File of the private key; never overwritten.
        file: PathBuf,
    },
}

/// Carry out `hilum model ...`.
pub(crate) async fn run(command: ModelCommand) -> Result<ExitCode> {
    match command {
        ModelCommand::Import { folder, skeleton: true, .. } => import::write_skeleton(&folder),
        ModelCommand::Import { folder, signature, config, .. } => {
            import::import(&folder, signature.as_deref(), &config.path).await
        }
        ModelCommand::List { config } => list::list(&config.path).await,
        ModelCommand::Verify { what, signature, key, config } => {
            verify::verify(&what, signature.as_deref(), key.as_deref(), &config.path).await
        }
        ModelCommand::Sign { folder, key } => sign::sign(&folder, &key),
        ModelCommand::Key { command: KeyCommand::New { file } } => key::new(&file),
        ModelCommand::Compare(arguments) => crate::commands::compare::run(*arguments).await,
        ModelCommand::Alias(arguments) => alias::alias(arguments).await,
        ModelCommand::Card(arguments) => crate::commands::card::card(arguments).await,
        ModelCommand::CardText(arguments) => crate::commands::card::card_text(arguments).await,
    }
}
