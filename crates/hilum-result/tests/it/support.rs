//! Sources and requests for the tests: small synthetic objects made here, and real ones from the shared folder.

use hilum_dicom::{DataSet, Limits, Vr, read_part10_header, tags};
use hilum_result::{ContentQualification, EncodeRequest, EncodedResult, SourceImage, encode, english};
use hilum_types::{
    AlgorithmIdentity, CodedConcept, Finding, ImageReference, InstanceHeader, Location, Measurement, ModelOutput, Phi,
    Presence, Segment, SegmentMask, Timestamp, Uid,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An image with its header.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) header: InstanceHeader,
    pub(crate) bytes: Vec<u8>,
}

impl Source {
    pub(crate) fn of(bytes: Vec<u8>) -> Source {
        let header = read_part10_header(&bytes, &Limits::default()).expect("the source is readable").header;
        Source { header, bytes }
    }

    pub(crate) fn reference(&self) -> ImageReference {
        ImageReference {
            sop_class_uid: self.header.sop_class_uid.clone(),
            sop_instance_uid: self.header.sop_instance_uid.clone(),
            series_instance_uid: self.header.series_instance_uid.clone(),
            frame: None,
        }
    }

    pub(crate) fn with(mut self, keyword: &str, value: Option<&str>) -> Source {
        let values = value.map(|value| vec![value.to_owned()]).unwrap_or_default();
        self.header.attributes.insert(keyword.to_owned(), Phi::new(values));
        self
    }

    fn side(&self, keyword: &str) -> u32 {
        self.header.number(keyword).expect("the source has rows and columns") as u32
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.side("Rows"), self.side("Columns"))
    }
}

/// The shared folder, or `None` with a note; in CI its absence is a failure.
pub(crate) fn shared(what: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let root = std::env::var_os("HILUM_SHARED").map_or_else(|| PathBuf::from(default), PathBuf::from);
    if root.join("data").is_dir() {
        return Some(root.join("data"));
    }
    skip(&format!("{what}: no shared data"));
    None
}

/// Say that something was not tested; in CI that is a failure.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "must not be skipped in CI: {why}");
    println!("skipped, {why}");
}

/// Whether a program can be started.
pub(crate) fn available(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

pub(crate) fn load(path: &Path) -> Source {
    Source::of(std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// The files of a folder by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("a folder that opened can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dcm"))
        .collect();
    files.sort();
    files
}

fn base(class: &str, instance: &str, modality: &str) -> DataSet {
    let mut set = DataSet::new();
    set.put(tags::SOP_CLASS_UID, class)
        .put(tags::SOP_INSTANCE_UID, instance)
        .put(tags::STUDY_INSTANCE_UID, "1.2.3.1")
        .put(tags::SERIES_INSTANCE_UID, "1.2.3.1.1")
        .put(tags::MODALITY, modality)
        .put(tags::PATIENT_NAME, "Phantom^Paula")
        .put(tags::PATIENT_ID, "PHANTOM-7")
        .put(tags::PATIENT_BIRTH_DATE, "19600102")
        .put(tags::PATIENT_SEX, "F")
        .put(tags::STUDY_DATE, "20261120")
        .put(tags::STUDY_TIME, "101500")
        .put(tags::STUDY_ID, "S1")
        .put(tags::ACCESSION_NUMBER, "A-1001")
        .put(tags::STUDY_DESCRIPTION, "Phantom")
        .put_empty(tags::REFERRING_PHYSICIAN_NAME)
        .put(tags::SERIES_NUMBER, "1");
    set
}

fn pixels(set: &mut DataSet, rows: u32, columns: u32, value: impl Fn(u32, u32) -> u16) {
    let bytes = (0..rows)
        .flat_map(|y| (0..columns).map(move |x| (x, y)))
        .flat_map(|(x, y)| value(x, y).to_le_bytes())
        .collect();
    for (tag, number) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, rows),
        (tags::COLUMNS, columns),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        set.put_number(tag, number);
    }
    set.put_bytes(tags::PIXEL_DATA, Vr::OW, bytes);
}

