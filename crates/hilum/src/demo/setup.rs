//! What the demo needs before the first study: a configuration, models of this repository, and what was agreed on.

use super::House;
use super::scenario::{OTHER, UPDATED};
use crate::config::Config;
use crate::system::models;
use anyhow::{Context, Result};
use hilum_gate::plan_promotion;
use hilum_registry::{Deployment, DeploymentSpec, DeploymentState};
use hilum_store::records::Package;
use hilum_store::{Catalog, CatalogOptions};
use hilum_types::Clock;
use hilum_worker::Proof;
use rust_embed::RustEmbed;
use std::net::SocketAddr;
use std::path::Path;

/// Deployment of the radiograph classifier.
pub(crate) const CLASSIFIER: &str = "phantom-cxr";

/// Deployment of the lung segmentation.
pub(crate) const SEGMENTER: &str = "phantom-lung-seg";

/// Models of this repository, as its own code trained them on phantoms.
#[derive(RustEmbed)]
#[folder = "../../models"]
#[include = "phantom-cxr/*"]
#[include = "phantom-cxr-1.1/*"]
#[include = "phantom-lung-seg/*"]
struct DemoModels;

/// How long nothing must have come before a study is complete, in simulated seconds.
pub(crate) const QUIET_SECONDS: i64 = 60;

/// Refuse a catalog in use, before anything is entered by a clock that runs in the past. It is named by `option`, or
/// else by the environment. Says whether neither names one: then the demo has one of its own, in its folder.
pub(crate) async fn refuse_catalog_in_use(option: Option<&str>) -> Result<bool> {
    let environment = std::env::var("HILUM_CATALOG_URL").ok();
    let (url, named_by, remedy) = match (option, &environment) {
        (Some(url), _) => (url, "--catalog-url", "leave the option out"),
        (None, Some(url)) => (url.as_str(), "HILUM_CATALOG_URL", "unset the variable"),
        (None, None) => return Ok(true),
    };
    let catalog = hilum_store::catalog::open(url, &CatalogOptions::default()).await?;
    let held = held(&*catalog).await?;
    anyhow::ensure!(
        held.is_empty(),
        "the catalog that {named_by} names holds {}; the demo plays weeks that never were, so {remedy}, or name an \
         empty database",
        held.join(", ")
    );
    Ok(false)
}

/// What stands in a catalog, such as `1 package`; nothing in an empty one.
async fn held(catalog: &dyn Catalog) -> Result<Vec<String>> {
    let counts = catalog.counts().await?;
    let n_studies = counts.n_studies_receiving + counts.n_studies_complete;
    let all = [
        (n_studies, "study", "studies"),
        (catalog.deployment_list().await?.len() as u64, "deployment", "deployments"),
        (catalog.package_list().await?.len() as u64, "package", "packages"),
        (catalog.user_list().await?.len() as u64, "user", "users"),
    ];
    let there = all.into_iter().filter(|(n, ..)| 0 < *n);
    Ok(there.map(|(n, one, many)| format!("{n} {}", if n == 1 { one } else { many })).collect())
}

/// Write the configuration into the folder and read it as any other; `listen` is where DICOM and HTTP are served. A
/// catalog that only the environment names is left out of the file.
pub(crate) fn write_config(
    folder: &Path,
    pacs: SocketAddr,
    catalog_url: Option<&str>,
    listen: [SocketAddr; 2],
) -> Result<Config> {
    let path = folder.join("hilum.toml");
    let url = catalog_url.map(|url| format!("url = {url:?}\n")).unwrap_or_default();
    let [dimse, http] = listen;
    let text = format!(
        "# Written by `hilum demo`.\n\
         data_dir = \"data\"\n\n\
         [catalog]\n{url}\n\
         [dimse]\nlisten = \"{dimse}\"\nae_title = \"HILUM\"\n\n\
         [[dimse.peer]]\nae_title = \"{UPDATED}\"\naddress = \"127.0.0.1\"\n\n\
         [[dimse.peer]]\nae_title = \"{OTHER}\"\naddress = \"127.0.0.1\"\n\n\
         [http]\nlisten = \"{http}\"\n\n\
         [study]\nquiet_seconds = {QUIET_SECONDS}\n\n\
         [storage]\nreserve_mib = 64\n\n\
         [delivery]\nretry_seconds_first = 1\n\n\
         [[destination]]\nname = \"pacs\"\nhost = \"{}\"\nport = {}\nae_title = \"PACS\"\n",
        pacs.ip(),
        pacs.port()
    );
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    let mut config = Config::read(&path)?;
    if catalog_url.is_some() {
        // The option is nearer than the environment, by which the file is read.
        config.catalog = toml::from_str(&url)?;
    }
    Ok(config)
}

