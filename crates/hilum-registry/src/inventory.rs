//! Which algorithm an object says it was made by, and whether that one is registered here (GV-01).

use crate::manifest::Manifest;
use hilum_types::AlgorithmClaim;

/// Whether the package declares the algorithm that an object claims to be made by: its name, its title, or the model
/// name its product writes, from the same maker where the object states one.
pub fn declares(manifest: &Manifest, claim: &AlgorithmClaim) -> bool {
    let package = &manifest.package;
    let product = manifest.dicom_node().and_then(|node| node.model_name.as_deref());
    let names = [Some(package.name.as_str()), Some(package.title.as_str()), product];
    claim.is(&names.into_iter().flatten().collect::<Vec<_>>(), &package.manufacturer)
}

/// SOP classes of objects that algorithms make besides images: structured reports, segmentations, presentation states,
/// parametric maps, secondary captures, encapsulated documents. Images of scanners are not looked into.
pub fn may_name_an_algorithm(sop_class_uid: &str) -> bool {
    const CLASSES: [&str; 8] = [
        "1.2.840.10008.5.1.4.1.1.88.",  // structured reports, CAD included
        "1.2.840.10008.5.1.4.1.1.11.",  // presentation states
        "1.2.840.10008.5.1.4.1.1.66.",  // registrations, segmentations, surfaces
        "1.2.840.10008.5.1.4.1.1.30",   // parametric maps
        "1.2.840.10008.5.1.4.1.1.7",    // secondary captures
        "1.2.840.10008.5.1.4.1.1.68.",  // surface scans
        "1.2.840.10008.5.1.4.1.1.90.",  // content assessment results
        "1.2.840.10008.5.1.4.1.1.104.", // encapsulated documents
    ];
    CLASSES.iter().any(|class| match class.strip_suffix('.') {
        Some(_) => sop_class_uid.starts_with(class),
        None => sop_class_uid == *class || sop_class_uid.strip_prefix(class).is_some_and(|rest| rest.starts_with('.')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, manufacturer: &str) -> AlgorithmClaim {
        let text = str::to_owned;
        AlgorithmClaim {
            name: text(name),
            version: text("1"),
            manufacturer: text(manufacturer),
            evidence: text("TID 4019"),
        }
    }

    #[test]
    fn a_registered_algorithm_is_known_by_its_name_and_maker() {
        let manifest = Manifest::parse(
            "schema = 1\npackage = { name = 'lung', version = '2', title = 'Lung Finder', manufacturer = 'Acme', \
             license = 'x', description = 'd' }\n[runtime]\nkind = 'dicom-node'\nae_title = 'A'\nhost = 'h'\nport = 1\n\
             result_ae_title = 'A'\nmodel_name = 'LF-2000'\n",
        )
        .unwrap();
        for (name, manufacturer, known) in [
            ("lung finder ", "ACME", true),
            ("LF-2000", "", true),
            ("lung", "Acme", true),
            ("Lung Finder", "Other", false),
            ("Liver Finder", "Acme", false),
        ] {
            assert_eq!(declares(&manifest, &claim(name, manufacturer)), known, "{name} {manufacturer}");
        }
        assert_eq!(claim("A  b", "C").key(), claim("a B", "c ").key());
    }

    #[test]
    fn images_of_scanners_are_not_looked_into() {
        for (class, looked) in [
            ("1.2.840.10008.5.1.4.1.1.88.34", true),
            ("1.2.840.10008.5.1.4.1.1.66.4", true),
            ("1.2.840.10008.5.1.4.1.1.7", true),
            ("1.2.840.10008.5.1.4.1.1.7.4", true),
            ("1.2.840.10008.5.1.4.1.1.77.1.1", false),
            ("1.2.840.10008.5.1.4.1.1.2", false),
            ("1.2.840.10008.5.1.4.1.1.1.1", false),
        ] {
            assert_eq!(may_name_an_algorithm(class), looked, "{class}");
        }
    }
}
