//! Imported packages.

use crate::StoreError;
use crate::records::Package;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, values};
use crate::sql::governance::{digest_prefix, package_proof};
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_types::Digest;
use serde_json::Value;

pub(in crate::sql) async fn package_add(
    catalog: &SqlCatalog,
    package: &Package,
    actor: &str,
) -> Result<bool, StoreError> {
    let mut act = Act::begin(&catalog.database, "enter a package", actor, package.imported_at).await?;
    let (name, version) = (package.name.as_str(), package.version.as_str());
    let sql = "SELECT 1 AS found FROM package WHERE digest = $1";
    if act.row(sql, values![package.digest]).await?.is_some() {
        return Ok(false);
    }
    let sql = "SELECT digest FROM package WHERE name = $1 AND version = $2";
    if let Some(other) = act.row(sql, values![name, version]).await? {
        let other: Digest = other.parse("digest")?;
        let why = format!(
            "{name} {version} is registered already as package {}, and a registered version is never overwritten; \
             give the changed package another version number",
            other.short()
        );
        return Err(StoreError::Refused { what: "enter a package", why });
    }
    let sql = "INSERT INTO package (digest, name, version, manifest, location, imported_at) \
               VALUES ($1,$2,$3,$4,$5,$6)";
    let values =
        values![package.digest, name, version, &package.manifest, package.location.as_str(), package.imported_at,];
    act.execute(sql, values).await?;
    // From now on what comes from the product is an answer; a package that is no product has no such line.
    if let Some(Value::String(ae_title)) = package.manifest.pointer("/runtime/result_ae_title") {
        let sql = "INSERT INTO product_peer (ae_title, package) VALUES ($1,$2)";
        act.execute(sql, values![ae_title.trim(), package.digest]).await?;
    }
    let detail = package_proof(name, version, &package.manifest, &package.location);
    act.audit(AuditAction::PackageImported, AuditSubject::new(SubjectKind::Package, package.digest), &detail);
    act.commit().await?;
    Ok(true)
}

fn package_from(row: &Row) -> Result<Package, StoreError> {
    Ok(Package {
        digest: row.parse("digest")?,
        name: row.text("name")?,
        version: row.text("version")?,
        manifest: row.json("manifest")?,
        location: row.text("location")?,
        imported_at: row.time("imported_at")?,
    })
}

pub(in crate::sql) async fn package_get(catalog: &SqlCatalog, digest_or_prefix: &str) -> Result<Package, StoreError> {
    const WHAT: &str = "look up a package";
    let prefix = digest_prefix(WHAT, digest_or_prefix)?;
    let sql = "SELECT digest, name, version, manifest, location, imported_at FROM package \
               WHERE SUBSTR(digest, 1, CAST($2 AS INTEGER)) = $1 LIMIT 2";
    let rows = catalog.database.rows(WHAT, sql, values![prefix.as_str(), prefix.len() as u64]).await?;
    match rows.as_slice() {
        [] => Err(StoreError::NotFound("package; import it with `hilum model import`")),
        [row] => package_from(row),
        _ => Err(StoreError::Refused { what: WHAT, why: "several begin like that; give more digits".to_owned() }),
    }
}

pub(in crate::sql) async fn package_list(catalog: &SqlCatalog) -> Result<Vec<Package>, StoreError> {
    let sql = "SELECT digest, name, version, manifest, location, imported_at FROM package \
               ORDER BY imported_at DESC, digest";
    let rows = catalog.database.rows("list packages", sql, vec![]).await?;
    rows.iter().map(package_from).collect()
}
