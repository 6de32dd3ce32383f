use super::{AcquisitionGroup, tidy};
use hilum_types::{InstanceHeader, attribute};
use std::collections::BTreeMap;

/// Width of an age band in years; from [`OLDEST`] on there is one.
const BAND: u32 = 10;
/// Ages from here on are one band: there are few of them, and one alone would be a person.
const OLDEST: u32 = 90;

/// Hours of the day, by the clock of the site.
const DAY: std::ops::Range<u32> = 7..19;

/// What a study is cut by, from the header of the first image of the series that is read: see
/// [`crate::Observation::attributes`]. Ages are bands of ten years, and no value names a person. Date and time are those of
/// the study, by the clock of the site; where it states none, those of the acquisition.
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
    let dates = [attribute::STUDY_DATE, attribute::ACQUISITION_DATE];
    if let Some(is_weekend) = dates.iter().find_map(|keyword| is_weekend(header.text(keyword)?)) {
        found.insert("weekpart".to_owned(), if is_weekend { "weekend" } else { "weekday" }.to_owned());
    }
    let times = [attribute::STUDY_TIME, attribute::ACQUISITION_TIME];
    if let Some(hour) = times.iter().find_map(|keyword| hour(header.text(keyword)?)) {
        found.insert("daypart".to_owned(), if DAY.contains(&hour) { "day" } else { "night" }.to_owned());
    }
    found
}

/// Whether a date (PS3.5, VR `DA`, and with the points of ACR-NEMA) is a Saturday or Sunday; `None` for what is none.
fn is_weekend(text: &str) -> Option<bool> {
    let digits: Vec<u32> = text.trim().chars().filter(|c| *c != '.').map(|c| c.to_digit(10)).collect::<Option<_>>()?;
    let number = |part: &[u32]| part.iter().fold(0, |number, digit| 10 * number + digit);
    if digits.len() != 8 {
        return None;
    }
    let (year, month, day) = (number(&digits[..4]), number(&digits[4..6]), number(&digits[6..]));
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=days).contains(&day) {
        return None;
    }
    // Sakamoto's rule: the year begins in March, so that the leap day is its last; Sunday is 0.
    let offset = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][month as usize - 1];
    let year = if month < 3 { year - 1 } else { year };
    let weekday = (year + year / 4 - year / 100 + year / 400 + offset + day) % 7;
    Some(weekday == 0 || weekday == 6)
}

/// The hour of a time (PS3.5, VR `TM`), 0 to 23; `None` for what is none.
fn hour(text: &str) -> Option<u32> {
    let digits = text.trim().get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|hour| *hour < 24)
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
