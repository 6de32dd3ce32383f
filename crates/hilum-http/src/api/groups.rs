//! Acquisition groups of a deployment.

use super::extract::ApiPath;
use super::schema::List;
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::Json;
use axum::extract::State;
use hilum_store::acquisition::{GroupStanding, Standing, group_standings};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Scanner, software version and protocol that studies of a deployment came from (MV-23).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct GroupBody {
    /// Its stable name.
    pub(crate) key: String,
    /// For people.
    #[schema(example = "Siemens Ysio, device 4711, software VB10")]
    pub(crate) title: String,
    /// What is stated: `manufacturer`, `model`, `device`, `software`, `protocol`, `kernel`.
    pub(crate) attributes: BTreeMap<String, String>,
    /// `reference`: the reference set has cases of it; `passed`: enough of its studies lay inside the acquisition envelope;
    /// `new`: not yet.
    pub(crate) standing: &'static str,
    /// Cases of it in the reference set.
    pub(crate) n_reference: u64,
    /// Studies of it that were measured here.
    pub(crate) n_studies: u64,
    /// Those of them that lay inside the acquisition envelope.
    pub(crate) n_inside: u64,
    /// Studies inside that it needs to pass.
    pub(crate) needed: u32,
    /// When its first study ended here.
    pub(crate) first_seen_at: Option<String>,
    /// When its latest study ended here.
    pub(crate) last_seen_at: Option<String>,
}

impl From<&GroupStanding> for GroupBody {
    fn from(group: &GroupStanding) -> Self {
        GroupBody {
            key: group.key.clone(),
            title: group.group.to_string(),
            attributes: group.group.attributes(),
            standing: match group.standing {
                Standing::Reference => "reference",
                Standing::Passed => "passed",
                Standing::New => "new",
            },
            n_reference: group.n_reference,
            n_studies: group.n_studies,
            n_inside: group.n_inside,
            needed: group.needed,
            first_seen_at: group.first_seen_at.map(|at| at.to_string()),
            last_seen_at: group.last_seen_at.map(|at| at.to_string()),
        }
    }
}

/// Acquisition groups of a deployment under its version: those seen here, the newest first, then those of the reference set.
#[utoipa::path(get, path = "/api/v1/deployments/{name}/groups", tag = "models", operation_id = "list_acquisition_groups",
    params(("name" = String, Path, description = "Name of the deployment")),
    responses((status = 200, description = "All of them", body = List<GroupBody>),
        (status = "default", description = "Problem", body = crate::ProblemBody)))]
pub(super) async fn list_acquisition_groups(
    State(state): State<AppState>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<List<GroupBody>>, Problem> {
    let missing = || Problem::new(ProblemCode::DeploymentNotFound, "no deployment of that name");
    let deployment = state.catalog.deployment_get(&name).await?.ok_or_else(missing)?;
    Ok(Json(List::of(&group_standings(&*state.catalog, &deployment).await?)))
}
