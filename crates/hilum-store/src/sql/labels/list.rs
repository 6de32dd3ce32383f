//! What is read of labels.

use crate::labels::{FirstRead, LabelFilter, SetAside};
use crate::sql::SqlCatalog;
use crate::sql::connection::{Row, Value, values};
use crate::{StoreError, StudyKey};
use hilum_monitor::Label;

/// Conditions with their parameters, and the limit as the last one.
pub(super) struct Conditions {
    pub(super) values: Vec<Value>,
    texts: Vec<String>,
}

impl Conditions {
    pub(super) fn new() -> Conditions {
        Conditions { values: vec![], texts: vec!["1 = 1".to_owned()] }
    }

    /// `?` in `text` stands for the value.
    pub(super) fn add(&mut self, text: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.values.push(value);
            self.texts.push(text.replace('?', &format!("${}", self.values.len())));
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.texts.push(text.to_owned());
    }

    /// `WHERE ... ORDER BY ... LIMIT ...`.
    pub(super) fn end(&mut self, order: &str, limit: u32) -> String {
        self.values.push(limit.into());
        format!("WHERE {} ORDER BY {order} LIMIT ${}", self.texts.join(" AND "), self.values.len())
    }
}

pub(super) async fn label_list(
    catalog: &SqlCatalog,
    filter: &LabelFilter,
    limit: u32,
) -> Result<Vec<Label>, StoreError> {
    let mut conditions = Conditions::new();
    conditions.add("study_key = ?", filter.study_key.as_ref().map(Into::into));
    conditions.add("deployment = ?", filter.deployment.as_deref().map(Into::into));
    conditions.add("recorded_at <= ?", filter.until.map(Into::into));
    conditions.add("label_key < ?", filter.after.as_ref().map(Into::into));
    let sql = format!("SELECT label FROM label {}", conditions.end("label_key DESC", limit));
    let rows = catalog.database.rows("list labels", sql, conditions.values).await?;
    rows.iter().map(|row| row.json("label")).collect()
}

pub(super) async fn label_set_aside_list(catalog: &SqlCatalog, limit: u32) -> Result<Vec<SetAside>, StoreError> {
    let sql = "SELECT label_key, told, recorded_at FROM label_set_aside ORDER BY label_key DESC LIMIT $1";
    let rows = catalog.database.rows("list answers without a target", sql, values![limit]).await?;
    let one = |row: &Row| {
        Ok(SetAside { key: row.parse("label_key")?, told: row.json("told")?, recorded_at: row.time("recorded_at")? })
    };
    rows.iter().map(one).collect()
}

pub(super) async fn first_read_list(catalog: &SqlCatalog, study_key: &StudyKey) -> Result<Vec<FirstRead>, StoreError> {
    let sql = "SELECT revision, deployment, reader, read_at FROM first_read WHERE study_key = $1 ORDER BY read_at";
    let rows = catalog.database.rows("list first impressions", sql, values![study_key]).await?;
    let one = |row: &Row| {
        Ok(FirstRead {
            revision: row.number("revision")?,
            deployment: row.text("deployment")?,
            reader: row.text("reader")?,
            read_at: row.time("read_at")?,
        })
    };
    rows.iter().map(one).collect()
}
