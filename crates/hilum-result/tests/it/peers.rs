//! dciodvfy on every object, highdicom and pydicom on what they say, over synthetic and real sources.

use crate::support::*;
use hilum_result::{EncodedResult, ResultKind};
use hilum_types::{ModelOutput, Presence};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A set of source images of one study and what a model says about it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) sources: Vec<Source>,
}

pub(crate) fn synthetic() -> Vec<Case> {
    let named = |name: &str| vec![radiograph().with("PatientName", Some(name))];
    let empty = radiograph()
        .with("PatientName", None)
        .with("PatientID", None)
        .with("PatientBirthDate", None)
        .with("PatientSex", None)
        .with("AccessionNumber", None)
        .with("StudyDate", None)
        .with("StudyTime", None)
        .with("StudyID", None);
    vec![
        Case { name: "radiograph", sources: vec![radiograph()] },
        Case { name: "japanese", sources: named("Yamada^Tarou=山田^太郎=やまだ^たろう") },
        Case { name: "arabic", sources: named("قباني^لنزار") },
        Case { name: "without identity", sources: vec![empty] },
        Case { name: "ct", sources: ct(5, 26, 22) },
        // 23 x 21 bits are no whole number of bytes, so frames share bytes.
        Case { name: "ct of odd size", sources: ct(4, 23, 21) },
    ]
}

fn real() -> Vec<Case> {
    let Some(data) = shared("peers") else { return Vec::new() };
    let all = |folder: &str, from: usize, n: usize| -> Vec<Source> {
        files(&data.join(folder)).iter().skip(from).take(n).map(|path| load(path)).collect()
    };
    let one = |path: &str| vec![load(&data.join(path))];
    vec![
        Case { name: "cr jpeg", sources: all("cxr/kermany-test", 3, 1) },
        Case { name: "cr jpeg 2000", sources: all("cxr/hannover", 0, 1) },
        Case { name: "dx", sources: all("cxr/nih-64px", 0, 1) },
        Case { name: "dx monochrome1", sources: one("dicom/highdicom/dx_image.dcm") },
        Case { name: "cr monochrome1 htj2k", sources: one("dicom/htj2k/RG3_HTJ2K.dcm") },
        Case { name: "mr jpeg 2000", sources: all("mr/t1-brain/dicom", 110, 4) },
        Case { name: "ct with gantry tilt", sources: all("dicom/ct-ge-gantry-tilt", 0, 6) },
        Case { name: "ct implicit", sources: all("dicom/dcmqi/segmentations/ct-3slice", 0, 3) },
        Case { name: "ct jpeg-ls lossy", sources: one("dicom/cornerstone/CTImage_1.2.840.10008.1.2.4.81.dcm") },
        Case { name: "mr big endian", sources: one("dicom/pydicom/MR_small_bigendian.dcm") },
        Case { name: "enhanced mr, six frames", sources: one("dicom/mr-enhanced-siemens-xa/6_1.dcm") },
        Case { name: "us colour", sources: one("dicom/cornerstone/US-YBR_FULL_422-EVRLE.dcm") },
    ]
}

/// Findings of every presence, with and without a place, and segments.
pub(crate) fn output(sources: &[Source]) -> ModelOutput {
    let mut output = segmentation(sources);
    let first = output.inputs[0].clone();
    let mut findings = one_finding(&sources[0]).findings;
    findings.push(finding("effusion", Presence::Indeterminate, 0.5, &output.inputs));
    for finding in &mut findings {
        finding.images = output.inputs.clone();
        if let Some(location) = &mut finding.location {
            location.image = first.clone();
        }
    }
    output.findings = findings;
    output
}

