//! How people name a package on the command line.

use anyhow::{Context, Result, bail};
use hilum_store::Catalog;
use hilum_store::records::Package;

/// The package that `name` means: `NAME@VERSION`, `NAME@ALIAS`, `NAME@DIGEST`, or a digest; of a digest the first 12 digits are enough.
pub(crate) async fn find(catalog: &dyn Catalog, name: &str) -> Result<Package> {
    let Some((model, version)) = name.split_once('@') else {
        return catalog
            .package_get(name)
            .await
            .with_context(|| format!("{name:?} names no package; NAME@VERSION does"));
    };
    let packages = catalog.package_list().await?;
    let of_model: Vec<Package> = packages.into_iter().filter(|package| package.name == model).collect();
    if of_model.is_empty() {
        bail!(
            "no package of model {model:?} is imported; `hilum model list` shows what is, `hilum model import` adds one"
        );
    }
    let is_digest = 12 <= version.len() && version.bytes().all(|b| b.is_ascii_hexdigit());
    let fits = |p: &Package| p.version == version || (is_digest && p.digest.to_string().starts_with(version));
    let aliases = catalog.alias_list(Some(model), false).await?;
    let aliased = aliases.iter().find(|known| known.alias == version).map(|known| known.package);
    let aliased = aliased.and_then(|digest| of_model.iter().find(|package| package.digest == digest).cloned());
    let versions = of_model.iter().map(|p| p.version.as_str()).collect::<Vec<_>>().join(", ");
    let mut found = of_model.iter().filter(|package| fits(package));
    match (found.next(), found.next()) {
        (Some(package), None) => Ok(package.clone()),
        (None, _) if let Some(named) = aliased => Ok(named),
        (None, _) => bail!("model {model} has no version or alias {version:?}; imported are {versions}"),
        _ => bail!("several packages are {name}; name it by its digest, as `hilum model list` shows it"),
    }
}
