//! Aliases: names for people that point at a version.

use super::proof::alias_proof;
use super::{is_name, refused};
use crate::StoreError;
use crate::governance::Alias;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, values};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_types::{Digest, Timestamp};

pub(in crate::sql) async fn alias_move(
    catalog: &SqlCatalog,
    model: &str,
    alias: &str,
    to: &Digest,
    expected: Option<&Digest>,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    const WHAT: &str = "move an alias";
    if !is_name(alias) {
        return Err(refused(WHAT, "an alias has 1 to 64 lower-case letters, digits, `-`, `_` or `.`"));
    }
    let mut act = Act::begin(&catalog.database, WHAT, actor, now).await?;
    let row = act.row("SELECT name FROM package WHERE digest = $1", values![*to]).await?;
    let name = row.ok_or(StoreError::NotFound("package; import it with `hilum model import`"))?.text("name")?;
    if name != model {
        return Err(refused(WHAT, format!("package {} is of model {name}, not {model}", to.short())));
    }
    let sql = "SELECT package FROM alias WHERE model = $1 AND alias = $2";
    let row = act.row(sql, values![model, alias]).await?;
    let current: Option<Digest> = row.map(|row| row.parse("package")).transpose()?;
    if current.as_ref() != expected {
        let at = current.map_or("nowhere".to_owned(), |digest| format!("at {}", digest.short()));
        return Err(refused(WHAT, format!("somebody moved {alias} meanwhile: it points {at}; look again and repeat")));
    }
    if current == Some(*to) {
        return Ok(());
    }
    let sql = "INSERT INTO alias (model, alias, package, actor, moved_at) VALUES ($1,$2,$3,$4,$5) \
               ON CONFLICT (model, alias) DO UPDATE SET package = excluded.package, actor = excluded.actor, \
               moved_at = excluded.moved_at";
    act.execute(sql, values![model, alias, *to, actor, now]).await?;
    let sql = "SELECT COUNT(*) AS n FROM alias_move WHERE model = $1 AND alias = $2";
    let row = act.row(sql, values![model, alias]).await?;
    let number = row.map(|row| row.number::<u64>("n")).transpose()?.unwrap_or(0) + 1;
    let sql = "INSERT INTO alias_move (model, alias, number, package, actor, moved_at) VALUES ($1,$2,$3,$4,$5,$6)";
    act.execute(sql, values![model, alias, number, *to, actor, now]).await?;
    let subject = AuditSubject::new(SubjectKind::Alias, format_args!("{model}/{alias}"));
    act.audit(AuditAction::AliasMoved, subject, &alias_proof(number, expected, to));
    act.commit().await
}

pub(super) fn alias_from(row: &Row) -> Result<Alias, StoreError> {
    Ok(Alias {
        model: row.text("model")?,
        alias: row.text("alias")?,
        package: row.parse("package")?,
        actor: row.text("actor")?,
        moved_at: row.time("moved_at")?,
    })
}

pub(in crate::sql) async fn alias_list(
    catalog: &SqlCatalog,
    model: Option<&str>,
    every_move: bool,
) -> Result<Vec<Alias>, StoreError> {
    let (table, order) =
        if every_move { ("alias_move", "moved_at DESC, model, alias, number DESC") } else { ("alias", "model, alias") };
    let condition = if model.is_some() { "WHERE model = $1" } else { "" };
    let sql = format!("SELECT model, alias, package, actor, moved_at FROM {table} {condition} ORDER BY {order}");
    let values = model.map_or(vec![], |model| values![model]);
    catalog.database.rows("list aliases", sql, values).await?.iter().map(alias_from).collect()
}
