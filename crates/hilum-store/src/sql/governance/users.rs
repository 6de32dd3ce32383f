//! Local users and their keys.

use super::proof::user_proof;
use super::{is_name, refused};
use crate::StoreError;
use crate::governance::{USER_ROLES, User};
use crate::people::GOVERNANCE;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, json_text, values};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_types::Timestamp;

const COLUMNS: &str = "name, display_name, roles, password_hash, public_key, sealed_key, active, created_at";

pub(super) fn user_from(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        name: row.text("name")?,
        display_name: row.text("display_name")?,
        roles: row.json("roles")?,
        password_hash: row.text("password_hash")?,
        public_key: row.text("public_key")?,
        sealed_key: row.text("sealed_key")?,
        active: row.int("active")? != 0,
        created_at: row.time("created_at")?,
    })
}

/// The user as they are now, inside an act.
pub(super) async fn user_in(act: &mut Act, name: &str) -> Result<Option<User>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM user_account WHERE name = $1");
    act.row(sql, values![name]).await?.as_ref().map(user_from).transpose()
}

/// Nothing about the user that could not be stored, shown or held to.
fn check(what: &'static str, user: &User) -> Result<(), StoreError> {
    if !is_name(&user.name) {
        return Err(refused(what, "a login name has 1 to 64 lower-case letters, digits, `-`, `_` or `.`"));
    }
    if user.display_name.trim().is_empty() || user.display_name.chars().any(char::is_control) {
        return Err(refused(what, "the name for people is one line of text and not empty"));
    }
    if user.roles.is_empty() {
        return Err(refused(what, format!("a user holds a role: {}", USER_ROLES.join(", "))));
    }
    if let Some(unknown) = user.roles.iter().find(|role| !USER_ROLES.contains(&role.as_str())) {
        return Err(refused(what, format!("{unknown:?} is no role; there are {}", USER_ROLES.join(", "))));
    }
    Ok(())
}

pub(in crate::sql) async fn user_add(catalog: &SqlCatalog, user: &User, actor: &str) -> Result<(), StoreError> {
    const WHAT: &str = "enter a user";
    check(WHAT, user)?;
    let mut act = Act::begin(&catalog.database, WHAT, actor, user.created_at).await?;
    if user_in(&mut act, &user.name).await?.is_some() {
        let why = format!("the name {} was given before, and a name is never given twice", user.name);
        return Err(refused(WHAT, why));
    }
    let sql = format!("INSERT INTO user_account ({COLUMNS}) VALUES ($1,$2,$3,$4,$5,$6,$7,$8)");
    let values = values![
        user.name.as_str(),
        user.display_name.as_str(),
        json_text(&user.roles)?,
        user.password_hash.as_str(),
        user.public_key.as_str(),
        user.sealed_key.as_str(),
        i64::from(user.active),
        user.created_at,
    ];
    act.execute(sql, values).await?;
    key_add(&mut act, user, user.created_at).await?;
    act.audit(AuditAction::UserAdded, AuditSubject::new(SubjectKind::User, &user.name), &user_proof(user));
    act.commit().await
}

async fn key_add(act: &mut Act, user: &User, now: Timestamp) -> Result<(), StoreError> {
    let row = act.row("SELECT COUNT(*) AS n FROM user_key WHERE name = $1", values![user.name.as_str()]).await?;
    let number = row.map(|row| row.int("n")).transpose()?.unwrap_or(0) + 1;
    let sql = "INSERT INTO user_key (name, number, public_key, valid_from) VALUES ($1,$2,$3,$4)";
    act.execute(sql, values![user.name.as_str(), number, user.public_key.as_str(), now]).await?;
    Ok(())
}

pub(in crate::sql) async fn user_get(catalog: &SqlCatalog, name: &str) -> Result<Option<User>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM user_account WHERE name = $1");
    let row = catalog.database.row("look up a user", sql, values![name]).await?;
    row.as_ref().map(user_from).transpose()
}

pub(in crate::sql) async fn user_list(catalog: &SqlCatalog) -> Result<Vec<User>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM user_account ORDER BY name");
    catalog.database.rows("list users", sql, vec![]).await?.iter().map(user_from).collect()
}

pub(in crate::sql) async fn user_change(
    catalog: &SqlCatalog,
    user: &User,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    const WHAT: &str = "change a user";
    check(WHAT, user)?;
    let mut act = Act::begin(&catalog.database, WHAT, actor, now).await?;
    let before = user_in(&mut act, &user.name).await?.ok_or(StoreError::NotFound("user"))?;
    let after = User { created_at: before.created_at, ..user.clone() };
    if after == before {
        return Ok(());
    }
    keeps_governance(&mut act, &before, &after).await?;
    let sql = "UPDATE user_account SET display_name = $2, roles = $3, password_hash = $4, public_key = $5, \
               sealed_key = $6, active = $7 WHERE name = $1";
    let values = values![
        after.name.as_str(),
        after.display_name.as_str(),
        json_text(&after.roles)?,
        after.password_hash.as_str(),
        after.public_key.as_str(),
        after.sealed_key.as_str(),
        i64::from(after.active),
    ];
    act.execute(sql, values).await?;
    if before.public_key != after.public_key {
        key_add(&mut act, &after, now).await?;
    }
    act.audit(AuditAction::UserChanged, AuditSubject::new(SubjectKind::User, &after.name), &user_proof(&after));
    act.commit().await
}

/// Somebody must stay who can enter people: the last one who can does not lose the role.
async fn keeps_governance(act: &mut Act, before: &User, after: &User) -> Result<(), StoreError> {
    let governs = |user: &User| user.active && user.roles.iter().any(|role| role == GOVERNANCE);
    if !governs(before) || governs(after) {
        return Ok(());
    }
    let sql = format!("SELECT {COLUMNS} FROM user_account WHERE name <> $1 AND active <> 0");
    for row in act.rows(sql, values![before.name.as_str()]).await? {
        if governs(&user_from(&row)?) {
            return Ok(());
        }
    }
    let why = format!("{} is the last one with the role {GOVERNANCE}; give it to somebody else first", before.name);
    Err(refused("change a user", why))
}