pub(crate) fn dciodvfy(name: &str, folder: &Path, result: &EncodedResult) {
    let path = folder.join("object.dcm");
    std::fs::write(&path, &result.part10).expect("the temporary folder is writable");
    let output = Command::new("dciodvfy").arg(&path).output().expect("dciodvfy starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("Error")).collect();
    assert!(errors.is_empty(), "{name}, {:?}: {errors:#?}", result.kind);
    let recognised = ["Comprehensive3DSR", "Segmentation", "SCImage", "KeyObjectSelectionDocument", "EnhancedSR"]
        .iter()
        .any(|iod| text.contains(iod));
    assert!(recognised, "{name}, {:?}: {text}", result.kind);
}

#[test]
fn dciodvfy_finds_no_error_av_15() {
    if !available("dciodvfy") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases: Vec<Case> = synthetic().into_iter().chain(real()).collect();
    for case in &cases {
        for output in [output(&case.sources), no_finding(&case.sources[0]), one_finding(&case.sources[0])] {
            for result in encoded(&case.sources, &output) {
                dciodvfy(case.name, folder.path(), &result);
            }
        }
    }
    println!("dciodvfy: {} sources, no error", cases.len());
}

pub(crate) fn python() -> Option<String> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import highdicom"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skip("highdicom is not importable; name an interpreter that has it in HILUM_PYTHON");
    None
}

/// DCMTK renders each file as that kind of document, and the Python script says `ok` of each in `folder`.
pub(crate) fn independent_readers_take(files: &[PathBuf], kind: &str, script: &str, folder: &Path) {
    if available("dsrdump") {
        for file in files {
            let output = Command::new("dsrdump").arg(file).output().expect("dsrdump starts");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && text.contains(kind), "{text}{errors}");
        }
    }
    let Some(python) = python() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script);
    let output = Command::new(python).arg("-I").arg(script).arg(folder).output().expect("python starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert_eq!(stdout.lines().filter(|line| line.starts_with("ok ")).count(), files.len(), "{stdout}");
}

/// What the Python side compares with: files of sources and results, findings, and the masks that went in.
fn write_case(folder: &Path, case: &Case, output: &ModelOutput, results: &[EncodedResult]) {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("writable");
    for (index, source) in case.sources.iter().enumerate() {
        write(&format!("source{index}.dcm"), &source.bytes);
    }
    for (index, result) in results.iter().enumerate() {
        write(&format!("result{index}.dcm"), &result.part10);
    }
    let mut masks = Vec::new();
    for (segment, mask) in output.segments.iter().flat_map(|s| s.masks.iter().map(move |m| (&s.label, m))) {
        let file = format!("mask{}.bin", masks.len());
        write(&file, &mask.pixels);
        masks.push(serde_json::json!({
            "segment": segment, "file": file, "rows": mask.rows, "columns": mask.columns,
            "instance": mask.image.sop_instance_uid.as_str(), "frame": mask.image.frame,
        }));
    }
    let findings: Vec<_> = output
        .findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "code": finding.concept.value, "presence": finding.presence, "score": finding.score,
                "box": finding.location.as_ref().map(|location| location.bounding_box),
            })
        })
        .collect();
    let identity: Vec<_> = ["PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"]
        .iter()
        .map(|keyword| (*keyword, case.sources[0].header.text(keyword).unwrap_or_default()))
        .collect();
    let kinds: Vec<&str> = results.iter().map(|result| result.kind.word()).collect();
    let segments: Vec<_> = output
        .segments
        .iter()
        .map(|s| serde_json::json!({"label": s.label, "empty": s.masks.iter().all(|m| m.pixels.iter().all(|p| *p == 0))}))
        .collect();
    let manifest = serde_json::json!({
        "name": case.name, "kinds": kinds, "masks": masks, "findings": findings, "segments": segments,
        "identity": identity, "n_sources": case.sources.len(),
    });
    write("manifest.json", manifest.to_string().as_bytes());
}

#[test]
fn highdicom_reads_back_what_went_in() {
    let Some(python) = python() else { return };
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut folders = Vec::new();
    for (index, case) in synthetic().into_iter().chain(real()).enumerate() {
        let folder = root.path().join(index.to_string());
        std::fs::create_dir(&folder).expect("the temporary folder is writable");
        let output = output(&case.sources);
        let results = encoded(&case.sources, &output);
        assert_eq!(results[0].kind, ResultKind::StructuredReport);
        write_case(&folder, &case, &output, &results);
        folders.push(folder);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/read_back.py");
    let output = Command::new(python).arg("-I").arg(script).args(&folders).output().expect("python starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert_eq!(stdout.lines().filter(|line| line.starts_with("ok ")).count(), folders.len(), "{stdout}");
    println!("{stdout}");
}
