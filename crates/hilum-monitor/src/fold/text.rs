//! The sentence a rule says when it fires: what was seen, of how many, and against which limit (UX-02, MV-12).

use super::cell::Found;
use hilum_registry::{Limit, Metric, StopRule};
use hilum_types::Independence;

pub(super) fn sentence(rule: &StopRule, cut: &str, n: u64, happened: u64, found: &Found) -> String {
    let of = if rule.finding.is_empty() { String::new() } else { format!(" for {}", rule.finding) };
    let place = if cut.is_empty() { String::new() } else { format!(" ({cut})") };
    let what = format!("{}{of}{place}", rule.metric.title());
    let labels = labels(rule);
    if rule.consecutive.is_some() {
        let bad = bad_events(rule.metric);
        return format!(
            "{} {bad}{of} in a row{place}, the rule allows fewer than {}{labels}",
            found.value, found.threshold
        );
    }
    let seen = format!("{happened} of {n} ({})", share(happened, n));
    let (side, limit) = match rule.limit() {
        Some(Limit::Below(limit)) => ("below", limit),
        Some(Limit::Above(limit)) => ("above", limit),
        None => {
            let since = found.since.map_or(String::new(), |mark| format!(" since {}", mark.at.day()));
            let by = if rule.strata.is_empty() { String::new() } else { format!(" by {}", rule.strata.join(" and ")) };
            return format!(
                "{}{place} left its accepted reference{by}{since}: evidence {} of the {} that {} allows, {n} studies",
                rule.feature,
                whole(found.value),
                whole(found.threshold),
                patience(rule)
            );
        }
    };
    if let Some(confidence) = rule.confidence {
        let bound = if side == "below" { "at most" } else { "at least" };
        return format!(
            "{what} is {side} {limit} with {} % confidence: {seen}, {bound} {:.3}{labels}",
            confidence * 100.0,
            found.value
        );
    }
    let since = found.since.filter(|mark| mark.n < n).map_or(String::new(), |mark| {
        let (n_since, happened_since) = (n - mark.n, happened - mark.happened);
        format!("{happened_since} of {n_since} ({}) since {}, ", share(happened_since, n_since), mark.at.day())
    });
    format!(
        "{what} went {side} {limit}: {since}{seen} in all; evidence {} of the {} that {} allows{labels}",
        whole(found.value),
        whole(found.threshold),
        patience(rule)
    )
}

/// What a rule counts in a row.
fn bad_events(metric: Metric) -> &'static str {
    match metric {
        Metric::Sensitivity => "positives missed",
        Metric::Specificity => "negatives called positive",
        Metric::Ppv => "wrong positive answers",
        Metric::Concordance => "disagreements",
        Metric::FailureRate => "failed runs",
        Metric::OutsideEnvelope => "studies outside the acquisition envelope",
        Metric::NotEligibleRate => "studies the model is not meant for",
        Metric::PositiveRate | Metric::Feature => "events",
    }
}

fn share(happened: u64, n: u64) -> String {
    format!("{:.3}", happened as f64 / n.max(1) as f64)
}

fn whole(number: f64) -> String {
    if number < 1e15 { format!("{number:.0}") } else { format!("{number:.2e}") }
}

fn patience(rule: &StopRule) -> String {
    match rule.false_stops_per_year {
        Some(per_year) if per_year < 1.0 => format!("one false stop in {} years", 1.0 / per_year),
        Some(per_year) => format!("{per_year} false stops a year"),
        None => "the rule".to_owned(),
    }
}

fn labels(rule: &StopRule) -> String {
    if rule.metric == Metric::Feature || !rule.metric.needs_labels() {
        return String::new();
    }
    let classes: Vec<String> =
        rule.label_classes().iter().copied().map(Independence::name).map(|name| name.replace('_', " ")).collect();
    format!("; {} labels", classes.join(" and "))
}
