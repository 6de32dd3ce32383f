//! What the gate needs to know of a package, read from its manifest.

use hilum_gate::PackageFacts;
use hilum_registry::Manifest;

/// The gate's view of a package. Of several ends the earliest counts.
pub fn package_facts(manifest: &Manifest) -> PackageFacts {
    let ends = [(manifest.regulatory.expires, "regulatory status"), (manifest.expiry.not_after, "package")];
    let earliest = ends.into_iter().filter_map(|(end, what)| Some((end?, what))).min();
    PackageFacts {
        title: format!("{} {}", manifest.package.name, manifest.package.version),
        intended_use: manifest.intended_use.clone(),
        usable_until: earliest.map(|(end, _)| end),
        can_be_marked: manifest.dicom_node().is_none(),
        usable_until_of: earliest.map_or("package", |(_, what)| what).to_owned(),
    }
}
