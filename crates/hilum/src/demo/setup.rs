//! What the demo needs before the first study: a configuration, the two models of this repository, two deployments.

use crate::config::Config;
use crate::system::{SystemClock, models};
use anyhow::{Context, Result};
use hilum_registry::DeploymentSpec;
use hilum_store::Catalog;
use hilum_types::{Clock, Digest};
use rust_embed::RustEmbed;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Deployment of the radiograph classifier.
pub(crate) const CLASSIFIER: &str = "phantom-cxr";

/// Deployment of the lung segmentation.
pub(crate) const SEGMENTER: &str = "phantom-lung-seg";

/// The demo models, as this repository's own code trained them on phantoms.
#[derive(RustEmbed)]
#[folder = "../../models"]
#[include = "phantom-cxr/*"]
#[include = "phantom-lung-seg/*"]
struct DemoModels;

/// Write the configuration into the folder and read it as any other. Ports are chosen by the system, and kept in the
/// file when the folder is used again.
pub(crate) fn write_config(folder: &Path, pacs: SocketAddr, catalog_url: Option<&str>) -> Result<(PathBuf, Config)> {
    let path = folder.join("hilum.toml");
    let catalog = catalog_url.map(|url| format!("[catalog]\nurl = {url:?}\n\n")).unwrap_or_default();
    let (dimse, http) = (free_port(11112)?, free_port(8042)?);
    let text = format!(
        "# Written by `hilum demo`.\n\
         data_dir = \"data\"\n\n\
         {catalog}\
         [dimse]\nlisten = \"127.0.0.1:{dimse}\"\nae_title = \"HILUM\"\n\n\
         [[dimse.peer]]\nae_title = \"DXROOM1\"\naddress = \"127.0.0.1\"\n\n\
         [http]\nlisten = \"127.0.0.1:{http}\"\n\n\
         [study]\nquiet_seconds = 1\n\n\
         [storage]\nreserve_mib = 64\n\n\
         [delivery]\nretry_seconds_first = 1\n\n\
         [[destination]]\nname = \"pacs\"\nhost = \"{}\"\nport = {}\nae_title = \"PACS\"\n",
        pacs.ip(),
        pacs.port()
    );
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    let config = Config::read(&path)?;
    Ok((path, config))
}

/// The usual port when it is free, else one the system chooses.
fn free_port(usual: u16) -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", usual))
        .or_else(|_| std::net::TcpListener::bind(("127.0.0.1", 0)))
        .context("no port is free on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// Import both packages by the way every package takes, and apply both deployments.
pub(crate) async fn import_and_apply(folder: &Path, config: &Config, catalog: &Arc<dyn Catalog>) -> Result<()> {
    let packages = folder.join("packages-to-import");
    for name in DemoModels::iter() {
        let file = DemoModels::get(&name).context("an embedded file is missing")?;
        let path = packages.join(name.as_ref());
        std::fs::create_dir_all(path.parent().unwrap_or(&packages))?;
        std::fs::write(&path, &file.data).with_context(|| format!("cannot write {}", path.display()))?;
    }
    for name in [CLASSIFIER, SEGMENTER] {
        let now = SystemClock.now();
        let imported = models(config).import(&packages.join(name), &**catalog, "user:demo", now).await?;
        let spec = deployment(name, &imported.package.digest)?;
        let applied = catalog.deployment_apply(&spec, imported.package.digest, "user:demo", now).await?;
        let package = &imported.package;
        println!("model      {} {}, golden cases replayed, {}", package.name, package.version, applied.state);
    }
    Ok(())
}

fn deployment(name: &str, package: &Digest) -> Result<DeploymentSpec> {
    let text = format!(
        "name = \"{name}\"\npackage = \"{package}\"\nstate = \"active\"\nowner = \"demo\"\ndestinations = [\"pacs\"]\n\
         [intended_use]\nview = [\"PA\", \"AP\"]\nage_years_min = 18\n"
    );
    Ok(toml::from_str(&text)?)
}
