//! Modules that every result object shares: patient, study, series, equipment, SOP common (PS3.3 chapter C).

use crate::attribute as a;
use crate::code;
use crate::request::{ContentQualification, EncodeRequest, ResultError, ResultKind};
use hilum_dicom::{Bulk, DataSet, Limits, Tag, Vr, keyword_of, read_data_set, vr_of};
use hilum_types::{AlgorithmIdentity, InstanceHeader, Timestamp, Uid};
use std::collections::BTreeSet;

/// Attributes of the patient and the study that a result copies, and whether they are type 2 (written empty when the
/// source does not have them).
pub(crate) const IDENTITY: &[(Tag, bool)] = &[
    (a::PATIENT_NAME, true),
    (a::PATIENT_ID, true),
    (a::ISSUER_OF_PATIENT_ID, false),
    (a::PATIENT_BIRTH_DATE, true),
    (a::PATIENT_SEX, true),
    (a::STUDY_DATE, true),
    (a::STUDY_TIME, true),
    (a::ACCESSION_NUMBER, true),
    (a::REFERRING_PHYSICIAN_NAME, true),
    (a::STUDY_DESCRIPTION, false),
    (a::STUDY_ID, true),
];

/// UID of the device that a model under a deployment is: Device UID and Device Observer UID of every result object, so
/// that the deployment record is found from an object alone (AV-16).
pub fn device_uid(algorithm: &AlgorithmIdentity) -> Uid {
    Uid::derived(&["device", &algorithm.package_digest, &algorithm.deployment])
}

/// A data set with everything that does not depend on the kind of object.
pub(crate) fn composite(request: &EncodeRequest<'_>, kind: ResultKind, ordinal: usize) -> DataSet {
    let instance = request.derived(&["instance", kind.word(), &ordinal.to_string()]);
    let series = request.derived(&["series", kind.word()]);
    let description = format!("AI: {}", model_title(request));
    let mut item = document(kind, request.identity(), request.now, &instance, &series, &description);
    item.put(a::CONTENT_QUALIFICATION, request.content_qualification.term());
    equipment(&mut item, request.algorithm);
    item.put_uid(a::DEVICE_UID, &device_uid(request.algorithm))
        .put_sequence(a::CONTRIBUTING_EQUIPMENT_SEQUENCE, contributing_equipment(request));
    item.put_sequence(a::CODING_SCHEME_IDENTIFICATION_SEQUENCE, vec![own_coding_scheme()]);
    item
}

/// SOP Common, Patient, General Study and General Series: what an object has whatever it says and whoever made it.
/// Patient and study are copied from `header`.
pub(crate) fn document(
    kind: ResultKind,
    header: &InstanceHeader,
    now: Timestamp,
    sop_instance_uid: &Uid,
    series_instance_uid: &Uid,
    series_description: &str,
) -> DataSet {
    let (date, time) = now.dicom_date_time();
    let mut item = DataSet::new();
    item.put(a::SPECIFIC_CHARACTER_SET, "ISO_IR 192")
        .put(a::INSTANCE_CREATION_DATE, &date)
        .put(a::INSTANCE_CREATION_TIME, &time)
        .put_uid(a::SOP_CLASS_UID, &kind.sop_class_uid())
        .put_uid(a::SOP_INSTANCE_UID, sop_instance_uid)
        .put(a::CONTENT_DATE, &date)
        .put(a::CONTENT_TIME, &time);
    for (tag, required) in IDENTITY {
        copy(&mut item, header, *tag, *required);
    }
    let (modality, number) = match kind {
        ResultKind::StructuredReport => ("SR", "9801"),
        ResultKind::Segmentation => ("SEG", "9802"),
        ResultKind::KeyImage => ("OT", "9803"),
        ResultKind::RejectionNote => ("KO", "9804"),
        ResultKind::AssessmentReport => ("SR", "9805"),
    };
    item.put_uid(a::STUDY_INSTANCE_UID, &header.study_instance_uid)
        .put_uid(a::SERIES_INSTANCE_UID, series_instance_uid)
        .put(a::MODALITY, modality)
        .put(a::SERIES_NUMBER, number)
        .put(a::SERIES_DATE, &date)
        .put(a::SERIES_TIME, &time)
        .put(a::SERIES_DESCRIPTION, shorten(series_description, 64));
    item
}

/// General Equipment: the model as a device, its package digest as the serial number (PS3.3 section C.7.5).
fn equipment(item: &mut DataSet, algorithm: &AlgorithmIdentity) {
    item.put(a::MANUFACTURER, &algorithm.manufacturer)
        .put(a::MANUFACTURER_MODEL_NAME, &algorithm.name)
        .put(a::DEVICE_SERIAL_NUMBER, &algorithm.package_digest)
        .put(a::SOFTWARE_VERSIONS, &algorithm.version);
}