/// Import a package of this repository by the way every package takes.
pub(crate) async fn import(house: &House, folder: &str) -> Result<Package> {
    let place = house.folder.join("packages-to-import");
    let files = DemoModels::iter().filter(|name| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
    for name in files {
        let file = DemoModels::get(&name).context("an embedded file is missing")?;
        let path = place.join(name.as_ref());
        std::fs::create_dir_all(path.parent().unwrap_or(&place))?;
        std::fs::write(&path, &file.data).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let (catalog, now) = (&*house.running.catalog, house.clock.now());
    Ok(models(&house.config).import(&place.join(folder), catalog, "user:bo", now).await?.package)
}

/// Put a declaration in force.
pub(crate) async fn apply(house: &House, name: &str, package: &Package) -> Result<Deployment> {
    let watched = if name == CLASSIFIER { WATCHED } else { "" };
    let text = format!(
        "name = \"{name}\"\npackage = \"{}\"\nstate = \"active\"\nowner = \"radiology\"\n\
         destinations = [\"pacs\"]\nreading_mode = \"after_first_read\"\n\
         [intended_use]\nview = [\"PA\", \"AP\"]\nage_years_min = 18\n{watched}",
        package.digest
    );
    declare(house, &text, package).await
}

async fn declare(house: &House, text: &str, package: &Package) -> Result<Deployment> {
    let spec: DeploymentSpec = toml::from_str(text)?;
    let problems = spec.problems(&house.config.destination_names());
    anyhow::ensure!(problems.is_empty(), "a declaration is not sound: {problems:?}");
    Ok(house.running.catalog.deployment_apply(&spec, package.digest, "user:bo", house.clock.now()).await?)
}

/// `hilum apply` and `hilum deploy promote --to active`: another version comes as a challenger, and takes the place of the one
/// in use. A deployment that was stopped stays stopped.
pub(crate) async fn replace(house: &House, package: &Package, reason: &str) -> Result<Deployment> {
    let (catalog, name) = (&*house.running.catalog, format!("{CLASSIFIER}-{}", package.version.replace('.', "-")));
    let text = format!(
        "name = \"{name}\"\npackage = \"{}\"\nchampion = \"{CLASSIFIER}\"\nstate = \"shadow\"\nowner = \"radiology\"\n\
         destinations = [\"pacs\"]\n[intended_use]\nview = [\"PA\", \"AP\"]\nage_years_min = 18\n",
        package.digest
    );
    declare(house, &text, package).await?;
    let proof = Proof::gather(catalog, &name, house.clock.now()).await?;
    let plan = plan_promotion(&proof.input(), DeploymentState::Active, None, "user:bo", Some(reason))
        .map_err(|missing| anyhow::anyhow!("{name} cannot take the place of {CLASSIFIER}: {missing:?}"))?;
    let promoted = catalog.deployment_promote(&plan, house.clock.now()).await?;
    promoted.champion.context("a challenger has a champion")
}

/// The rule that stops, and the one that asks somebody to look.
pub(crate) const STOP_RULE: &str = "missed-nodules";
pub(crate) const LOOK_RULE: &str = "unlike-reference";

/// What the house agreed on before the first study: see `docs/guides/stop-rules.md` and `docs/guides/envelope.md`.
const WATCHED: &str = r#"
[monitoring]
reviewed_by = "medical physics"
review_days = 91

[[monitoring.rule]]
name = "missed-nodules"
metric = "sensitivity"
finding = "nodule"
below = 0.65
false_stops_per_year = 0.1
events_per_day = 2.5
each = ["station"]
action = "suspend"

[[monitoring.rule]]
name = "unlike-reference"
metric = "outside_envelope"
consecutive = 10
each = ["station"]
action = "alarm"

[monitoring.evidence]
window_days = 30
n_min = 10

[monitoring.envelope]
outside = "mark"
false_withhold_rate = 0.02
new_group = "mark"
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::proof::FALSE_WITHHOLD_RATE;

    #[test]
    fn the_rules_are_those_the_story_is_about() {
        let plan: toml::Table = toml::from_str(WATCHED).unwrap();
        let rules = plan["monitoring"]["rule"].as_array().unwrap();
        let named = |name: &str| rules.iter().find(|rule| rule["name"].as_str() == Some(name)).unwrap();
        assert_eq!(named(STOP_RULE)["action"].as_str(), Some("suspend"));
        assert_eq!(named(LOOK_RULE)["action"].as_str(), Some("alarm"));
        assert_eq!(plan["monitoring"]["envelope"]["false_withhold_rate"].as_float(), Some(FALSE_WITHHOLD_RATE));
    }
}
