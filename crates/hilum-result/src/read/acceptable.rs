//! Whether what a product sent back is a result of the version that was accepted here (AV-08, AV-16, AV-17).

use super::{ReadKind, ReadResult};
use hilum_types::{Reason, Uid};
use std::collections::HashSet;

/// What the results of a product must hold to.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Software or algorithm version that is registered.
    pub version: &'a str,
    /// Manufacturer's Model Name that is registered; `None`: not compared.
    pub model_name: Option<&'a str>,
    /// Whether a regulatory status is on file.
    pub is_regulated: bool,
    /// Instances of the study.
    pub study: &'a HashSet<Uid>,
}

/// Whether the results of one answer may be released. Pure; the bytes stay the maker's.
///
/// # Errors
/// - `product.other-version`: an object states versions, and the registered one is not among them
/// - `product.unidentified`: no object of the answer states any version, so nobody knows what made it
/// - `product.other-model`: an object states another model
/// - `product.verified`: a report says that a person has verified it
/// - `product.qualification`: an object calls itself a product result, and no regulatory status is on file
/// - `product.references`: an object refers to images, and to none of this study
/// - `product.malformed`: no viewer could show the object
pub fn acceptable(results: &[ReadResult], expected: &Expected<'_>) -> Result<(), Reason> {
    let mut identified = false;
    for result in results {
        if let Some(defect) = &result.defect {
            return Err(Reason::new("product.malformed", format!("a result of the product is malformed: {defect}")));
        }
        identified |= states_version(result, expected.version)?;
        states_model(result, expected.model_name)?;
        if result.kind == ReadKind::Report && result.verification.as_deref() == Some("VERIFIED") {
            let text = "a report of the product says that a person has verified it, which nobody did here";
            return Err(Reason::about("product.verified", text, "VerificationFlag", "VERIFIED"));
        }
        if result.content_qualification.as_deref() == Some("PRODUCT") && !expected.is_regulated {
            let text = "a result calls itself a product result, but no regulatory status is on file here";
            return Err(Reason::about("product.qualification", text, "ContentQualification", "PRODUCT"));
        }
        if !result.references.is_empty() && !result.references.iter().any(|uid| expected.study.contains(uid)) {
            let text = "a result refers to images of which none is of the study the product was asked about";
            return Err(Reason::new("product.references", text));
        }
    }
    if !identified {
        let text = "no result of the product states a software or algorithm version, so it cannot be told what made it";
        return Err(Reason::new("product.unidentified", text));
    }
    Ok(())
}

/// Whether the object states the version; refused when it states others only.
fn states_version(result: &ReadResult, version: &str) -> Result<bool, Reason> {
    let of_algorithms = result.algorithms.iter().map(|algorithm| algorithm.version.as_str());
    let stated: Vec<&str> =
        result.software_versions.iter().map(String::as_str).chain(of_algorithms).filter(|v| !v.is_empty()).collect();
    if stated.is_empty() || stated.contains(&version) {
        return Ok(!stated.is_empty());
    }
    let found = stated.join(", ");
    let text = format!("the product states version {found}, the one registered here is {version}");
    Err(Reason::about("product.other-version", text, "SoftwareVersions", found))
}

fn states_model(result: &ReadResult, model_name: Option<&str>) -> Result<(), Reason> {
    let Some(expected) = model_name else { return Ok(()) };
    if result.model_name == expected {
        return Ok(());
    }
    let found = if result.model_name.is_empty() { "none" } else { result.model_name.as_str() };
    let text = format!("a result states the model {found}, the one registered here is {expected}");
    Err(Reason::about("product.other-model", text, "ManufacturerModelName", found))
}
