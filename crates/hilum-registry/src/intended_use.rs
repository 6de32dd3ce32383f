//! What a model is for, and whether a series of a study is within it.

use hilum_types::{InstanceHeader, Reason, SeriesFacts, StudyFacts, attribute};
use serde::{Deserialize, Serialize};

/// What a model is for (AI Act 26(1), MV-02): every criterion that is stated must hold for the series it would read.
///
/// Criteria left out say nothing. Text is compared without regard to case and surrounding space.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntendedUse {
    /// Allowed Modality (0008,0060), such as `["DX", "CR"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modality: Vec<String>,
    /// Allowed Body Part Examined (0018,0015), such as `["CHEST"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub body_part: Vec<String>,
    /// Allowed View Position (0018,5101), such as `["PA", "AP"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub view: Vec<String>,
    /// Allowed Patient's Sex (0010,0040), such as `["F", "M"]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sex: Vec<String>,
    /// Allowed Manufacturer (0008,0070).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub manufacturer: Vec<String>,
    /// Allowed Convolution Kernel (0018,1210).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernel: Vec<String>,
    /// Youngest patient, in years at the study.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_years_min: Option<f64>,
    /// Oldest patient, in years at the study.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_years_max: Option<f64>,
    /// Smallest distance between pixel centres in mm, from Pixel Spacing or Imager Pixel Spacing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_spacing_mm_min: Option<f64>,
    /// Largest distance between pixel centres in mm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_spacing_mm_max: Option<f64>,
    /// Thinnest slice in mm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice_thickness_mm_min: Option<f64>,
    /// Thickest slice in mm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice_thickness_mm_max: Option<f64>,
    /// Fewest images (instances or frames) in the series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_min: Option<u32>,
    /// Most images (instances or frames) in the series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_max: Option<u32>,
    /// Whether a contrast agent must (`true`) or must not (`false`) be stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<bool>,
    /// Whether objects marked Synthetic Data (0008,001C) `YES` may be used; phantoms only (AV-23).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub synthetic_data: bool,
}

/// What two intended uses allow together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NarrowedUse {
    /// The criteria of both.
    pub intended_use: IntendedUse,
    /// Criteria, such as `body_part`, that both state and that have no value in common: no series is within both uses.
    /// An empty list would say the opposite, so they are named here.
    pub nothing_left: Vec<&'static str>,
}

/// Whether a study is within the intended use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "eligibility", rename_all = "snake_case")]
pub enum Eligibility {
    /// Every stated criterion holds.
    Eligible {
        /// What was compared, each with the value found.
        checks: Vec<Reason>,
    },
    /// A criterion is known not to hold.
    NotEligible {
        /// The first criterion that does not hold.
        reason: Reason,
    },
    /// An attribute that a criterion needs is missing or contradicts another (MV-03).
    Undetermined {
        /// The first criterion that could not be decided.
        reason: Reason,
    },
}

/// Outcome of one criterion: what was found, or why it does not hold.
enum Check {
    Holds(Reason),
    Fails(Reason),
    Unknown(Reason),
}

impl IntendedUse {
    /// Whether one series is within this use. The order of the checks is fixed, so that the reason is too.
    pub fn covers_series(&self, study: &StudyFacts, series: &SeriesFacts) -> Eligibility {
        let first = series.first();
        let mut checks = Vec::new();
        for check in self.checks(study, series, first) {
            match check {
                Check::Holds(reason) => checks.push(reason),
                Check::Fails(reason) => return Eligibility::NotEligible { reason },
                Check::Unknown(reason) => return Eligibility::Undetermined { reason },
            }
        }
        Eligibility::Eligible { checks }
    }

