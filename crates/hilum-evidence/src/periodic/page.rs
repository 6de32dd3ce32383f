//! The report as one static page.

use super::{Entry, PeriodicReport, Share};
use crate::pack::moment;
use crate::words;
use askama::Template;
use hilum_types::Timestamp;

#[derive(Template)]
#[template(path = "periodic.html")]
pub(super) struct PeriodicPage<'a> {
    pub(super) report: &'a PeriodicReport,
    pub(super) not_it: &'static str,
}

impl PeriodicPage<'_> {
    /// Title, entries, and what is said when there are none.
    fn sections(&self) -> [(&'static str, &[Entry], &'static str); 5] {
        let report = self.report;
        [
            ("Performance in use", &report.evidence, "No figures were kept as a record."),
            ("Suspensions", &report.suspensions, "It was not suspended."),
            ("Changes", &report.changes, "Nothing was changed."),
            ("Recalls", &report.recalls, "Nothing was recalled."),
            ("Tests", &report.tests, "No test falls into the window."),
        ]
    }

    fn percent(&self, share: &Share) -> String {
        format!("{:.1} %", share.value * 100.0)
    }

    fn interval(&self, share: &Share) -> String {
        format!("{:.1} to {:.1} % ({} %)", share.lower * 100.0, share.upper * 100.0, words::number(share.level * 100.0))
    }

    fn moment(&self, at: &Timestamp) -> String {
        moment(&at.to_string())
    }

    fn number(&self, value: &f64) -> String {
        words::number(*value)
    }

    fn words(&self, text: &str) -> String {
        text.replace('_', " ")
    }
}
