//! How a deployment stood at any moment.

use crate::StoreError;
use crate::rollout::DeploymentChange;
use crate::sql::SqlCatalog;
use crate::sql::connection::values;
use crate::sql::deployments::{change_columns, change_from};
use hilum_types::Timestamp;

pub(super) async fn deployment_history(catalog: &SqlCatalog, name: &str) -> Result<Vec<DeploymentChange>, StoreError> {
    let sql = format!("SELECT {} FROM deployment_change WHERE name = $1 ORDER BY revision", change_columns());
    let rows = catalog.database.rows("read the history of a deployment", sql, values![name]).await?;
    rows.iter().map(change_from).collect()
}

/// The last change up to that moment. Revisions decide where the clock went back between two changes.
pub(super) async fn deployment_as_of(
    catalog: &SqlCatalog,
    name: &str,
    at: Timestamp,
) -> Result<Option<DeploymentChange>, StoreError> {
    let sql = format!(
        "SELECT {} FROM deployment_change WHERE name = $1 AND changed_at <= $2 ORDER BY revision DESC LIMIT 1",
        change_columns()
    );
    let row = catalog.database.row("ask how a deployment stood", sql, values![name, at]).await?;
    row.as_ref().map(change_from).transpose()
}
