//! Passwords: asked for at the terminal, or read from a file. Never an argument, which every process can see.

use anyhow::{Context, Result, bail};
use clap::Args;
use hilum_store::people::{SignedIn, sign_in};
use hilum_store::{Catalog, StoreError};
use hilum_types::Timestamp;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Longest password that is read, in bytes; a file that is longer is some other file.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Who acts, where an act needs a person.
#[derive(Args)]
pub(crate) struct ActAs {
    /// Who acts: a user with the role that the act needs.
    #[arg(long = "as", value_name = "USER", env = "HILUM_USER")]
    pub(crate) as_user: Option<String>,
    /// File that holds their password; asked for at the terminal when left out.
    #[arg(long = "as-password-file", value_name = "FILE", env = "HILUM_AS_PASSWORD_FILE")]
    pub(crate) as_password_file: Option<PathBuf>,
}

impl ActAs {
    /// The person, signed in, when they hold the role that enters people.
    pub(crate) async fn governance(&self, catalog: &dyn Catalog, now: Timestamp) -> Result<SignedIn> {
        const GOVERNANCE: &str = hilum_store::people::GOVERNANCE;
        let Some(name) = &self.as_user else {
            bail!("say who does this: --as USER, somebody with the role {GOVERNANCE} (`hilum user list`)");
        };
        let signed_in = signed_in(catalog, name, self.as_password_file.as_deref(), now).await?;
        if !signed_in.user.roles.iter().any(|role| role == GOVERNANCE) {
            bail!("{name} does not hold the role {GOVERNANCE}, which enters people; somebody who does must do this");
        }
        Ok(signed_in)
    }
}

/// Somebody who proves at the terminal, or by a file, who they are.
pub(crate) async fn signed_in(
    catalog: &dyn Catalog,
    name: &str,
    password_file: Option<&Path>,
    now: Timestamp,
) -> Result<SignedIn> {
    let password = existing(name, password_file)?;
    match sign_in(catalog, name, &password, now).await {
        Err(StoreError::NotSignedIn) => {
            bail!("{name} is no active user, or the password is wrong; `hilum user list` shows who there is")
        }
        other => Ok(other?),
    }
}

/// The password somebody has.
fn existing(name: &str, file: Option<&Path>) -> Result<String> {
    match file {
        Some(file) => from_file(file),
        None => ask(&format!("Password of {name}: ")),
    }
}

/// A password to be set: typed twice at the terminal.
pub(crate) fn fresh(name: &str, file: Option<&Path>) -> Result<String> {
    if let Some(file) = file {
        return from_file(file);
    }
    let first = ask(&format!("New password of {name}: "))?;
    if first != ask("Again: ")? {
        bail!("the two are not the same; nothing was changed");
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask for a password; give a file with --password-file or HILUM_PASSWORD_FILE");
    }
    rpassword::prompt_password(prompt).context("the password cannot be read from the terminal")
}

/// The only line of a file.
fn from_file(file: &Path) -> Result<String> {
    let shown = file.display();
    let text = std::fs::read(file).with_context(|| format!("cannot read the password file {shown}"))?;
    let text = String::from_utf8(text).ok().filter(|text| text.len() <= PASSWORD_BYTES_MAX);
    let Some(text) = text else { bail!("{shown} holds no password: it is not one line of text") };
    let mut lines = text.lines();
    match (lines.next(), lines.next()) {
        (Some(line), None) if !line.is_empty() => Ok(line.to_owned()),
        _ => bail!("{shown} holds no password: it must hold it as its only line"),
    }
}
