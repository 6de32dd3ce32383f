//! Cases of a column, cut into groups.

use crate::case::Case;
use crate::prepared::{NOT_STATED, Prepared, Row, attribute_of};
use crate::protocol::Subgroup;
use crate::text;
use std::collections::BTreeMap;

/// One group of a subgroup column.
pub(crate) struct Group<'p, 'a> {
    pub(crate) name: String,
    /// Whether the figure must hold in it. Cases without a value are shown only, and so are values that the protocol does
    /// not list when it lists any.
    pub(crate) judged: bool,
    /// Eligible cases.
    pub(crate) rows: Vec<&'p Row<'a>>,
}

/// The groups of a column: those the protocol lists or cuts, in its order, or those found, by name; then the rest.
pub(crate) fn groups<'p, 'a>(subgroup: &Subgroup, prepared: &'p Prepared<'a>) -> Vec<Group<'p, 'a>> {
    let mut groups: Vec<Group<'_, '_>> = Vec::new();
    let declared: Vec<String> =
        if subgroup.bands.is_empty() { subgroup.values.clone() } else { band_names(&subgroup.bands) };
    let open = declared.is_empty();
    groups.extend(declared.into_iter().map(|name| Group { name, judged: true, rows: Vec::new() }));
    // A value whose every case is exposed or unlabelled is a group all the same: it must read "insufficient".
    let mut found: BTreeMap<String, Vec<&Row<'_>>> =
        prepared.listed.iter().map(|case| (group_of(subgroup, case), Vec::new())).collect();
    for row in &prepared.rows {
        found.entry(group_of(subgroup, row.case)).or_default().push(row);
    }
    for group in &mut groups {
        group.rows = found.remove(&group.name).unwrap_or_default();
    }
    let not_stated = found.remove(NOT_STATED);
    groups.extend(found.into_iter().map(|(name, rows)| Group { name, judged: open, rows }));
    groups.extend(not_stated.map(|rows| Group { name: NOT_STATED.to_owned(), judged: false, rows }));
    groups
}

fn group_of(subgroup: &Subgroup, case: &Case) -> String {
    let Some(value) = attribute_of(case, &subgroup.attribute) else { return NOT_STATED.to_owned() };
    if subgroup.bands.is_empty() {
        return value.to_owned();
    }
    let Some(number) = number_of(value) else { return NOT_STATED.to_owned() };
    let place = subgroup.bands.iter().filter(|cut| **cut <= number).count();
    band_names(&subgroup.bands).swap_remove(place)
}

/// A number, or a DICOM age string (`045Y`, `018M`; PS3.5 section 6.2, VR `AS`) in years.
fn number_of(value: &str) -> Option<f64> {
    if let Ok(number) = value.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    let (digits, unit) = value.split_at_checked(3)?;
    let per_year = match unit {
        "Y" => 1.0,
        "M" => 12.0,
        "W" => 365.25 / 7.0,
        "D" => 365.25,
        _ => return None,
    };
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<f64>().ok()).flatten().map(|n| n / per_year)
}

/// `[18, 65]` makes `<18`, `18-<65`, `>=65`.
fn band_names(bands: &[f64]) -> Vec<String> {
    let Some((first, last)) = bands.first().zip(bands.last()) else { return Vec::new() };
    let between = bands.windows(2).map(|pair| format!("{}-<{}", text::limit(pair[0]), text::limit(pair[1])));
    std::iter::once(format!("<{}", text::limit(*first)))
        .chain(between)
        .chain(std::iter::once(format!(">={}", text::limit(*last))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_have_the_names_the_guide_promises() {
        assert_eq!(band_names(&[18.0, 65.0]), ["<18", "18-<65", ">=65"]);
        assert_eq!(band_names(&[40.5]), ["<40.5", ">=40.5"]);
    }

    #[test]
    fn ages_are_read_as_numbers_and_as_dicom_writes_them() {
        assert_eq!(number_of("45"), Some(45.0));
        assert_eq!(number_of("045Y"), Some(45.0));
        assert_eq!(number_of("018M"), Some(1.5));
        for no in ["", "unknown", "NaN", "inf", "45Y", "0\u{e9}4Y", "+45Y"] {
            assert_eq!(number_of(no), None, "{no}");
        }
    }
}