/// The model under its deployment, and the platform that ran and encoded it (PS3.3 section C.12.1).
fn contributing_equipment(request: &EncodeRequest<'_>) -> Vec<DataSet> {
    let (date, time) = request.now.dicom_date_time();
    let algorithm = request.algorithm;
    let status = match request.content_qualification {
        ContentQualification::Research => "research use only",
        ContentQualification::Product { regulatory_status } => regulatory_status,
    };
    let mut model = DataSet::new();
    equipment(&mut model, algorithm);
    let description = format!("Deployment {}; regulatory status: {status}", algorithm.deployment);
    model.put(a::CONTRIBUTION_DESCRIPTION, shorten(&description, 1024));
    let mut platform = DataSet::new();
    platform_equipment(&mut platform).put(a::CONTRIBUTION_DESCRIPTION, "Gate, inference and encoding of the result");
    for item in [&mut model, &mut platform] {
        item.put_code(a::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &code::PROCESSING_EQUIPMENT.concept());
        item.put(a::CONTRIBUTION_DATE_TIME, format!("{date}{time}+0000"));
    }
    vec![model, platform]
}

/// General Equipment of what Hilum itself writes.
pub(crate) fn platform_equipment(item: &mut DataSet) -> &mut DataSet {
    item.put(a::MANUFACTURER, "Hilum open-source contributors")
        .put(a::MANUFACTURER_MODEL_NAME, "Hilum")
        .put(a::SOFTWARE_VERSIONS, env!("CARGO_PKG_VERSION"))
}

/// What `99HILUM` is, for an object that uses a code of it.
pub(crate) fn own_coding_scheme() -> DataSet {
    let mut item = DataSet::new();
    item.put(a::CODING_SCHEME_DESIGNATOR, code::HILUM_SCHEME)
        .put(a::CODING_SCHEME_NAME, "Hilum local concepts")
        .put(a::CODING_SCHEME_RESPONSIBLE_ORGANIZATION, "Hilum open-source contributors");
    item
}

/// Algorithm Identification Macro, PS3.3 section 10.16.
pub(crate) fn algorithm_identification(algorithm: &AlgorithmIdentity) -> DataSet {
    let mut item = DataSet::new();
    item.put_code(a::ALGORITHM_FAMILY_CODE_SEQUENCE, &code::ARTIFICIAL_INTELLIGENCE.concept())
        .put(a::ALGORITHM_NAME, &algorithm.name)
        .put(a::ALGORITHM_VERSION, &algorithm.version);
    let parameters = algorithm
        .parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .chain([format!("package={}", algorithm.package_digest)])
        .collect::<Vec<_>>();
    item.put(a::ALGORITHM_PARAMETERS, parameters.join("\r\n"));
    item
}

/// SOP Instance Reference Macro, PS3.3 section 10.8.
pub(crate) fn sop_reference(class: &Uid, instance: &Uid) -> DataSet {
    let mut item = DataSet::new();
    item.put_uid(a::REFERENCED_SOP_CLASS_UID, class).put_uid(a::REFERENCED_SOP_INSTANCE_UID, instance);
    item
}

/// Model name and version as people write them, at most 60 characters.
pub(crate) fn model_title(request: &EncodeRequest<'_>) -> String {
    shorten(&format!("{} {}", request.algorithm.name, request.algorithm.version), 60)
}

/// The first `max` characters.
pub(crate) fn shorten(text: &str, max: usize) -> String {
    text.chars().take(max).collect::<String>().trim_end().to_owned()
}

/// Copy an attribute as the source has it: empty stays empty, absent stays absent unless it is `required` (AV-22).
pub(crate) fn copy(item: &mut DataSet, header: &InstanceHeader, tag: Tag, required: bool) {
    match copied(header, tag) {
        Some(text) => item.put(tag, text),
        None if required => item.put_empty(tag),
        None => item,
    };
}

