//! What an audit entry says about a change of a deployment, so that the row can be held against it later.

use crate::StoreError;
use crate::rollout::DeploymentChange;
use hilum_sign::canonical_text;
use hilum_types::Digest;

/// Digest of the whole change: a row edited by hand no longer has it.
pub(in crate::sql) fn row_proof(change: &DeploymentChange) -> Result<Digest, StoreError> {
    let value = serde_json::to_value(change)
        .map_err(|error| StoreError::Misuse(format!("a change of a deployment cannot be written as JSON: {error}")))?;
    Ok(Digest::of(canonical_text(&value).as_bytes()))
}
