//! The periodic report of a deployment over a window: exposure, performance, incidents, changes, actions (GV-04).
//!
//! One artefact that can go into a PSUR or PMCF file and into AI Act article 72 alike; what it cannot say it names as missing.

mod page;
mod parts;

pub use parts::{AlarmFacts, BookDay, Count, Entry, Missing, Share, Spread, VersionRuns};

use crate::EvidenceError;
use crate::facts::{AsOf, DeploymentEvent, DeploymentFacts, SiteFacts, Window};
use crate::figure::ValidationFacts;
use crate::words;
use askama::Template;
use hilum_sign::{NewRecord, Record, RecordKind};
use hilum_stats::wilson;
use hilum_types::Digest;
use page::PeriodicPage;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Confidence level of the intervals of shares.
const LEVEL: f64 = 0.95;

/// What the report is not (GV-19).
const WHAT_IT_IS_NOT: &str = "It says what this site recorded in the window. It is no declaration of conformity, no certificate, no report to an \
    authority and no legal advice.";

/// What the caller counted in the window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counted {
    /// The books, oldest day first (MV-20).
    pub days: Vec<BookDay>,
    /// Dispositions with the code of their reason, as the audit chain has them.
    pub reasons: BTreeMap<(String, String), u64>,
    /// Runs of a model by package.
    pub runs: BTreeMap<Digest, u64>,
    /// Labels that were entered, by finding and class of independence, as the audit chain has them.
    pub labels: BTreeMap<(String, String), u64>,
    /// Deliveries enqueued in the window, by state now.
    pub deliveries: BTreeMap<String, u64>,
    /// Seconds from enqueued to accepted by the destination.
    pub delivery_seconds: Vec<f64>,
    /// Alarms about the deployment.
    pub alarms: Vec<AlarmFacts>,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodicReport {
    /// Always 1.
    pub format: u32,
    /// The deployment.
    pub deployment: String,
    /// The window.
    pub window: Window,
    /// Position of the audit chain that it was made at.
    pub as_of: AsOf,
    /// State at that position.
    pub state: String,
    /// Versions that ran in the window, `NAME@VERSION`, with their runs.
    pub versions: Vec<VersionRuns>,
    /// Study revisions that arrived.
    pub arrived: u64,
    /// How they ended.
    pub dispositions: Vec<Share>,
    /// Not ended yet.
    pub open: u64,
    /// The books by day.
    pub days: Vec<BookDay>,
    /// Why studies were not analysed, by disposition and reason code.
    pub reasons: Vec<Count>,
    /// Deliveries enqueued in the window, by state.
    pub deliveries: Vec<Count>,
    /// Seconds from enqueued to accepted: n, median, 95th percentile (nearest rank) and longest.
    pub delivery_seconds: Option<Spread>,
    /// Suspensions and their ends.
    pub suspensions: Vec<Entry>,
    /// Other acts on the deployment.
    pub changes: Vec<Entry>,
    /// Recalls of its versions.
    pub recalls: Vec<Entry>,
    /// Acceptance tests, replays, comparisons and canaries of its versions.
    pub tests: Vec<Entry>,
    /// Labels that were entered in the window, whenever their studies were read, by finding and class of independence.
    #[serde(default)]
    pub labels: Vec<Count>,
    /// Figures of performance in use that were kept as records in the window.
    #[serde(default)]
    pub evidence: Vec<Entry>,
    /// Alarms about it.
    pub alarms: Vec<AlarmFacts>,
    /// What it cannot say.
    pub missing: Vec<Missing>,
}

