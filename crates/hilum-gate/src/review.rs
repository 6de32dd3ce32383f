//! Whether somebody looks at the figures as often as was agreed: a review that is overdue is told, and withholds where that is
//! declared (MV-01, MV-06).

use hilum_registry::{Deployment, WhenOverdue};
use hilum_sign::{Record, RecordKind, SignatureMeaning};
use hilum_types::{Reason, Timestamp};

/// Records that can be looked at: figures as of a moment, and the report over a window.
pub const REVIEWED_KINDS: [RecordKind; 2] = [RecordKind::MonitoringEvidence, RecordKind::PeriodicReport];

const DAY_SECONDS: i64 = 86_400;

/// What is known of the reviews of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewFacts {
    /// Since when there is something to look at: results of the version reach readers, or a stop was lifted.
    pub since: Timestamp,
    /// When somebody last signed for having looked, as [`reviewed_at`] says.
    pub reviewed_at: Option<Timestamp>,
}

/// How the review stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewFound {
    /// Code and sentence: `review.current`, `review.inside`, `review.overdue`, `review.unknown`.
    pub reason: Reason,
    /// Whether it is overdue.
    pub overdue: bool,
    /// Whether the gate withholds for it.
    pub withholds: bool,
}

/// How the review of a deployment stands at `now`; `None` when none is agreed.
///
/// A version has one period from the time its results reach readers. What runs without being seen needs no review. Without
/// `facts` nobody knows, and that is overdue.
pub fn review(deployment: &Deployment, facts: Option<&ReviewFacts>, now: Timestamp) -> Option<ReviewFound> {
    let plan = deployment.spec.monitoring.as_ref().filter(|plan| 0 < plan.review_days)?;
    let days = plan.review_days;
    let found = |code: &str, text: String, overdue: bool| {
        Some(ReviewFound {
            reason: Reason::about(code, text, "review_days", days.to_string()),
            overdue,
            withholds: overdue && plan.on_overdue == WhenOverdue::Suspend,
        })
    };
    if !deployment.state.reaches_readers() {
        return found("review.inside", "results stay inside, so no review is due".to_owned(), false);
    }
    let Some(facts) = facts else {
        return found("review.unknown", "it is not known when the figures were last reviewed".to_owned(), true);
    };
    let last = match facts.reviewed_at {
        Some(at) => format!("the figures were last reviewed on {}", at.day()),
        None => "nobody has reviewed the figures yet".to_owned(),
    };
    let begun = facts.reviewed_at.map_or(facts.since, |at| at.max(facts.since));
    let due_at = begun.plus_seconds(i64::from(days) * DAY_SECONDS);
    if now < due_at {
        return found("review.current", format!("{last}; the next review is due by {}", due_at.day()), false);
    }
    let who = if plan.reviewed_by.trim().is_empty() { "somebody" } else { plan.reviewed_by.trim() };
    let text = format!("{last}; a look every {days} days by {who} is agreed, and overdue since {}", due_at.day());
    found("review.overdue", text, true)
}

/// When somebody last signed for having looked at the figures of a deployment: a valid signature of meaning `reviewed` under
/// one of [`REVIEWED_KINDS`] about it. What was signed has to say something of the period before the signature: an old
/// report that is signed late is no review. Nor is one that was signed from `since` on, as of [`ReviewFacts::since`], and
/// says only what was before: it is about another version, or about what was put right. A look that is dated after `now`, by a
/// clock that was ahead, does not count yet, and hides no other.
pub fn reviewed_at(records: &[Record], deployment: &Deployment, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let period = i64::from(deployment.spec.monitoring.as_ref()?.review_days) * DAY_SECONDS;
    let about = |record: &&Record| REVIEWED_KINDS.contains(&record.kind) && record.subject == deployment.spec.name;
    let looked = |record: &Record| {
        let until = says_until(record)?;
        let counts_until = until.plus_seconds(period);
        let signatures = record.valid_signatures().into_iter();
        let looks = signatures.filter(|s| s.meaning == SignatureMeaning::Reviewed).map(|s| s.signed_at);
        looks.filter(|at| *at <= now && *at <= counts_until && (since <= until || *at < since)).max()
    };
    records.iter().filter(about).filter_map(looked).max()
}

/// Up to when a record says something; never later than it was entered.
fn says_until(record: &Record) -> Option<Timestamp> {
    let path = if record.kind == RecordKind::PeriodicReport { "/window/to" } else { "/as_of" };
    let until: Timestamp = record.body.pointer(path)?.as_str()?.parse().ok()?;
    Some(until.min(record.created_at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_registry::{DeploymentSpec, DeploymentState};
    use hilum_sign::{NewRecord, PersonKey, ToSign};
    use hilum_types::Digest;
    use serde_json::json;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_micros(1_795_435_200_000_000).plus_seconds(n * DAY_SECONDS)
    }

    fn deployment() -> Deployment {
        let digest = Digest::of(b"package");
        let text = format!("name='cxr'\npackage='{digest}'\n[monitoring]\nreview_days=30\non_overdue='suspend'");
        let spec: DeploymentSpec = toml::from_str(&text).unwrap();
        Deployment::declared(spec, digest, DeploymentState::Active, day(-100))
    }

    /// Figures as of a day, looked at on another.
    fn looked(as_of: Timestamp, signed_at: Timestamp) -> Record {
        let (kind, subject) = (RecordKind::MonitoringEvidence, "cxr".to_owned());
        let new = NewRecord { kind, subject, body: json!({ "format": 1, "as_of": as_of }), author: "user:anna".into() };
        let (record, meaning) = (new.digest(), SignatureMeaning::Reviewed);
        let claim = ToSign { record, meaning, signer: "anna".into(), role: "clinical".into(), signed_at };
        let signatures = vec![PersonKey::from_seed([1; 32]).sign(&claim)];
        let NewRecord { kind, subject, body, author } = new;
        Record { digest: record, kind, subject, body, author, created_at: signed_at, signatures }
    }

    /// MV-06: figures of the version before, signed late, are no look at this one.
    #[test]
    fn figures_of_before_do_not_count_for_what_came_after() {
        let since = day(0);
        let at = |as_of, signed| reviewed_at(&[looked(day(as_of), day(signed))], &deployment(), since, day(40));
        assert_eq!(at(-5, 20), None);
        assert_eq!(at(-5, -4), Some(day(-4)), "it is told when somebody last looked");
        assert_eq!((at(0, 20), at(5, 20)), (Some(day(20)), Some(day(20))));
        assert_eq!(at(5, 36), None, "more than a period later");
    }

    /// A clock that was a year ahead when somebody signed gives no year without a look, and hides no look of the right time.
    #[test]
    fn a_look_in_the_future_gives_no_time() {
        let said = |looks: &[i64], now| {
            let records: Vec<Record> = looks.iter().map(|at| looked(day(*at), day(*at))).collect();
            let reviewed_at = reviewed_at(&records, &deployment(), day(0), day(now));
            let facts = ReviewFacts { since: day(0), reviewed_at };
            review(&deployment(), Some(&facts), day(now)).map(|found| (found.reason.code, found.withholds))
        };
        let (current, overdue) =
            (Some(("review.current".to_owned(), false)), Some(("review.overdue".to_owned(), true)));
        assert_eq!((said(&[365], 29), said(&[365], 30)), (current.clone(), overdue.clone()));
        assert_eq!((said(&[30], 30), said(&[365, 20], 49)), (current.clone(), current));
        assert_eq!(said(&[365, 20], 50), overdue);
    }
}
