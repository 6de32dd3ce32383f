//! What is read of labels.

use crate::labels::{FirstRead, LabelFilter, SetAside, ToldTo};
use crate::sql::SqlCatalog;
use crate::sql::connection::{Row, Value, in_list, values};
use crate::sql::deployments::deployment_list;
use crate::{StoreError, StudyKey};
use hilum_monitor::Label;
use hilum_registry::ReadingMode;

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
    told_to(catalog, &mut conditions, &filter.told_to).await?;
    let sql = format!("SELECT label FROM label {}", conditions.end("label_key DESC", limit));
    let rows = catalog.database.rows("list labels", sql, conditions.values).await?;
    rows.iter().map(|row| row.json("label")).collect()
}

/// Leave out what must not reach who is told.
async fn told_to(catalog: &SqlCatalog, conditions: &mut Conditions, told: &ToldTo) -> Result<(), StoreError> {
    const OF_IT: &str =
        "x.study_key = label.study_key AND x.revision = label.revision AND x.deployment = label.deployment";
    let reader = match told {
        ToldTo::Overseer => return Ok(()),
        // No label is given by nobody: rows from before the column say so.
        ToldTo::Anybody => "nobody",
        ToldTo::Reader(reader) => reader.as_str(),
    };
    let deployments = deployment_list(catalog).await?;
    let named = |mode| {
        let of_mode = deployments.iter().filter(move |one| one.spec.reading_mode == mode);
        // Nothing is called so; without it, an empty list would be NULL, and NOT IN of it never true.
        let names = std::iter::once("").chain(of_mode.map(|one| one.spec.name.as_str()));
        names.map(Value::from).collect::<Vec<_>>()
    };
    let shadow = in_list(&mut conditions.values, named(ReadingMode::Shadow));
    let after = in_list(&mut conditions.values, named(ReadingMode::AfterFirstRead));
    let text = format!(
        "(by_whom = ? OR (NOT EXISTS (SELECT 1 FROM audit_sample x WHERE {OF_IT}) \
         AND EXISTS (SELECT 1 FROM result x WHERE {OF_IT} AND x.released = 1) AND deployment NOT IN {shadow} \
         AND (deployment NOT IN {after} OR EXISTS (SELECT 1 FROM first_read x WHERE x.study_key = label.study_key \
         AND x.deployment = label.deployment AND x.revision <= label.revision AND x.reader = ?))))"
    );
    conditions.add(&text, Some(reader.into()));
    Ok(())
}

pub(super) async fn label_of_origin(catalog: &SqlCatalog, origin: &str) -> Result<Option<Label>, StoreError> {
    let sql = "SELECT label FROM label WHERE origin = $1";
    let row = catalog.database.row("look up a label", sql, values![origin]).await?;
    row.map(|row| row.json("label")).transpose()
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
