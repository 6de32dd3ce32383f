use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A point in time: microseconds since 1970-01-01 00:00:00 UTC, as the catalog stores it.
///
/// It is written as RFC 3339 text with microseconds in JSON and on paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time such as 2026-11-23T09:12:41Z")]
pub struct InvalidTimestamp(pub String);

impl Timestamp {
    /// From microseconds since the epoch, held to the years 1 to 9999.
    pub fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros.clamp(-62_135_596_800_000_000, 253_402_207_200_000_000))
    }

    /// Microseconds since the epoch.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// This time moved by `micros` (negative: earlier), saturating.
    pub fn plus_micros(self, micros: i64) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_add(micros))
    }

    /// This time moved by `seconds`, saturating.
    pub fn plus_seconds(self, seconds: i64) -> Timestamp {
        self.plus_micros(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds from `earlier` to this time; negative when the clock went back.
    pub fn micros_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The UTC calendar day, `2026-11-23`.
    pub fn day(self) -> String {
        self.to_string()[..10].to_owned()
    }

    /// DICOM date and time of this moment in UTC: `("20261123", "091241.000000")` (PS3.5 VR `DA` and `TM`).
    pub fn dicom_date_time(self) -> (String, String) {
        let text = self.to_string();
        let date = text[..10].replace('-', "");
        let time = text[11..26].replace(':', "");
        (date, time)
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.to_jiff())
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;
    fn from_str(raw: &str) -> Result<Self, InvalidTimestamp> {
        let parsed: jiff::Timestamp = raw.parse().map_err(|_| InvalidTimestamp(raw.to_owned()))?;
        Ok(Timestamp::from_micros(parsed.as_microsecond()))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;
    fn try_from(raw: String) -> Result<Self, InvalidTimestamp> {
        raw.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> String {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_forms() {
        let t = Timestamp::from_micros(1_795_425_161_000_250);
        assert_eq!(t.to_string(), "2026-11-23T09:12:41.000250Z");
        assert_eq!(t.day(), "2026-11-23");
        assert_eq!(t.dicom_date_time(), ("20261123".into(), "091241.000250".into()));
    }

    proptest! {
        #[test]
        fn text_round_trips(micros in any::<i64>()) {
            let t = Timestamp::from_micros(micros);
            prop_assert_eq!(t.to_string().parse::<Timestamp>().unwrap(), t);
        }
    }
}