/// The text a result holds for an attribute of its source. Values of other than identifying text that break their VR
/// are brought into its form, or left empty: what leaves conforms even when what came in did not.
pub(crate) fn copied(header: &InstanceHeader, tag: Tag) -> Option<String> {
    let values = header.values(keyword_of(tag)?)?;
    let vr = vr_of(tag);
    let value = |text: &String| match vr {
        Vr::DA => Some(text.replace('.', "")).filter(|t| t.len() == 8 && t.bytes().all(|b| b.is_ascii_digit())),
        Vr::TM => {
            Some(text.replace(':', "")).filter(|t| t.len() <= 14 && t.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        }
        Vr::CS => Some(text.to_uppercase()).filter(|t| {
            t.len() <= 16 && t.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ' || b == b'_')
        }),
        Vr::DS if 16 < text.len() => {
            let mut short = DataSet::new();
            short.put_number(tag, text.trim().parse::<f64>().ok()?);
            short.string(tag)
        }
        _ if tag == a::STUDY_DESCRIPTION => Some(shorten(&text.replace(char::is_control, " "), 64)),
        _ => Some(text.clone()),
    };
    let values: Vec<String> = values.iter().map(|text| value(text).unwrap_or_default()).collect();
    Some(values.join("\\"))
}

/// Identifying text that DICOM cannot hold would have to be changed to be written, and a result under a changed
/// identity is worse than none.
pub(crate) fn check_identity(header: &InstanceHeader) -> Result<(), ResultError> {
    for (tag, _) in IDENTITY {
        let mut probe = DataSet::new();
        copy(&mut probe, header, *tag, true);
        // The writer names what breaks the VR without repeating the value.
        let probed = probe.to_bytes(hilum_dicom::Encoding::EXPLICIT_LITTLE);
        probed.map_err(ResultError::SourceIdentity)?;
    }
    Ok(())
}

/// Carry over that the source was compressed with loss (PS3.3 section C.7.6.1.1.5), read from the first of the
/// images whose bytes are at hand.
pub(crate) fn source_compression(
    item: &mut DataSet,
    request: &EncodeRequest<'_>,
    images: &BTreeSet<&Uid>,
) -> Result<(), ResultError> {
    let mut sources = request.source.iter().filter(|source| images.contains(&source.header.sop_instance_uid));
    let mut syntaxes = sources.clone().map(|source| source.header.transfer_syntax_uid.as_str());
    let found = sources.find_map(|source| Some((source.header, source.part10?)));
    let Some((header, bytes)) = found else {
        // Without its bytes all that is known of a source is its transfer syntax.
        let lost = syntaxes.any(|syntax| lossy_method(syntax).is_some_and(|(_, always)| always));
        item.put(a::LOSSY_IMAGE_COMPRESSION, if lost { "01" } else { "00" });
        return Ok(());
    };
    let read = read_data_set(bytes, None, Bulk::LeaveOut, &Limits::default()).map_err(ResultError::Pixels)?;
    let source = &read.data_set;
    let stated = source.string(a::LOSSY_IMAGE_COMPRESSION);
    let by_syntax = lossy_method(header.transfer_syntax_uid.as_str());
    let lossy = match stated.as_deref() {
        Some("01") => true,
        // A lossless process may also use the syntaxes that allow loss; "00" is believed for those only.
        Some("00") => matches!(by_syntax, Some((_, true))),
        _ => by_syntax.is_some(),
    };
    item.put(a::LOSSY_IMAGE_COMPRESSION, if lossy { "01" } else { "00" });
    if !lossy {
        return Ok(());
    }
    let ratio = source.numbers(a::LOSSY_IMAGE_COMPRESSION_RATIO).filter(|ratios| !ratios.is_empty());
    item.put_numbers(a::LOSSY_IMAGE_COMPRESSION_RATIO, &ratio.unwrap_or_else(|| vec![observed_ratio(source, bytes)]));
    let method = source.strings(a::LOSSY_IMAGE_COMPRESSION_METHOD).filter(|methods| !methods.is_empty());
    if let Some(methods) = method.or_else(|| by_syntax.map(|(method, _)| vec![method.to_owned()])) {
        item.put(a::LOSSY_IMAGE_COMPRESSION_METHOD, methods.join("\\"));
    }
    Ok(())
}

/// Lossy Image Compression Method of a transfer syntax, and whether it always loses.
fn lossy_method(transfer_syntax: &str) -> Option<(&'static str, bool)> {
    match transfer_syntax {
        "1.2.840.10008.1.2.4.50" | "1.2.840.10008.1.2.4.51" => Some(("ISO_10918_1", true)),
        "1.2.840.10008.1.2.4.81" => Some(("ISO_14495_1", true)),
        "1.2.840.10008.1.2.4.91" => Some(("ISO_15444_1", false)),
        "1.2.840.10008.1.2.4.203" => Some(("ISO_15444_15", false)),
        _ => None,
    }
}

/// Uncompressed size by the size of the object, to one decimal.
fn observed_ratio(source: &DataSet, bytes: &[u8]) -> f64 {
    let number = |tag, otherwise: f64| source.number(tag).unwrap_or(otherwise);
    let plain = number(a::ROWS, 0.0)
        * number(a::COLUMNS, 0.0)
        * number(a::SAMPLES_PER_PIXEL, 1.0)
        * number(a::NUMBER_OF_FRAMES, 1.0)
        * number(a::BITS_ALLOCATED, 8.0)
        / 8.0;
    (plain / bytes.len().max(1) as f64 * 10.0).round().max(10.0) / 10.0
}