    /// What is left where `deployment` narrows this use of a package: where both state a criterion the narrower counts,
    /// so a deployment that allows more than its package widens nothing. Synthetic data is for the package to allow.
    pub fn narrowed_by(&self, deployment: &IntendedUse) -> NarrowedUse {
        let mut nothing_left: Vec<&'static str> = Vec::new();
        let mut common = |name: &'static str, ours: &[String], theirs: &[String]| {
            if ours.is_empty() || theirs.is_empty() {
                return [ours, theirs].concat();
            }
            let theirs_too = |one: &&String| theirs.iter().any(|other| other.trim().eq_ignore_ascii_case(one.trim()));
            let both: Vec<String> = ours.iter().filter(theirs_too).cloned().collect();
            if both.is_empty() {
                nothing_left.push(name);
            }
            both
        };
        let intended_use = IntendedUse {
            modality: common("modality", &self.modality, &deployment.modality),
            body_part: common("body_part", &self.body_part, &deployment.body_part),
            view: common("view", &self.view, &deployment.view),
            sex: common("sex", &self.sex, &deployment.sex),
            manufacturer: common("manufacturer", &self.manufacturer, &deployment.manufacturer),
            kernel: common("kernel", &self.kernel, &deployment.kernel),
            age_years_min: stricter(self.age_years_min, deployment.age_years_min, f64::max),
            age_years_max: stricter(self.age_years_max, deployment.age_years_max, f64::min),
            pixel_spacing_mm_min: stricter(self.pixel_spacing_mm_min, deployment.pixel_spacing_mm_min, f64::max),
            pixel_spacing_mm_max: stricter(self.pixel_spacing_mm_max, deployment.pixel_spacing_mm_max, f64::min),
            slice_thickness_mm_min: stricter(self.slice_thickness_mm_min, deployment.slice_thickness_mm_min, f64::max),
            slice_thickness_mm_max: stricter(self.slice_thickness_mm_max, deployment.slice_thickness_mm_max, f64::min),
            images_min: stricter(self.images_min, deployment.images_min, Ord::max),
            images_max: stricter(self.images_max, deployment.images_max, Ord::min),
            contrast: self.contrast.or(deployment.contrast),
            synthetic_data: self.synthetic_data,
        };
        if deployment.contrast.is_some() && deployment.contrast != intended_use.contrast {
            nothing_left.push("contrast");
        }
        NarrowedUse { intended_use, nothing_left }
    }

    fn checks(&self, study: &StudyFacts, series: &SeriesFacts, first: &InstanceHeader) -> Vec<Check> {
        let mut checks = Vec::new();
        if !self.synthetic_data {
            let synthetic = series.instances.iter().any(|i| i.text(attribute::SYNTHETIC_DATA) == Some("YES"));
            if synthetic {
                checks.push(Check::Fails(Reason::about(
                    "intended-use.synthetic-data",
                    "the object is marked as synthetic data, the model takes patients' images",
                    attribute::SYNTHETIC_DATA,
                    "YES",
                )));
            }
        }
        let one_of = [
            ("modality", attribute::MODALITY, &self.modality),
            ("body-part", attribute::BODY_PART_EXAMINED, &self.body_part),
            ("view", attribute::VIEW_POSITION, &self.view),
            ("sex", attribute::PATIENT_SEX, &self.sex),
            ("manufacturer", attribute::MANUFACTURER, &self.manufacturer),
            ("kernel", attribute::CONVOLUTION_KERNEL, &self.kernel),
        ];
        for (name, keyword, allowed) in one_of {
            if !allowed.is_empty() {
                checks.push(check_one_of(name, keyword, allowed, series));
            }
        }
        if self.age_years_min.is_some() || self.age_years_max.is_some() {
            checks.push(check_age(self, study));
        }
        let spacing = |header: &InstanceHeader| {
            header.numbers(attribute::PIXEL_SPACING).or_else(|| header.numbers(attribute::IMAGER_PIXEL_SPACING))
        };
        let ranges = [
            Range {
                name: "pixel-spacing",
                keyword: attribute::PIXEL_SPACING,
                unit: "mm",
                min: self.pixel_spacing_mm_min,
                max: self.pixel_spacing_mm_max,
                found: spacing(first).and_then(|values| values.first().copied()),
            },
            Range {
                name: "slice-thickness",
                keyword: attribute::SLICE_THICKNESS,
                unit: "mm",
                min: self.slice_thickness_mm_min,
                max: self.slice_thickness_mm_max,
                found: first.number(attribute::SLICE_THICKNESS),
            },
            Range {
                name: "images",
                keyword: attribute::NUMBER_OF_FRAMES,
                unit: "images",
                min: self.images_min.map(f64::from),
                max: self.images_max.map(f64::from),
                found: Some(series.instances.iter().map(|i| f64::from(i.frames())).sum()),
            },
        ];
        checks.extend(ranges.iter().filter(|range| range.is_stated()).map(Range::check));
        if let Some(wanted) = self.contrast {
            checks.push(check_contrast(wanted, first));
        }
        checks
    }
}