impl PeriodicReport {
    /// The report on a deployment.
    ///
    /// # Errors
    /// [`EvidenceError::NoDeployment`].
    pub fn new(
        site: &SiteFacts,
        deployment: &str,
        window: Window,
        counted: &Counted,
    ) -> Result<PeriodicReport, EvidenceError> {
        let facts = site.deployments.iter().find(|facts| facts.name == deployment);
        let facts = facts.ok_or_else(|| EvidenceError::NoDeployment(deployment.to_owned()))?;
        let label = |digest: &Digest| site.package(digest).map_or_else(|_| digest.short(), |package| package.label());
        let acts: Vec<&DeploymentEvent> = facts.events.iter().filter(|event| window.contains(event.at)).collect();
        let is_stop =
            |event: &&DeploymentEvent| matches!(event.action.as_str(), "deployment_suspended" | "deployment_resumed");
        let (stops, changes): (Vec<_>, Vec<_>) = acts.into_iter().partition(is_stop);
        let total = |of: fn(&BookDay) -> u64| counted.days.iter().map(of).sum::<u64>();
        let arrived = total(|day| day.arrived);
        let named: [(&str, u64); 5] = [
            ("analysed", total(|day| day.analysed)),
            ("not_eligible", total(|day| day.not_eligible)),
            ("withheld", total(|day| day.withheld)),
            ("failed", total(|day| day.failed)),
            ("expired", total(|day| day.expired)),
        ];
        let kinds = [RecordKind::Validation, RecordKind::Replay, RecordKind::Comparison, RecordKind::Canary];
        let tests = about(site, facts, window, &kinds);
        let mut report = PeriodicReport {
            format: 1,
            deployment: deployment.to_owned(),
            window,
            as_of: site.as_of.clone(),
            state: facts.state.clone(),
            versions: counted
                .runs
                .iter()
                .map(|(package, runs)| VersionRuns { model: label(package), package: *package, runs: *runs })
                .collect(),
            arrived,
            dispositions: named.iter().filter_map(|(name, n)| share(name, *n, arrived)).collect(),
            open: total(|day| day.open),
            days: counted.days.clone(),
            reasons: reasons(counted),
            deliveries: counts(&counted.deliveries),
            delivery_seconds: spread(&counted.delivery_seconds),
            suspensions: stops.into_iter().map(|event| act(event, &label)).collect(),
            changes: changes.into_iter().map(|event| act(event, &label)).collect(),
            recalls: about(site, facts, window, &[RecordKind::Recall]),
            tests,
            labels: labels(counted),
            evidence: about(site, facts, window, &[RecordKind::MonitoringEvidence]),
            alarms: counted.alarms.clone(),
            missing: Vec::new(),
        };
        report.missing = missing(site, facts, &report);
        Ok(report)
    }

    /// The record to enter: kind `periodic_report`, subject the deployment.
    pub fn record(&self, author: &str) -> NewRecord {
        NewRecord {
            kind: RecordKind::PeriodicReport,
            subject: self.deployment.clone(),
            body: serde_json::to_value(self).unwrap_or_default(),
            author: author.to_owned(),
        }
    }

    /// Read a record back.
    ///
    /// # Errors
    /// [`EvidenceError::Record`] when it is of another kind or format, or was changed.
    pub fn from_record(record: &Record) -> Result<PeriodicReport, EvidenceError> {
        let refuse =
            |why: String| EvidenceError::Record { kind: record.kind.name(), record: record.digest.short(), why };
        if record.kind != RecordKind::PeriodicReport || !record.is_intact() {
            return Err(refuse("it is no periodic report, or was changed after it was entered".to_owned()));
        }
        serde_json::from_value(record.body.clone()).map_err(|error| refuse(error.to_string()))
    }

    /// The report as JSON text, as it is written to disk.
    pub fn json(&self) -> Vec<u8> {
        crate::card::pretty(&serde_json::to_value(self).unwrap_or_default())
    }

    /// The report as one static page.
    ///
    /// # Errors
    /// [`EvidenceError::Page`].
    pub fn page(&self) -> Result<String, EvidenceError> {
        let page = PeriodicPage { report: self, not_it: WHAT_IT_IS_NOT };
        page.render().map_err(|error| EvidenceError::Page(error.to_string()))
    }
}

fn share(name: &str, count: u64, n: u64) -> Option<Share> {
    let estimate = wilson(count, n, LEVEL).ok()?;
    Some(Share {
        name: name.to_owned(),
        count,
        n,
        value: estimate.value,
        lower: estimate.lower,
        upper: estimate.upper,
        level: estimate.level,
        method: estimate.method.into_owned(),
    })
}

