//! The window of a recall, as people write it.

use anyhow::{Result, bail};
use hilum_types::Timestamp;

/// `from` (included) and `to` (not included). A day means its begin for `from` and its end for `to`, in UTC; a window
/// ends now at the latest, because what runs later is not known yet.
///
/// # Errors
/// A text that is neither a day nor a time, or an empty window.
pub(super) fn window(from: &str, to: Option<&str>, now: Timestamp) -> Result<(Timestamp, Timestamp)> {
    let begin = moment("--from", from, 0)?;
    let end = to.map_or(Ok(now), |to| moment("--to", to, 24 * 3600))?.min(now);
    if end <= begin {
        bail!("the window from {begin} to {end} is empty; --from lies before --to, and neither in the future");
    }
    Ok((begin, end))
}

fn moment(what: &str, text: &str, day_seconds: i64) -> Result<Timestamp> {
    let text = text.trim();
    if let Ok(day) = format!("{text}T00:00:00Z").parse::<Timestamp>()
        && day.day() == text
    {
        return Ok(day.plus_seconds(day_seconds));
    }
    match text.parse() {
        Ok(time) => Ok(time),
        Err(_) => bail!("{what} is a day such as 2026-11-23, or a time such as 2026-11-23T09:00:00Z, not {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(from: &str, to: Option<&str>) -> String {
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        match window(from, to, now) {
            Ok((from, to)) => format!("{from} {to}").replace(".000000", ""),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn days_count_to_their_end_and_nothing_lies_in_the_future() {
        assert_eq!(told("2026-11-23", Some("2026-11-24")), "2026-11-23T00:00:00Z 2026-11-25T00:00:00Z");
        assert_eq!(told("2026-11-23", Some("2026-11-23")), "2026-11-23T00:00:00Z 2026-11-24T00:00:00Z");
        assert_eq!(told("2026-11-23", None), "2026-11-23T00:00:00Z 2026-11-26T12:00:00Z");
        assert_eq!(told("2026-11-23", Some("2027-01-01")), "2026-11-23T00:00:00Z 2026-11-26T12:00:00Z");
        let zoned = told("2026-11-23T09:00:00+01:00", Some("2026-11-23T09:30:00Z"));
        assert_eq!(zoned, "2026-11-23T08:00:00Z 2026-11-23T09:30:00Z");
        for (from, to) in [("2026-11-24", Some("2026-11-23")), ("2026-11-27", None)] {
            assert!(told(from, to).contains("is empty"), "{from}");
        }
        for text in ["yesterday", "2026-02-30", "", "23.11.2026", "2026-11-23 09:00"] {
            assert!(told(text, None).starts_with("--from is a day such as"), "{text}: {}", told(text, None));
        }
    }
}