fn stricter<T: Copy>(ours: Option<T>, theirs: Option<T>, of_both: fn(T, T) -> T) -> Option<T> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(of_both(ours, theirs)),
        (ours, theirs) => ours.or(theirs),
    }
}

fn words(name: &str) -> String {
    name.replace('-', " ")
}

fn check_one_of(name: &str, keyword: &str, allowed: &[String], series: &SeriesFacts) -> Check {
    let code = format!("intended-use.{name}");
    let wanted = allowed.join(" or ");
    let mut found: Vec<&str> = series.instances.iter().filter_map(|i| i.text(keyword)).map(str::trim).collect();
    found.sort_unstable();
    found.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
    match found.as_slice() {
        [] => Check::Unknown(Reason::about(
            code,
            format!("{} is not stated in the images, the model takes {wanted}", words(name)),
            keyword,
            "",
        )),
        [value] if allowed.iter().any(|a| a.trim().eq_ignore_ascii_case(value)) => {
            Check::Holds(Reason::about(code, format!("{} is {value}", words(name)), keyword, *value))
        }
        [value] => Check::Fails(Reason::about(
            code,
            format!("{} is {value}, the model takes {wanted}", words(name)),
            keyword,
            *value,
        )),
        several => Check::Unknown(Reason::about(
            code,
            format!("images of one series contradict each other: {} is {}", words(name), several.join(" and ")),
            keyword,
            several.join("\\"),
        )),
    }
}

/// A number that must lie between two limits, either of which may be left out.
struct Range<'a> {
    name: &'a str,
    keyword: &'a str,
    unit: &'a str,
    min: Option<f64>,
    max: Option<f64>,
    found: Option<f64>,
}

impl Range<'_> {
    fn is_stated(&self) -> bool {
        self.min.is_some() || self.max.is_some()
    }

    fn check(&self) -> Check {
        let Range { name, keyword, unit, min, max, found } = *self;
        let code = format!("intended-use.{name}");
        let wanted = match (min, max) {
            (Some(min), Some(max)) => format!("{min} to {max} {unit}"),
            (Some(min), None) => format!("at least {min} {unit}"),
            (None, Some(max)) => format!("at most {max} {unit}"),
            (None, None) => "anything".to_owned(),
        };
        let Some(value) = found else {
            let text = format!("{} is not stated in the images, the model takes {wanted}", words(name));
            return Check::Unknown(Reason::about(code, text, keyword, ""));
        };
        let inside = min.is_none_or(|min| min <= value) && max.is_none_or(|max| value <= max);
        let stated = match name {
            "images" => format!("the series has {value} {unit}"),
            _ => format!("{} is {value} {unit}", words(name)),
        };
        if inside {
            Check::Holds(Reason::about(code, stated, keyword, value.to_string()))
        } else {
            Check::Fails(Reason::about(code, format!("{stated}, the model takes {wanted}"), keyword, value.to_string()))
        }
    }
}

/// Contrast/Bolus Agent is Type 2 in most modules: present but empty means "none given", absent means nothing.
fn check_contrast(wanted: bool, first: &InstanceHeader) -> Check {
    let code = "intended-use.contrast";
    let keyword = attribute::CONTRAST_BOLUS_AGENT;
    let given = match first.values(keyword) {
        None => {
            let text = "the images do not say whether a contrast agent was given, and the model needs to know";
            return Check::Unknown(Reason::about(code, text, keyword, ""));
        }
        Some(_) => first.text(keyword).is_some(),
    };
    let text = if given { "a contrast agent was given" } else { "no contrast agent was given" };
    let value = if given { "given" } else { "none" };
    if given == wanted {
        Check::Holds(Reason::about(code, text, keyword, value))
    } else {
        let takes = if wanted { "with" } else { "without" };
        Check::Fails(Reason::about(code, format!("{text}, the model takes images {takes} contrast"), keyword, value))
    }
}

fn check_age(intended: &IntendedUse, study: &StudyFacts) -> Check {
    let age = Range {
        name: "age",
        keyword: attribute::PATIENT_AGE,
        unit: "years",
        min: intended.age_years_min,
        max: intended.age_years_max,
        found: None,
    };
    match age_years(study) {
        Age::Known(years) => match (Range { found: Some(years), ..age }).check() {
            // The exact age is not repeated above 89 years, where it can identify a person (PS3.15 annex E).
            Check::Holds(_) if 89.0 < years => {
                Check::Holds(Reason::about("intended-use.age", "age is over 89 years", attribute::PATIENT_AGE, "> 89"))
            }
            check => check,
        },
        Age::Unknown => age.check(),
        Age::Contradictory => Check::Unknown(Reason::about(
            "intended-use.age",
            "birth date and stated age contradict each other, and the model is limited by age",
            attribute::PATIENT_AGE,
            "",
        )),
    }
}

