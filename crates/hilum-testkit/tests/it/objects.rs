use crate::{has_tool, morning};
use hilum_dicom::{Bulk, Image, Limits, read_data_set, tags};
use hilum_testkit::{
    Acquisition, CtObjects, FindingSpec, Kernel, Phantom, PhantomInstance, Photometric, PlannedStudy, SampleSet, Side,
    Subject, Truth, View, ct, dx,
};
use hilum_types::{Digest, attribute};
use std::path::Path;
use std::process::Command;

fn small_ct() -> Acquisition {
    Acquisition::chest_ct().with_matrix(128, 128).with_slices(24)
}

fn stored(instance: &PhantomInstance) -> Vec<f64> {
    let image = Image::open(instance.part10(), None, &Limits::default()).unwrap();
    image.frame(0).unwrap().to_f64()
}

/// What the tool says against an object, without what it cannot know: it was built in 2022, Synthetic Data (0008,001C)
/// came into the dictionary later.
fn complaints(folder: &Path, instance: &PhantomInstance) -> Vec<String> {
    let file = folder.join("object.dcm");
    std::fs::write(&file, instance.part10()).unwrap();
    let output = Command::new("dciodvfy").arg(&file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let newer = "Error - Attribute with an even group number is not a recognized standard attribute - (0x0008,0x001c)";
    said.lines().filter(|line| line.contains("Error") && !line.starts_with(newer)).map(str::to_owned).collect()
}

#[test]
fn objects_have_no_error_by_an_independent_validator() {
    if !has_tool("dciodvfy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let subject = Subject::seeded(1, morning());
    let all = [FindingSpec::nodule(), FindingSpec::effusion(), FindingSpec::Cardiomegaly];
    let monochrome1 = Acquisition { photometric: Photometric::Monochrome1, ..Acquisition::radiograph() };
    let lateral = Acquisition { view: View::LeftLateral, ..Acquisition::radiograph() };
    for acquisition in [
        Acquisition::radiograph(),
        monochrome1,
        lateral,
        Acquisition::radiograph_bedside(),
        Acquisition::radiograph_other_vendor(),
    ] {
        for synthetic_mark in [true, false] {
            let acquisition = Acquisition { synthetic_mark, ..acquisition.clone() }.with_matrix(128, 128);
            let phantom = dx(1, &subject, &acquisition, &all).unwrap();
            assert_eq!(complaints(folder.path(), &phantom.instances[0]), [""; 0], "{acquisition:?}");
        }
    }
    let phantom = ct(1, &subject, &small_ct(), &[FindingSpec::nodule()]).unwrap();
    for instance in [&phantom.instances[0], &phantom.instances[12], &phantom.instances[23]] {
        assert_eq!(complaints(folder.path(), instance), [""; 0]);
    }
}

/// Digests of data sets, pinned: a phantom that changes changes every figure and golden case that came from it. They
/// hold on every machine because no platform's mathematical functions are used.
#[test]
fn the_same_arguments_give_the_same_bytes() {
    let subject = Subject::seeded(4, morning());
    let acquisition = Acquisition::radiograph().with_matrix(96, 96);
    let make = || dx(4, &subject, &acquisition, &[FindingSpec::nodule(), FindingSpec::effusion()]).unwrap();
    let phantom = make();
    assert_eq!(phantom.instances[0].part10(), make().instances[0].part10());
    let pixels = |instance: &PhantomInstance| {
        let values: Vec<u8> = stored(instance).iter().flat_map(|v| (*v as u16).to_le_bytes()).collect();
        Digest::of(&values).short()
    };
    let series = ct(4, &subject, &Acquisition::chest_ct().with_matrix(64, 64).with_slices(8), &[]).unwrap();
    assert_eq!([pixels(&phantom.instances[0]), pixels(&series.instances[4])], ["84053d05987c", "31383f309092"]);
}

#[test]
fn other_bytes_have_another_instance_uid_and_the_same_patient_another_study_uid_per_accession() {
    let subject = Subject::seeded(5, morning());
    let small = Acquisition::radiograph().with_matrix(32, 32);
    let louder = Acquisition { noise: 2.0, ..small.clone() };
    let make = |subject: &Subject, acquisition: &Acquisition| dx(5, subject, acquisition, &[]).unwrap();
    let (one, two) = (make(&subject, &small), make(&subject, &louder));
    assert_eq!(one.study_instance_uid, two.study_instance_uid);
    assert_ne!(one.instances[0].sop_instance_uid, two.instances[0].sop_instance_uid);
    let later = Subject { accession: "A2".into(), ..subject };
    assert_ne!(make(&later, &small).study_instance_uid, one.study_instance_uid);
}

#[test]
fn attributes_say_what_the_knobs_say() {
    let subject = Subject { name: "Çanary^Ünïcode".into(), ..Subject::seeded(6, morning()) };
    let acquisition = Acquisition::radiograph_other_vendor().with_matrix(64, 64);
    let phantom = dx(6, &subject, &acquisition, &[]).unwrap();
    let scanned = hilum_dicom::read_part10_header(phantom.instances[0].part10(), &Limits::default()).unwrap();
    let text = |keyword: &str| scanned.header.text(keyword).unwrap_or_default().to_owned();
    assert_eq!(text(attribute::MODALITY), "CR");
    assert_eq!(text(attribute::MANUFACTURER), "Kestrel Medical");
    assert_eq!(text(attribute::VIEW_POSITION), "PA");
    assert_eq!(text(attribute::SYNTHETIC_DATA), "YES");
    let read = read_data_set(phantom.instances[0].part10(), None, Bulk::LeaveOut, &Limits::default()).unwrap();
    assert_eq!(read.warnings, []);
    assert_eq!(read.data_set.string(tags::PATIENT_NAME).as_deref(), Some("Çanary^Ünïcode"));
    assert_eq!(read.data_set.string(tags::PHOTOMETRIC_INTERPRETATION).as_deref(), Some("MONOCHROME1"));
    let clinical = Acquisition { synthetic_mark: false, ..acquisition };
    let phantom = dx(6, &subject, &clinical, &[]).unwrap();
    let scanned = hilum_dicom::read_part10_header(phantom.instances[0].part10(), &Limits::default()).unwrap();
    assert_eq!(scanned.header.text(attribute::SYNTHETIC_DATA), None);
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    sum / f64::from(n)
}

fn within(values: &[f64], columns: usize, [left, top, right, bottom]: [f64; 4]) -> f64 {
    let rows = top as usize..bottom as usize;
    mean(
        rows.flat_map(|row| (left as usize..right as usize).map(move |c| (row, c)))
            .map(|(r, c)| values[r * columns + c]),
    )
}

/// Image with and without the finding differ where the truth says, and nowhere else to speak of.
#[test]
fn findings_lie_where_the_truth_says() {
    let subject = Subject::seeded(7, morning());
    let acquisition = Acquisition { noise: 0.1, ..Acquisition::radiograph() }.with_matrix(256, 256);
    let make = |findings: &[FindingSpec]| dx(7, &subject, &acquisition, findings).unwrap();
    let clear = stored(&make(&[]).instances[0]);
    for finding in [
        FindingSpec::Nodule { side: Some(Side::Right), radius_mm: Some(14.0), height: None },
        FindingSpec::Effusion { side: Some(Side::Left), level: Some(0.4) },
    ] {
        let phantom = make(&[finding]);
        let found = &phantom.truth.findings[0];
        let values = stored(&phantom.instances[0]);
        let difference: Vec<f64> = values.iter().zip(&clear).map(|(a, b)| a - b).collect();
        let inside = within(&difference, 256, found.bounding_box);
        let whole = mean(difference.iter().map(|d| d.abs()));
        assert!(80.0 < inside && 4.0 * whole < inside, "{}: {inside} inside, {whole} overall", found.label);
        // A frontal image shows the patient's right on its left.
        let middle = (found.bounding_box[0] + found.bounding_box[2]) / 2.0;
        assert_eq!(middle < 128.0, found.side == Some(Side::Right), "{}", found.label);
    }
}

fn lung_pixels(truth: &Truth) -> usize {
    truth.lung_masks.iter().map(|mask| mask.pixels.iter().filter(|p| **p == 1).count()).sum()
}

#[test]
fn lungs_are_dark_and_an_effusion_takes_some_away() {
    let subject = Subject::seeded(8, morning());
    let acquisition = Acquisition::radiograph().with_matrix(256, 256);
    let make = |findings: &[FindingSpec]| dx(8, &subject, &acquisition, findings).unwrap();
    let clear = make(&[]);
    let values = stored(&clear.instances[0]);
    let mask = &clear.truth.lung_masks[0].pixels;
    let lung = mean(values.iter().zip(mask).filter(|(_, m)| **m == 1).map(|(v, _)| *v));
    let middle = within(&values, 256, [120.0, 100.0, 136.0, 200.0]);
    assert!(lung + 1000.0 < middle, "{lung} {middle}");
    // Two lungs of a standing adult: 300 to 600 cm2 of projected field without heart and mediastinum.
    let area_cm2 = lung_pixels(&clear.truth) as f64 * (acquisition.pixel_spacing_mm / 10.0).powi(2);
    assert!((300.0..600.0).contains(&area_cm2), "{area_cm2}");
    let filled = make(&[FindingSpec::Effusion { side: None, level: Some(0.5) }]);
    assert!(lung_pixels(&filled.truth) * 20 < lung_pixels(&clear.truth) * 19);
    assert_eq!(clear.truth.cardiothoracic_ratio.map(|r| r < 0.5), Some(true));
    let large = make(&[FindingSpec::Cardiomegaly]);
    assert_eq!(large.truth.cardiothoracic_ratio.map(|r| 0.5 < r), Some(true));
}

/// Standard deviation of neighbours' differences in the abdomen, where the anatomy is smooth.
fn roughness(instance: &PhantomInstance) -> f64 {
    let values = stored(instance);
    let differences: Vec<f64> = (225..245)
        .flat_map(|row: usize| (80..110).map(move |c| row * 256 + c))
        .map(|at| values[at + 1] - values[at])
        .collect();
    (mean(differences.iter().map(|d| d * d))).sqrt()
}

#[test]
fn noise_and_dose_do_what_they_say() {
    let subject = Subject::seeded(9, morning());
    let make = |noise: f64, exposure: f64| {
        let acquisition = Acquisition { noise, exposure, ..Acquisition::radiograph() }.with_matrix(256, 256);
        roughness(&dx(9, &subject, &acquisition, &[]).unwrap().instances[0])
    };
    let usual = make(1.0, 1.0);
    assert!((make(3.0, 1.0) / usual - 3.0).abs() < 0.4, "three times the noise");
    assert!((make(1.0, 0.25) / usual - 2.0).abs() < 0.3, "a quarter of the dose");
}

/// An update of the software changes how patients look, not who comes and what they have.
#[test]
fn after_an_update_the_same_patients_take_less_of_the_grey_scale() {
    let before = SampleSet { radiograph: Acquisition::radiograph().with_matrix(128, 128), ..SampleSet::new(3) };
    let after = SampleSet { updated: 1.0, ..before.clone() };
    let (old, new) = (before.radiograph(5), after.radiograph(5));
    assert_eq!((&new.subject, &new.findings, new.seed), (&old.subject, &old.findings, old.seed));
    assert_eq!(new.acquisition, old.acquisition.clone().updated());
    assert_eq!(new.acquisition.software, "4.0.0");
    let half = SampleSet { updated: 0.5, ..before };
    let n = (0..200).filter(|number| half.radiograph(*number).acquisition.software == "4.0.0").count();
    assert!((70..130).contains(&n), "{n} of 200");
    // Without the letter of the side, which is as white as ever.
    let span = |study: &PlannedStudy| {
        let mut grey = stored(&study.phantom().unwrap().instances[0]);
        grey.sort_by(f64::total_cmp);
        grey[grey.len() * 49 / 50] - grey[grey.len() / 50]
    };
    assert!((span(&new) / span(&old) - 0.6).abs() < 0.05, "{} of {}", span(&new), span(&old));
}

#[test]
fn ct_is_in_hounsfield_units_and_its_kernel_matters() {
    let subject = Subject::seeded(10, morning());
    let nodule = FindingSpec::Nodule { side: Some(Side::Left), radius_mm: Some(12.0), height: Some(0.4) };
    let objects = CtObjects::new(10, &subject, &small_ct(), &[nodule]);
    let truth = objects.truth();
    let found = &truth.findings[0];
    let hounsfield = |index: usize| -> Vec<f64> {
        stored(&objects.instance(index).unwrap().unwrap()).iter().map(|v| v - 1024.0).collect()
    };
    let slice = hounsfield(found.instance);
    let [left, top, right, bottom] = found.bounding_box;
    let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
    let core = within(&slice, 128, [x - 1.0, y - 1.0, x + 2.0, y + 2.0]);
    assert!((0.0..80.0).contains(&core), "nodule at {core} HU");
    let mask = &truth.lung_masks[12].pixels;
    let middle = hounsfield(12);
    let lung = mean(middle.iter().zip(mask).filter(|(_, m)| **m == 1).map(|(v, _)| *v));
    assert!((-900.0..-700.0).contains(&lung), "lung at {lung} HU");
    assert!((middle[0] + 1000.0).abs() < 120.0, "air at {} HU", middle[0]);
    // Between 2.5 and 7 litres of air and vessels.
    let voxel_ml = small_ct().pixel_spacing_mm.powi(2) * small_ct().slice_spacing_mm / 1000.0;
    let volume = lung_pixels(&truth) as f64 * voxel_ml;
    assert!((2500.0..7000.0).contains(&volume), "{volume} mL");
    let grain = |kernel: Kernel| {
        let acquisition = Acquisition { kernel, ..small_ct() };
        let slice = CtObjects::new(10, &subject, &acquisition, &[]).instance(0).unwrap().unwrap();
        let values = stored(&slice);
        // Liver, at the right of the body.
        let patch: Vec<f64> =
            (56..66).flat_map(|r: usize| (40..50).map(move |c| r * 128 + c)).map(|at| values[at]).collect();
        let centre = mean(patch.iter().copied());
        mean(patch.iter().map(|v| (v - centre) * (v - centre))).sqrt()
    };
    assert!(1.5 * grain(Kernel::Soft) < grain(Kernel::Standard));
    assert!(1.5 * grain(Kernel::Standard) < grain(Kernel::Lung));
}

#[test]
fn a_ct_series_lies_evenly_along_the_patient() {
    let phantom: Phantom = ct(11, &Subject::seeded(11, morning()), &small_ct(), &[]).unwrap();
    assert_eq!(phantom.instances.len(), 24);
    let heights: Vec<f64> = phantom
        .instances
        .iter()
        .map(|instance| {
            let read = read_data_set(instance.part10(), None, Bulk::LeaveOut, &Limits::default()).unwrap();
            read.data_set.numbers(tags::IMAGE_POSITION_PATIENT).unwrap()[2]
        })
        .collect();
    let step = small_ct().slice_spacing_mm;
    assert!(heights.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 2e-3), "{heights:?}");
}

#[test]
fn text_that_breaks_its_value_representation_is_refused() {
    let subject = Subject { accession: "12345678901234567".into(), ..Subject::seeded(12, morning()) };
    let error = dx(12, &subject, &Acquisition::radiograph().with_matrix(32, 32), &[]).unwrap_err();
    assert!(!format!("{error:?}").contains("12345678901234567"));
}
