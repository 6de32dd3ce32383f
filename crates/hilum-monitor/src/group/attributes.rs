use super::{AcquisitionGroup, tidy};
use hilum_types::{InstanceHeader, attribute};
use std::collections::BTreeMap;

/// Width of an age band in years; from [`OLDEST`] on there is one.
const BAND: u32 = 10;
/// Ages from here on are one band: there are few of them, and one alone would be a person.
const OLDEST: u32 = 90;

/// What a study is cut by, from the header of the first image of the series that is read: see
/// [`crate::Observation::attributes`]. Ages are bands of ten years, and no value names a person.
pub fn attributes(header: &InstanceHeader) -> BTreeMap<String, String> {
    let group = AcquisitionGroup::of(header);
    let mut found = group.attributes();
    found.insert("group".to_owned(), group.key());
    let listed = [
        ("site", attribute::INSTITUTION_NAME),
        ("station", attribute::STATION_NAME),
        ("modality", attribute::MODALITY),
        ("view", attribute::VIEW_POSITION),
        ("sex", attribute::PATIENT_SEX),
    ];
    for (name, keyword) in listed {
        if let Some(value) = header.text(keyword).map(tidy).filter(|value| !value.is_empty()) {
            found.insert(name.to_owned(), value);
        }
    }
    if !found.contains_key("station")
        && let Some(device) = found.get("device").cloned()
    {
        found.insert("station".to_owned(), device);
    }
    if let Some(band) = header.text(attribute::PATIENT_AGE).and_then(age_band) {
        found.insert("age_band".to_owned(), band);
    }
    found
}

/// The band of an age string (PS3.5, VR `AS`): `0-9`, `10-19`, ..., `90+`; `None` for what is none.
fn age_band(text: &str) -> Option<String> {
    let (number, unit) = text.trim().split_at_checked(text.trim().len().checked_sub(1)?)?;
    let number: u32 = number.parse().ok()?;
    let years = match unit {
        "Y" => number,
        "M" => number / 12,
        "W" => number / 52,
        "D" => number / 365,
        _ => return None,
    };
    let from = years / BAND * BAND;
    Some(if OLDEST <= years { format!("{OLDEST}+") } else { format!("{from}-{}", from + BAND - 1) })
}