enum Age {
    Known(f64),
    Unknown,
    Contradictory,
}

/// Age at the study in whole years above 2, and in fractions below: Patient's Age, or Birth Date and Study Date.
fn age_years(study: &StudyFacts) -> Age {
    let mut stated: Vec<f64> = Vec::new();
    let mut computed: Vec<f64> = Vec::new();
    for instance in study.instances() {
        stated.extend(instance.text(attribute::PATIENT_AGE).and_then(parse_age_string));
        let birth = instance.text(attribute::PATIENT_BIRTH_DATE).and_then(parse_date);
        let date = [attribute::STUDY_DATE, attribute::ACQUISITION_DATE, attribute::SERIES_DATE]
            .iter()
            .find_map(|keyword| instance.text(keyword).and_then(parse_date));
        if let (Some(birth), Some(date)) = (birth, date) {
            computed.push(date - birth);
        }
    }
    let all = || stated.iter().chain(&computed).copied();
    let (Some(low), Some(high)) = (all().reduce(f64::min), all().reduce(f64::max)) else {
        return Age::Unknown;
    };
    // An age string counts whole years, so one year apart is no contradiction; nor is a birthday during the study.
    if high - low > 1.5 || low < 0.0 {
        return Age::Contradictory;
    }
    let age = computed.first().or(stated.first()).copied().unwrap_or(low);
    Age::Known(if 2.0 <= age { age.floor() } else { (age * 100.0).round() / 100.0 })
}

/// VR `AS`: three digits and one of `D`, `W`, `M`, `Y` (PS3.5 section 6.2), in years.
fn parse_age_string(text: &str) -> Option<f64> {
    let text = text.trim();
    if !text.is_ascii() || text.len() < 2 {
        return None;
    }
    let (digits, unit) = text.split_at(text.len() - 1);
    let n: f64 = digits.parse::<u16>().ok()?.into();
    match unit {
        "D" => Some(n / 365.25),
        "W" => Some(n * 7.0 / 365.25),
        "M" => Some(n / 12.0),
        "Y" => Some(n),
        _ => None,
    }
}