fn counts(named: &BTreeMap<String, u64>) -> Vec<Count> {
    named.iter().map(|(name, count)| Count { name: name.clone(), count: *count }).collect()
}

fn labels(counted: &Counted) -> Vec<Count> {
    let name = |finding: &str, class: &str| format!("{finding}, {}", class.replace('_', " "));
    counted.labels.iter().map(|((finding, class), count)| Count { name: name(finding, class), count: *count }).collect()
}

/// Most frequent first.
fn reasons(counted: &Counted) -> Vec<Count> {
    let mut reasons: Vec<Count> = counted
        .reasons
        .iter()
        .filter(|((_, code), _)| !code.is_empty())
        .map(|((disposition, code), count)| Count { name: format!("{disposition}: {code}"), count: *count })
        .collect();
    reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    reasons
}

fn spread(seconds: &[f64]) -> Option<Spread> {
    let mut sorted: Vec<f64> = seconds.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((share * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1];
    let longest = *sorted.last()?;
    Some(Spread { n: sorted.len() as u64, median: at(0.5), p95: at(0.95), longest })
}

fn act(event: &DeploymentEvent, label: &dyn Fn(&Digest) -> String) -> Entry {
    let mut what = event.action.replace('_', " ");
    if let Some(state) = event.text("state") {
        what.push_str(&format!(", {state}"));
    }
    if let Some(package) = event.package() {
        what.push_str(&format!(", {}", label(&package)));
    }
    if let Some(reason) = event.text("reason") {
        what.push_str(&format!(": {reason}"));
    }
    Entry { at: event.at, by: event.actor.clone(), what, record: None }
}

/// Records of those kinds in the window about the deployment or a version it ever ran, oldest first.
fn about(site: &SiteFacts, facts: &DeploymentFacts, window: Window, kinds: &[RecordKind]) -> Vec<Entry> {
    let packages: Vec<String> = facts.packages().iter().map(ToString::to_string).collect();
    let concerns = |record: &&Record| {
        let subject = &record.subject;
        kinds.contains(&record.kind)
            && window.contains(record.created_at)
            && (*subject == facts.name || packages.contains(subject))
    };
    let mut records: Vec<&Record> = site.records.iter().filter(concerns).collect();
    records.sort_by_key(|record| (record.created_at, record.digest));
    let entry = |record: &Record| {
        let what = match record.kind {
            RecordKind::Validation => {
                let validation = ValidationFacts::read(record);
                let why = validation.problem.unwrap_or(validation.sentence);
                let judged = validation.figures.iter().filter(|figure| figure.verdict.is_some());
                let figures: Vec<String> = judged.map(crate::Figure::sentence).collect();
                format!("acceptance test {}: {why} {}", validation.verdict, figures.join("; "))
            }
            RecordKind::MonitoringEvidence => evidence(&record.body),
            kind => {
                let found =
                    ["finding", "reason", "outcome", "verdict"].iter().find_map(|key| record.body[*key].as_str());
                let flips = record.body["n_negative_flips"].as_u64();
                let flips = flips.map_or(String::new(), |n| format!(", {n} negative flips"));
                format!(
                    "{}{}{flips}",
                    kind.name().replace('_', " "),
                    found.map_or(String::new(), |text| format!(": {text}"))
                )
            }
        };
        let what = format!("{} ({})", what.trim(), words::approval(record));
        Entry { at: record.created_at, by: record.author.clone(), what, record: Some(record.digest) }
    };
    records.into_iter().map(entry).collect()
}

/// The period, what was counted in it, and the figures of the whole deployment that rest on labels.
fn evidence(body: &Value) -> String {
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    let day = |key: &str| text(body, key).split('T').next().unwrap_or_default().to_owned();
    let n = |of: &Value, key: &str| of[key].as_u64().map_or("?".to_owned(), |n| n.to_string());
    let all = body["figures"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rests_on_labels = |one: &&Value| one["label_classes"].as_array().is_some_and(|c| !c.is_empty());
    let whole = all.iter().filter(|one| text(one, "cut").is_empty()).filter(rests_on_labels);
    let told = whole.map(|one| {
        let value = |key: &str| one[key].as_f64().map_or("?".to_owned(), words::number);
        format!(
            "; {} {} {} ({} to {}, n {}, {})",
            text(one, "name").replace('_', " "),
            text(one, "finding"),
            value("value"),
            value("lower"),
            value("upper"),
            n(one, "n"),
            text(one, "method")
        )
    });
    let told: String = told.collect();
    let counted = format!("{} studies, {} labels", n(body, "n_observations"), n(body, "n_labels"));
    format!("performance in use, {} to {}: {counted}{told}", day("from"), day("as_of"))
}

/// What the report cannot say of performance in use; `None` when figures of it were kept and labels came in.
fn no_performance(facts: &DeploymentFacts, report: &PeriodicReport) -> Option<(String, String)> {
    let n_labels: u64 = report.labels.iter().map(|label| label.count).sum();
    let keep = format!("Keep the figures before the window ends: `hilum monitor evidence {} --record`.", facts.name);
    let what = match (n_labels, report.evidence.is_empty()) {
        (0, true) => "no label was entered in this window, and no figures were kept as a record.".to_owned(),
        (0, false) => {
            "no label was entered in this window; the figures kept in it rest on earlier labels, or on none.".to_owned()
        }
        (n, true) => format!("labels entered in this window: {n}; no figures made of them were kept as a record."),
        (_, false) => return None,
    };
    let remedy = if n_labels == 0 {
        "Labels from assessments and final reports, independent of the model's output.".to_owned()
    } else {
        keep
    };
    Some((format!("Performance in use, overall and in groups: {what}"), remedy))
}

fn missing(site: &SiteFacts, facts: &DeploymentFacts, report: &PeriodicReport) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut add = |what: &str, remedy: &str| missing.push(Missing { what: what.to_owned(), remedy: remedy.to_owned() });
    if let Some((what, remedy)) = no_performance(facts, report) {
        add(&what, &remedy);
    }
    add(
        "Incidents: Hilum keeps no register of incidents and complaints yet; alarms are listed, and are no substitute.",
        "Add those of the site's vigilance file for this window.",
    );
    if report.as_of.at.is_none_or(|at| at < report.window.to) {
        add(
            "The end of the window: the last entry of the audit chain lies before it.",
            "Make the report again once the window is over, if it was not.",
        );
    }
    if report.arrived == 0 {
        add("Exposure: no study arrived in this window.", "Choose a window in which the deployment was in service.");
    }
    if report.tests.is_empty() {
        add(
            "Tests: no acceptance test, replay, comparison or canary of its versions falls into this window.",
            "`hilum validate` on a current reference set.",
        );
    }
    if site.records_about(RecordKind::Validation, &facts.package.to_string()).is_empty() {
        add(
            "A baseline: the version in use has no acceptance test on record.",
            "`hilum validate --model NAME@VERSION --protocol FILE --out DIR`.",
        );
    }
    if report.days.iter().any(|day| 0 < day.open) {
        add("Some studies of the window have not ended yet.", "Make the report again once they have.");
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_their_interval_and_none_of_nothing() {
        assert_eq!(share("analysed", 0, 0), None, "no data is not 0 %");
        // Newcombe, Stat. Med. 17 (1998) 857-872, method 3: 81 of 263.
        let share = share("analysed", 81, 263).unwrap();
        assert!((share.lower - 0.2553).abs() < 5e-5 && (share.upper - 0.3662).abs() < 5e-5);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let spread = spread(&(1..=100).rev().map(f64::from).collect::<Vec<_>>()).unwrap();
        assert_eq!((spread.n, spread.median, spread.p95, spread.longest), (100, 50.0, 95.0, 100.0));
        assert_eq!(super::spread(&[]), None);
        assert_eq!(super::spread(&[3.0]).unwrap().p95, 3.0);
    }
}
