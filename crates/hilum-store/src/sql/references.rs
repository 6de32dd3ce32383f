//! The trait [`References`] on SQL.

use super::SqlCatalog;
use super::act::Act;
use super::connection::{in_list, values};
use crate::StoreError;
use crate::records::BlobRow;
use crate::references::{ReferenceUse, References};
use async_trait::async_trait;
use hilum_audit::{AuditAction, AuditSubject, SubjectKind};
use hilum_types::{Digest, Timestamp};
use serde_json::json;

#[async_trait]
impl References for SqlCatalog {
    async fn reference_objects_keep(
        &self,
        set: &Digest,
        objects: &[BlobRow],
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut act = Act::begin(&self.database, "keep the objects of a reference set", actor, now).await?;
        let mut n_named = 0;
        for part in objects.chunks(512) {
            let mut values = vec![];
            let list = in_list(&mut values, part.iter().map(|object| object.blob.into()));
            let known = act.rows(format!("SELECT digest FROM blob WHERE digest IN {list}"), values).await?;
            n_named += known.len();
        }
        if n_named == objects.len() {
            return Ok(());
        }
        let values = objects.iter().flat_map(|object| values![object.blob, object.size]).collect();
        act.insert("INSERT INTO blob (digest, size) VALUES", "ON CONFLICT (digest) DO NOTHING", 2, values).await?;
        let detail = json!({ "n_objects": objects.len(), "n_new": objects.len() - n_named });
        act.audit(AuditAction::ReferenceObjectsKept, AuditSubject::new(SubjectKind::Record, set), &detail);
        act.commit().await
    }

    async fn reference_use_list(&self, set: &Digest) -> Result<Vec<ReferenceUse>, StoreError> {
        let sql = "SELECT number, protocol, package, actor, used_at FROM reference_use WHERE set_digest = $1 \
                   ORDER BY number";
        let rows = self.database.rows("list the uses of a reference set", sql, values![*set]).await?;
        rows.iter()
            .map(|row| {
                Ok(ReferenceUse {
                    number: row.number("number")?,
                    protocol: row.parse("protocol")?,
                    package: row.parse("package")?,
                    actor: row.text("actor")?,
                    used_at: row.time("used_at")?,
                })
            })
            .collect()
    }
}