/// VR `DA` as a fractional year, good to a day.
fn parse_date(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| text[range].parse::<u16>().ok().map(f64::from);
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    if !(1.0..=12.0).contains(&month) || !(1.0..=31.0).contains(&day) {
        return None;
    }
    Some(year + (month - 1.0) / 12.0 + (day - 1.0) / 372.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_types::{Phi, Uid};

    fn study(attributes: &[(&str, &str)]) -> StudyFacts {
        let uid = |text: &str| text.parse::<Uid>().unwrap();
        let header = InstanceHeader {
            sop_instance_uid: uid("1.2.3.4"),
            sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.2"),
            transfer_syntax_uid: uid("1.2.840.10008.1.2.1"),
            study_instance_uid: uid("1.2.3"),
            series_instance_uid: uid("1.2.3.1"),
            attributes: attributes
                .iter()
                .map(|(k, v)| {
                    let values = if v.is_empty() { vec![] } else { v.split('\\').map(str::to_owned).collect() };
                    ((*k).to_owned(), Phi::new(values))
                })
                .collect(),
        };
        StudyFacts::from_headers(1, vec![header]).unwrap()
    }

    fn verdict(intended: &str, attributes: &[(&str, &str)]) -> String {
        let intended: IntendedUse = toml::from_str(intended).unwrap();
        let study = study(attributes);
        match intended.covers_series(&study, &study.series[0]) {
            Eligibility::Eligible { checks } => {
                format!("eligible: {}", checks.iter().map(|c| c.text.as_str()).collect::<Vec<_>>().join(", "))
            }
            Eligibility::NotEligible { reason } => {
                format!("not eligible: {reason} [{}={}]", reason.criterion, reason.value)
            }
            Eligibility::Undetermined { reason } => format!("undetermined: {reason}"),
        }
    }

    /// MV-02, MV-03: data in, text out.
    #[test]
    fn criteria() {
        let chest = "modality = ['DX', 'CR']\nbody_part = ['CHEST']";
        insta::assert_snapshot!(verdict(chest, &[("Modality", "dx "), ("BodyPartExamined", "Chest")]), @"eligible: modality is dx, body part is Chest");
        insta::assert_snapshot!(verdict(chest, &[("Modality", "CT")]), @"not eligible: modality is CT, the model takes DX or CR [Modality=CT]");
        insta::assert_snapshot!(verdict(chest, &[("Modality", "CR"), ("BodyPartExamined", "")]), @"undetermined: body part is not stated in the images, the model takes CHEST");
        let thin = "slice_thickness_mm_max = 2.5";
        insta::assert_snapshot!(verdict(thin, &[("SliceThickness", "5.0")]), @"not eligible: slice thickness is 5 mm, the model takes at most 2.5 mm [SliceThickness=5]");
        insta::assert_snapshot!(verdict(thin, &[]), @"undetermined: slice thickness is not stated in the images, the model takes at most 2.5 mm");
        insta::assert_snapshot!(verdict("contrast = true", &[("ContrastBolusAgent", "")]), @"not eligible: no contrast agent was given, the model takes images with contrast [ContrastBolusAgent=none]");
        insta::assert_snapshot!(verdict("contrast = false", &[]), @"undetermined: the images do not say whether a contrast agent was given, and the model needs to know");
        insta::assert_snapshot!(verdict("", &[("SyntheticData", "YES")]), @"not eligible: the object is marked as synthetic data, the model takes patients' images [SyntheticData=YES]");
        insta::assert_snapshot!(verdict("images_min = 20", &[]), @"not eligible: the series has 1 images, the model takes at least 20 images [NumberOfFrames=1]");
    }

    #[test]
    fn age_comes_from_the_age_string_or_the_dates() {
        let adult = "age_years_min = 18";
        insta::assert_snapshot!(verdict(adult, &[("PatientAge", "017Y")]), @"not eligible: age is 17 years, the model takes at least 18 years [PatientAge=17]");
        insta::assert_snapshot!(verdict(adult, &[("PatientBirthDate", "19600101"), ("StudyDate", "20261123")]), @"eligible: age is 66 years");
        insta::assert_snapshot!(verdict(adult, &[("PatientAge", "006M")]), @"not eligible: age is 0.5 years, the model takes at least 18 years [PatientAge=0.5]");
        insta::assert_snapshot!(verdict(adult, &[]), @"undetermined: age is not stated in the images, the model takes at least 18 years");
        insta::assert_snapshot!(verdict(adult, &[("PatientAge", "040Y"), ("PatientBirthDate", "20200101"), ("StudyDate", "20261123")]), @"undetermined: birth date and stated age contradict each other, and the model is limited by age");
        insta::assert_snapshot!(verdict(adult, &[("PatientAge", "093Y")]), @"eligible: age is over 89 years");
    }

    /// As the gate finds by asking both: a deployment widens nothing, and lists without a common value leave nothing.
    #[test]
    fn a_deployment_narrows_its_package() {
        let both = |package: &str, deployment: &str| {
            let read = |text: &str| toml::from_str::<IntendedUse>(text).unwrap();
            let narrowed = read(package).narrowed_by(&read(deployment));
            format!("{} {:?}", serde_json::to_string(&narrowed.intended_use).unwrap(), narrowed.nothing_left)
        };
        let package = "modality=['DX','CR']\nage_years_min=18.0\nage_years_max=90.0\nimages_max=1\nsynthetic_data=true";
        let narrower = "modality=['dx ','CT']\nsex=['F']\nage_years_min=40.0\nage_years_max=120.0\nimages_max=4";
        insta::assert_snapshot!(both(package, narrower), @r#"{"modality":["DX"],"sex":["F"],"age_years_min":40.0,"age_years_max":90.0,"images_max":1,"synthetic_data":true} []"#);
        insta::assert_snapshot!(both("", "images_min=2\nsynthetic_data=true"), @r#"{"images_min":2} []"#);
        insta::assert_snapshot!(both("view=['PA']\ncontrast=true", "view=['AP']\ncontrast=false"), @r#"{"contrast":true} ["view", "contrast"]"#);
    }

    #[test]
    fn unknown_criteria_are_refused_by_name() {
        let error = toml::from_str::<IntendedUse>("modalty = ['CT']").unwrap_err().to_string();
        assert!(error.contains("modalty"), "{error}");
    }
}
