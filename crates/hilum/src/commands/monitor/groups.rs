use crate::config::Config;
use crate::system::open_catalog;
use anyhow::{Result, bail};
use hilum_store::acquisition::{GroupStanding, Standing, group_standings};
use std::path::Path;
use std::process::ExitCode;

pub(super) async fn list(config: &Path, name: &str, as_json: bool) -> Result<ExitCode> {
    let catalog = open_catalog(&Config::read(config)?).await?;
    let Some(deployment) = catalog.deployment_get(name).await? else {
        bail!("no deployment is named {name:?}; `hilum deployments` shows them");
    };
    let groups = group_standings(&*catalog, &deployment).await?;
    if groups.is_empty() && !as_json {
        println!("no study of {name} has been measured under its version, and it has no envelope on file");
    }
    for group in groups {
        if as_json {
            println!("{}", serde_json::to_string(&group)?);
        } else {
            println!("{}", line(&group));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(group: &GroupStanding) -> String {
    let GroupStanding { key, n_reference, n_studies, n_inside, needed, .. } = group;
    let standing = match group.standing {
        Standing::Reference => {
            format!("known from {n_reference} reference cases; {n_inside} of {n_studies} studies inside")
        }
        Standing::Passed => format!("passed; {n_inside} of {n_studies} studies inside"),
        Standing::New => format!("new; {n_inside} of {n_studies} studies inside, {needed} inside are needed"),
    };
    format!("{key}  {}: {standing}", group.group)
}
