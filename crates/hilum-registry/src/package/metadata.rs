//! `configs/metadata.json` of the MONAI bundle layout: what must be there, and the traps of bundles in the wild.

use super::{Findings, METADATA_KEYS, PackageProblem};
use serde_json::Value;

/// The file.
pub(super) const METADATA_FILE: &str = "configs/metadata.json";

pub(super) fn check_metadata(bytes: Option<&Vec<u8>>, found: &mut Findings) {
    let path = METADATA_FILE;
    let Some(bytes) = bytes else { return };
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => {
            return found.add(path, format!("it is not JSON: {error}"), "write it after the MONAI bundle schema");
        }
    };
    for key in METADATA_KEYS {
        let text = value.get(key).and_then(Value::as_str);
        if text.is_none_or(|text| text.trim().is_empty()) {
            found.add(path, format!("{key:?} is missing or not text"), "add it");
        }
    }
}

/// What a reader of the MONAI bundle specification would stumble over in this `configs/metadata.json`. None of it keeps
/// the package from running, because what runs is declared in `hilum/package.toml`. Nothing is fetched: not even the
/// schema that the file names.
///
/// Counts are those of the 31 bundles of the MONAI model zoo of 2024-10.
pub fn metadata_warnings(bytes: &[u8]) -> Vec<PackageProblem> {
    let Ok(metadata) = serde_json::from_slice::<Value>(bytes) else { return vec![] };
    let mut found = Findings(Vec::new());
    let mut warn = |problem: String, remedy: &str| found.add(METADATA_FILE, problem, remedy);
    for key in ["monai_version", "pytorch_version", "numpy_version"] {
        if metadata.get(key).is_none() {
            warn(format!("{key:?} is missing, which the specification asks for"), "add the version it was made with");
        }
    }
    match (metadata.get("required_packages_version"), metadata.get("optional_packages_version")) {
        (None, Some(_)) => warn(
            "it has \"optional_packages_version\" where the specification asks for \"required_packages_version\""
                .to_owned(),
            "rename the key if the bundle cannot run without those packages",
        ),
        (None, None) => {
            warn("\"required_packages_version\" is missing".to_owned(), "add it; an empty object if there are none");
        }
        _ => {}
    }
    match metadata.get("network_data_format") {
        None => {
            let other = metadata.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
            let other: Vec<&str> = other.filter(|key| key.ends_with("_data_format")).collect();
            let instead = match other.as_slice() {
                [] => String::new(),
                names => format!(" ({} does not say what this graph takes)", names.join(", ")),
            };
            let remedy = "add inputs and outputs of the graph in models/model.onnx under that name";
            warn(format!("\"network_data_format\" is missing{instead}"), remedy);
        }
        Some(format) => shape_warnings(format, &mut warn),
    }
    found.0
}

fn shape_warnings(format: &Value, warn: &mut impl FnMut(String, &str)) {
    for side in ["inputs", "outputs"] {
        let tensors = format.get(side).and_then(Value::as_object);
        for (name, tensor) in tensors.into_iter().flatten() {
            let axes = tensor.get("spatial_shape").and_then(Value::as_array);
            let free: Vec<&str> = axes.into_iter().flatten().filter_map(Value::as_str).collect();
            if !free.is_empty() {
                warn(
                    format!("{side} {name:?} has spatial_shape {}, which is a rule and no size", free.join(" x ")),
                    "give `resize` or `pad` steps in hilum/package.toml that end on a size of that kind",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        metadata_warnings(text.as_bytes()).iter().map(|p| p.problem.clone()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn traps_of_the_zoo_are_named() {
        insta::assert_snapshot!(told(r#"{
            "monai_version": "1.3", "pytorch_version": "2.1", "numpy_version": "1.2",
            "optional_packages_version": {}, "network_data_format": { "inputs": { "image": {
            "spatial_shape": ["16*n", "2**p*n", "*"] } }, "outputs": { "pred": { "spatial_shape": [96, 96] } } } }"#), @r#"
        it has "optional_packages_version" where the specification asks for "required_packages_version"
        inputs "image" has spatial_shape 16*n x 2**p*n x *, which is a rule and no size
        "#);
        insta::assert_snapshot!(told(r#"{ "autoencoder_data_format": {} }"#), @r#"
        "monai_version" is missing, which the specification asks for
        "pytorch_version" is missing, which the specification asks for
        "numpy_version" is missing, which the specification asks for
        "required_packages_version" is missing
        "network_data_format" is missing (autoencoder_data_format does not say what this graph takes)
        "#);
        assert_eq!((told("no JSON"), told("[]").lines().count()), (String::new(), 5));
    }
}