/// A chest radiograph: a bright frame, two dark fields, a bright disc in one of them.
pub(crate) fn radiograph() -> Source {
    let (rows, columns) = (300, 260);
    let mut set = base("1.2.840.10008.5.1.4.1.1.1.1", "1.2.3.1.1.1", "DX");
    set.put(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
        .put(tags::PATIENT_ORIENTATION, "L\\F")
        .put(tags::BODY_PART_EXAMINED, "CHEST")
        .put(tags::WINDOW_CENTER, "1500")
        .put(tags::WINDOW_WIDTH, "3000")
        .put(tags::INSTANCE_NUMBER, "1");
    pixels(&mut set, rows, columns, |x, y| {
        let lung =
            |center: f64| ((f64::from(x) - center) / 45.0).powi(2) + ((f64::from(y) - 150.0) / 105.0).powi(2) < 1.0;
        let disc = (f64::from(x) - 190.0).powi(2) + (f64::from(y) - 110.0).powi(2) < 144.0;
        if disc {
            1900
        } else if lung(70.0) || lung(190.0) {
            700
        } else {
            2300 - (y as u16) * 2
        }
    });
    Source::of(set.to_part10_bytes().expect("the phantom is valid"))
}

/// `n` axial CT slices, 5 mm apart.
pub(crate) fn ct(n: u32, rows: u32, columns: u32) -> Vec<Source> {
    let slice = |index: u32| {
        let mut set = base("1.2.840.10008.5.1.4.1.1.2", &format!("1.2.3.1.1.{}", index + 1), "CT");
        set.put(tags::PHOTOMETRIC_INTERPRETATION, "MONOCHROME2")
            .put(tags::FRAME_OF_REFERENCE_UID, "1.2.3.1.99")
            .put(tags::IMAGE_POSITION_PATIENT, format!("-100\\-100\\{}", -40.0 + 5.0 * f64::from(index)))
            .put(tags::IMAGE_ORIENTATION_PATIENT, "1\\0\\0\\0\\1\\0")
            .put(tags::PIXEL_SPACING, "0.75\\0.75")
            .put(tags::SLICE_THICKNESS, "5")
            .put(tags::RESCALE_INTERCEPT, "-1024")
            .put(tags::RESCALE_SLOPE, "1")
            .put(tags::WINDOW_CENTER, "40")
            .put(tags::WINDOW_WIDTH, "400")
            .put(tags::INSTANCE_NUMBER, (index + 1).to_string());
        pixels(&mut set, rows, columns, |x, y| 1000 + ((x / 4 + y / 4 + index) % 16) as u16 * 10);
        Source::of(set.to_part10_bytes().expect("the phantom is valid"))
    };
    (0..n).map(slice).collect()
}

pub(crate) fn algorithm() -> AlgorithmIdentity {
    AlgorithmIdentity {
        name: "chest-findings".into(),
        version: "1.2.0".into(),
        package_digest: "5f0c".repeat(16),
        deployment: "chest-er".into(),
        manufacturer: "Example Radiology Lab".into(),
        parameters: vec![("operating_point.nodule".into(), "0.5".into())],
    }
}

pub(crate) fn finding(label: &str, presence: Presence, score: f64, images: &[ImageReference]) -> Finding {
    let concept = match label {
        "nodule" => CodedConcept::new("27925004", "SCT", "Nodule"),
        _ => CodedConcept::new("60046008", "SCT", "Pleural effusion"),
    };
    Finding {
        label: label.into(),
        concept,
        presence,
        score: Some(score),
        operating_point: Some(0.5),
        location: None,
        measurements: Vec::new(),
        images: images.to_vec(),
    }
}

pub(crate) fn located(mut finding: Finding, image: ImageReference, bounding_box: [f64; 4]) -> Finding {
    finding.location = Some(Location { image, bounding_box });
    finding.measurements = vec![Measurement {
        concept: CodedConcept::new("81827009", "SCT", "Diameter"),
        value: 17.25,
        unit: CodedConcept::new("mm", "UCUM", "millimeter"),
    }];
    finding
}

/// One finding seen, one not.
pub(crate) fn one_finding(source: &Source) -> ModelOutput {
    let inputs = vec![source.reference()];
    let nodule = finding("nodule", Presence::Present, 0.9134, &inputs);
    let (rows, columns) = source.size();
    let at = |share: f64, side: u32| share * f64::from(side);
    let place = [at(0.67, columns), at(0.31, rows), at(0.79, columns), at(0.42, rows)];
    ModelOutput {
        findings: vec![
            finding("effusion", Presence::Absent, 0.031, &inputs),
            located(nodule, source.reference(), place),
        ],
        segments: Vec::new(),
        inputs,
    }
}

/// Looked for two findings, saw none.
pub(crate) fn no_finding(source: &Source) -> ModelOutput {
    let inputs = vec![source.reference()];
    ModelOutput {
        findings: vec![
            finding("nodule", Presence::Absent, 0.12, &inputs),
            finding("effusion", Presence::Absent, 0.031, &inputs),
        ],
        segments: Vec::new(),
        inputs,
    }
}

/// A segment whose masks are drawn by `value(image index, x, y)`.
pub(crate) fn segment(
    label: &str,
    type_code: &str,
    sources: &[Source],
    value: impl Fn(usize, u32, u32) -> bool,
) -> Segment {
    let mask = |(index, source): (usize, &Source)| {
        let (rows, columns) = source.size();
        let pixels = (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y)));
        let pixels = pixels.map(|(x, y)| u8::from(value(index, x, y))).collect();
        let frame = (1 < source.header.frames()).then_some(1);
        SegmentMask { image: ImageReference { frame, ..source.reference() }, rows, columns, pixels }
    };
    Segment {
        label: label.into(),
        category: CodedConcept::new("123037004", "SCT", "Anatomical Structure"),
        property_type: CodedConcept::new(type_code, "SCT", label),
        display_rgb: [90, 200, 120],
        masks: sources.iter().enumerate().map(mask).collect(),
        measurements: vec![Measurement {
            concept: CodedConcept::new("118565006", "SCT", "Volume"),
            value: 1234.5678,
            unit: CodedConcept::new("cm3", "UCUM", "cubic centimeter"),
        }],
    }
}

