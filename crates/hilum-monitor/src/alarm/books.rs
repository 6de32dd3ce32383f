use hilum_types::Timestamp;

const DAY_SECONDS: i64 = 86_400;

/// The books of a day as they were last looked at (MV-20).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BooksCheck {
    /// The UTC day, `2026-11-23`.
    pub day: String,
    /// The UTC day on which it was looked at.
    pub checked_on: String,
    /// Study revisions that had no outcome yet then.
    pub n_open: u64,
}

/// Which days' books are due, oldest first, at most `limit`.
///
/// Every day from the first arrival to yesterday is looked at once it is over, also those that passed while nothing ran;
/// and again each following day, while something of it was still open.
pub fn days_to_check(checked: &[BooksCheck], first_day: Option<&str>, now: Timestamp, limit: usize) -> Vec<String> {
    let today = now.day();
    let Some(first) = first_day.and_then(midnight) else { return Vec::new() };
    let mut due = Vec::new();
    let mut at = first;
    while due.len() < limit && at.day() < today {
        let day = at.day();
        let seen = checked.iter().find(|check| check.day == day);
        if seen.is_none_or(|check| 0 < check.n_open && check.checked_on < today) {
            due.push(day);
        }
        at = at.plus_seconds(DAY_SECONDS);
    }
    due
}

fn midnight(day: &str) -> Option<Timestamp> {
    format!("{day}T00:00:00Z").parse().ok()
}

/// The sentence of an alarm about books that do not balance.
pub fn gap_text(deployment: &str, day: &str, n_arrived: u64, n_ended: u64, n_open: u64) -> String {
    let whether = if n_ended + n_open < n_arrived { "some were lost" } else { "some were counted twice" };
    format!(
        "the books of {deployment} of {day} do not balance: {n_arrived} study revisions arrived, {n_ended} ended and \
         {n_open} are on their way; {whether}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon(day: &str) -> Timestamp {
        format!("{day}T12:00:00Z").parse().unwrap()
    }

    fn check(day: &str, checked_on: &str, n_open: u64) -> BooksCheck {
        BooksCheck { day: day.into(), checked_on: checked_on.into(), n_open }
    }

    #[test]
    fn days_that_passed_while_nothing_ran_are_looked_at() {
        let due = days_to_check(&[check("2026-11-28", "2026-11-29", 0)], Some("2026-11-28"), noon("2026-12-02"), 31);
        assert_eq!(due, ["2026-11-29", "2026-11-30", "2026-12-01"]);
        assert_eq!(days_to_check(&[], Some("2026-11-28"), noon("2026-12-02"), 2).len(), 2);
    }

    #[test]
    fn today_is_not_over_and_nothing_arrived_is_no_gap() {
        assert_eq!(days_to_check(&[], Some("2026-12-02"), noon("2026-12-02"), 31), Vec::<String>::new());
        assert_eq!(days_to_check(&[], None, noon("2026-12-02"), 31), Vec::<String>::new());
    }

    #[test]
    fn what_was_open_is_looked_at_again_the_next_day() {
        let open = [check("2026-12-01", "2026-12-02", 3)];
        assert_eq!(days_to_check(&open, Some("2026-12-01"), noon("2026-12-02"), 31), Vec::<String>::new());
        assert_eq!(days_to_check(&open, Some("2026-12-01"), noon("2026-12-03"), 31), ["2026-12-01", "2026-12-02"]);
    }

    #[test]
    fn the_sentence_says_which_way() {
        assert!(gap_text("cxr", "2026-12-01", 5, 3, 1).ends_with("some were lost"));
        assert!(gap_text("cxr", "2026-12-01", 5, 6, 0).ends_with("some were counted twice"));
    }
}
