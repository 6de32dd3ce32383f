use crate::ConfigFile;
use crate::commands::apply::actor;
use crate::commands::package::find;
use crate::commands::password::{ActAs, fresh, signed_in};
use crate::config::Config;
use crate::system::{SystemClock, open_catalog};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use hilum_sign::{NewRecord, RecordKind};
use hilum_store::Catalog;
use hilum_store::governance::{USER_ROLES, User};
use hilum_store::people::{GOVERNANCE, new_user, with_new_key};
use hilum_types::Clock;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// `hilum user ...`.
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Enter a person. The first one needs nobody's leave and holds the role governance; everybody else is entered by
    /// somebody who holds it.
    Add {
        /// Login name: lower-case letters, digits, `-`, `_`, `.`; never given twice.
        name: String,
        /// Name for people, as it stands on reports.
        #[arg(long, value_name = "TEXT")]
        display: String,
        /// Role; may be repeated.
        #[arg(long = "role", value_name = "ROLE", required = true, value_parser = USER_ROLES)]
        roles: Vec<String>,
        /// File that holds the new person's password; asked for at the terminal when left out.
        #[arg(long, value_name = "FILE", env = "HILUM_PASSWORD_FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        act_as: ActAs,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List people, their roles and whether they may act.
    List {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Set another password: one's own with the old one, or, with --as, that of somebody who lost theirs.
    Password {
        /// Login name.
        name: String,
        /// File that holds the old password.
        #[arg(long, value_name = "FILE", env = "HILUM_PASSWORD_FILE")]
        password_file: Option<PathBuf>,
        /// File that holds the new password.
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        #[command(flatten)]
        act_as: ActAs,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Replace the roles of a person.
    Roles {
        /// Login name.
        name: String,
        /// Role; may be repeated. Those not named are taken away.
        #[arg(long = "role", value_name = "ROLE", required = true, value_parser = USER_ROLES)]
        roles: Vec<String>,
        #[command(flatten)]
        act_as: ActAs,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// End what a person may do, for good. What they signed stays valid.
    Deactivate {
        /// Login name.
        name: String,
        #[command(flatten)]
        act_as: ActAs,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Record that a person was trained for a version of a model (UX-10).
    Trained {
        /// Login name.
        name: String,
        /// The version: NAME@VERSION or NAME@DIGEST.
        #[arg(long, value_name = "NAME@VERSION")]
        model: String,
        /// What the training was.
        #[arg(long, value_name = "TEXT")]
        what: String,
        #[command(flatten)]
        config: ConfigFile,
    },
}

/// Carry out `hilum user ...`.
pub(crate) async fn run(command: UserCommand) -> Result<ExitCode> {
    match command {
        UserCommand::Add { name, display, roles, password_file, act_as, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            let entry = Entry { name, display, roles, password_file };
            add(&*catalog, entry, &act_as).await?;
        }
        UserCommand::List { config } => list(&*open_catalog(&Config::read(&config.path)?).await?).await?,
        UserCommand::Password { name, password_file, new_password_file, act_as, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            let files = PasswordFiles { old: password_file, new: new_password_file };
            password(&*catalog, &name, &files, &act_as).await?;
        }
        UserCommand::Roles { name, roles, act_as, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            let roles = each_once(roles);
            println!("{name}: {}", roles.join(", "));
            change(&*catalog, &name, &act_as, |user| user.roles = roles).await?;
        }
        UserCommand::Deactivate { name, act_as, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            change(&*catalog, &name, &act_as, |user| user.active = false).await?;
            println!("{name} is deactivated; what they signed stays valid, and the name is not given again");
        }
        UserCommand::Trained { name, model, what, config } => {
            let catalog = open_catalog(&Config::read(&config.path)?).await?;
            trained(&*catalog, &name, &model, &what).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Entry {
    name: String,
    display: String,
    roles: Vec<String>,
    password_file: Option<PathBuf>,
}

fn each_once(roles: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for role in roles {
        if !kept.contains(&role) {
            kept.push(role);
        }
    }
    kept
}

async fn add(catalog: &dyn Catalog, entry: Entry, act_as: &ActAs) -> Result<()> {
    let roles = each_once(entry.roles);
    // Nobody can vouch for the first person, and no default account exists (PR-10): whoever may write the catalog
    // enters them, once, and the audit chain says so.
    let by = if catalog.user_list().await?.is_empty() {
        if !roles.iter().any(|role| role == GOVERNANCE) {
            bail!("the first person enters the others, so give {} --role {GOVERNANCE} as well", entry.name);
        }
        actor()
    } else {
        act_as.governance(catalog, SystemClock.now()).await?.actor()
    };
    if catalog.user_get(&entry.name).await?.is_some() {
        bail!("the name {} was given before, and a name is never given twice", entry.name);
    }
    let password = fresh(&entry.name, entry.password_file.as_deref())?;
    let user = new_user(&entry.name, &entry.display, roles, &password, SystemClock.now()).await?;
    catalog.user_add(&user, &by).await?;
    println!("{} ({}): {}", user.name, user.display_name, user.roles.join(", "));
    println!("public key {}", user.public_key);
    Ok(())
}

async fn list(catalog: &dyn Catalog) -> Result<()> {
    let users = catalog.user_list().await?;
    if users.is_empty() {
        println!("Nobody is entered. `hilum user add NAME --display TEXT --role governance` enters the first person.");
    }
    for user in users {
        let state = if user.active { "active" } else { "deactivated" };
        println!("{:<20} {:<28} {:<12} {}", user.name, user.display_name, state, user.roles.join(", "));
    }
    Ok(())
}

struct PasswordFiles {
    old: Option<PathBuf>,
    new: Option<PathBuf>,
}

async fn password(catalog: &dyn Catalog, name: &str, files: &PasswordFiles, act_as: &ActAs) -> Result<()> {
    let now = SystemClock.now();
    if act_as.as_user.as_deref().is_none_or(|by| by == name) {
        let person = signed_in(catalog, name, files.old.as_deref(), now).await?;
        let new = fresh(name, files.new.as_deref())?;
        person.change_password(catalog, &new, SystemClock.now()).await?;
        println!("{name}: password changed; the key is the same");
        return Ok(());
    }
    let by = act_as.governance(catalog, now).await?;
    let user = existing(catalog, name).await?;
    let user = with_new_key(user, &fresh(name, files.new.as_deref())?).await?;
    catalog.user_change(&user, &by.actor(), SystemClock.now()).await?;
    println!("{name}: password set by {}, with a new key; what {name} signed before stays valid", by.user.name);
    Ok(())
}

async fn existing(catalog: &dyn Catalog, name: &str) -> Result<User> {
    catalog
        .user_get(name)
        .await?
        .with_context(|| format!("there is no user {name}; `hilum user list` shows who there is"))
}

async fn change(catalog: &dyn Catalog, name: &str, act_as: &ActAs, change: impl FnOnce(&mut User)) -> Result<()> {
    let by = act_as.governance(catalog, SystemClock.now()).await?;
    let mut user = existing(catalog, name).await?;
    change(&mut user);
    Ok(catalog.user_change(&user, &by.actor(), SystemClock.now()).await?)
}

async fn trained(catalog: &dyn Catalog, name: &str, model: &str, what: &str) -> Result<()> {
    let user = existing(catalog, name).await?;
    if !user.active {
        bail!("{name} was deactivated");
    }
    if what.trim().is_empty() {
        bail!("--what is empty; say what the training was, and when");
    }
    let package = find(catalog, model).await?;
    let record = NewRecord {
        kind: RecordKind::UserTraining,
        subject: name.to_owned(),
        body: json!({ "format": 1, "package": package.digest, "what": what.trim() }),
        author: actor(),
    };
    let added = catalog.record_add(&record, SystemClock.now()).await?;
    let digest = added.record.digest;
    let is_new = if added.is_new { "entered" } else { "entered before" };
    println!("{name} is trained for {} {}: record {} {is_new}", package.name, package.version, digest.short());
    println!("`hilum record sign {} --as {name} --meaning acknowledged` confirms it", digest.short());
    Ok(())
}