/// Two segments: an ellipse that fades towards the last slices, and one that is empty everywhere.
pub(crate) fn segmentation(sources: &[Source]) -> ModelOutput {
    let sizes: Vec<(u32, u32)> = sources.iter().map(Source::size).collect();
    let ellipse = move |index: usize, x: u32, y: u32| {
        let (rows, columns) = sizes[index];
        let offset = |at: u32, side: u32| (f64::from(at) + 0.5) / f64::from(side) - 0.5;
        let reach = 0.12 / (1.0 + index as f64);
        // Slice 1 stays empty, so that sparse writing has something to leave out.
        index != 1 && offset(x, columns).powi(2) + 0.5 * offset(y, rows).powi(2) < reach
    };
    let frame = |source: &Source| (1 < source.header.frames()).then_some(1);
    ModelOutput {
        findings: Vec::new(),
        segments: vec![
            segment("Lung", "39607008", sources, ellipse),
            segment("Heart", "80891009", sources, |_, _, _| false),
        ],
        inputs: sources.iter().map(|s| ImageReference { frame: frame(s), ..s.reference() }).collect(),
    }
}

/// 2026-11-23 09:12:41 UTC.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_795_425_161_000_250)
}

pub(crate) fn images(sources: &[Source]) -> Vec<SourceImage<'_>> {
    sources.iter().map(|s| SourceImage { header: &s.header, part10: Some(&s.bytes) }).collect()
}

pub(crate) fn request<'a>(
    output: &'a ModelOutput,
    algorithm: &'a AlgorithmIdentity,
    source: &'a [SourceImage<'a>],
) -> EncodeRequest<'a> {
    EncodeRequest {
        output,
        algorithm,
        source,
        now: now(),
        content_qualification: ContentQualification::Research,
        seed: &["1.2.3.1", "1", "5f0c", "chest-er"],
        incomplete_input: false,
        cautions: &[],
        language: english(),
        procedure: None,
    }
}

pub(crate) fn encoded(sources: &[Source], output: &ModelOutput) -> Vec<EncodedResult> {
    let (algorithm, images) = (algorithm(), images(sources));
    encode(&request(output, &algorithm, &images)).unwrap_or_else(|e| panic!("{e}: {e:?}"))
}

/// Uid of a literal.
pub(crate) fn uid(text: &str) -> Uid {
    text.parse().expect("a literal UID")
}
