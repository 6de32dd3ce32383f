use hilum_monitor::OutputFact;
use hilum_types::{Digest, Timestamp};
use std::collections::BTreeMap;

/// What stands in one column of one row.
pub enum Cell<'a> {
    /// Text that is always there.
    Text(&'a str),
    /// Text, or nothing.
    MaybeText(Option<&'a str>),
    /// A digest, as hexadecimal digits.
    Digest(Digest),
    /// A whole number.
    Whole(i64),
    /// A moment.
    Time(Timestamp),
    /// Yes or no.
    Flag(bool),
    /// A number, or nothing.
    MaybeNumber(Option<f64>),
    /// A list of texts, or nothing; an empty list is not nothing.
    MaybeTexts(Option<&'a [String]>),
    /// Texts by name.
    TextMap(&'a BTreeMap<String, String>),
    /// Numbers by name.
    NumberMap(&'a BTreeMap<String, f64>),
    /// What a model said, by finding.
    Outputs(&'a BTreeMap<String, OutputFact>),
}
