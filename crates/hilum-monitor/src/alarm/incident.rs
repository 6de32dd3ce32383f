use crate::Severity;
use hilum_registry::{AlarmPlan, DueHours};
use hilum_types::Timestamp;

/// Seconds of an hour.
pub const HOUR_SECONDS: i64 = 3600;

/// Highest level of escalation that is counted.
const LEVEL_MAX: u32 = 99;

/// What is known of an incident (the alarms of one deployment and cut, or of one code and study) when something is raised
/// for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IncidentFacts {
    /// Severity of the alarm that is not closed yet, if there is one.
    pub open: Option<Severity>,
    /// Whether somebody has acknowledged that one.
    pub acknowledged: bool,
    /// When the last alarm of it was closed, and its severity.
    pub closed: Option<(Timestamp, Severity)>,
    /// Alarms of the deployment that were announced within the last seven days.
    pub n_week: u32,
}

/// What becomes of something that is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// It joins the open alarm.
    CountUp {
        /// Why somebody is told again, whatever was acknowledged before.
        told: Option<Told>,
    },
    /// It joins the alarm that was closed a short while ago, and nobody is told.
    HeldOff,
    /// It is a new alarm.
    Open {
        /// Whether somebody is told of it by itself; otherwise the budget is spent, and its excess is reported once.
        announce: bool,
    },
}

/// Why somebody is told again of an alarm that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// What came is more severe than the alarm was.
    Worse,
    /// Use was stopped, and whoever answered the alarm answered an earlier stop.
    StoppedAgain,
}

/// Decide what becomes of something raised with `severity` at `now`.
pub fn take_in(severity: Severity, facts: &IncidentFacts, plan: &AlarmPlan, now: Timestamp) -> Intake {
    if let Some(open) = facts.open {
        let again = severity == Severity::Stop && facts.acknowledged;
        let told = if open < severity { Some(Told::Worse) } else { again.then_some(Told::StoppedAgain) };
        return Intake::CountUp { told };
    }
    let hold_off = i64::from(plan.hold_off_hours) * HOUR_SECONDS;
    if let Some((at, before)) = facts.closed
        // A stop is never kept quiet, whatever was closed before it.
        && severity < Severity::Stop
        && severity <= before
        && now < at.plus_seconds(hold_off)
    {
        return Intake::HeldOff;
    }
    Intake::Open { announce: severity == Severity::Stop || facts.n_week < plan.weekly_budget }
}

/// The next step of an alarm that nobody acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escalation {
    /// Its severity from now on.
    pub severity: Severity,
    /// Which contact is told: 0 is the first; the last one stands in for those that do not exist.
    pub level: u32,
    /// When it escalates again.
    pub due_at: Timestamp,
}

/// Until when an alarm of that severity must be acknowledged.
pub(crate) fn due_at(severity: Severity, hours: &DueHours, now: Timestamp) -> Timestamp {
    let hours = match severity {
        Severity::Watch => hours.watch,
        Severity::Review => hours.review,
        Severity::Stop => hours.stop,
    };
    now.plus_seconds(i64::from(hours) * HOUR_SECONDS)
}

impl Escalation {
    /// Where a new alarm begins.
    pub fn begin(severity: Severity, plan: &AlarmPlan, now: Timestamp) -> Escalation {
        Escalation { severity, level: 0, due_at: due_at(severity, &plan.due_hours, now) }
    }
}

/// What follows at `now`, when an alarm stands at `at` and nobody has acknowledged it; `None` while it is not due.
///
/// One step each time it is asked, however long nobody looked: the contact after the first one gets as long to answer as
/// the first had. Severity goes up to `review`; `stop` means that a deployment was suspended, and waiting suspends nothing.
pub fn escalate(at: &Escalation, plan: &AlarmPlan, now: Timestamp) -> Option<Escalation> {
    if now < at.due_at {
        return None;
    }
    let severity = at.severity.max(Severity::Review);
    Some(Escalation { severity, level: (at.level + 1).min(LEVEL_MAX), due_at: due_at(severity, &plan.due_hours, now) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_micros(0).plus_seconds(hours * HOUR_SECONDS)
    }

    #[test]
    fn signals_of_one_incident_are_one_alarm() {
        let plan = AlarmPlan::default();
        let open = IncidentFacts { open: Some(Severity::Review), ..IncidentFacts::default() };
        assert_eq!(take_in(Severity::Watch, &open, &plan, at(0)), Intake::CountUp { told: None });
        assert_eq!(take_in(Severity::Stop, &open, &plan, at(0)), Intake::CountUp { told: Some(Told::Worse) });
    }

    #[test]
    fn a_second_stop_is_told_to_whoever_answered_the_first() {
        let plan = AlarmPlan::default();
        let stopped = IncidentFacts { open: Some(Severity::Stop), ..IncidentFacts::default() };
        assert_eq!(take_in(Severity::Stop, &stopped, &plan, at(0)), Intake::CountUp { told: None });
        let answered = IncidentFacts { acknowledged: true, ..stopped };
        let again = Intake::CountUp { told: Some(Told::StoppedAgain) };
        assert_eq!(take_in(Severity::Stop, &answered, &plan, at(0)), again);
        assert_eq!(take_in(Severity::Review, &answered, &plan, at(0)), Intake::CountUp { told: None });
    }

    #[test]
    fn after_closing_there_is_a_hold_off_but_never_for_a_stop() {
        let plan = AlarmPlan::default();
        let closed = IncidentFacts { closed: Some((at(0), Severity::Review)), ..IncidentFacts::default() };
        assert_eq!(take_in(Severity::Review, &closed, &plan, at(23)), Intake::HeldOff);
        assert_eq!(take_in(Severity::Review, &closed, &plan, at(24)), Intake::Open { announce: true });
        assert_eq!(take_in(Severity::Stop, &closed, &plan, at(1)), Intake::Open { announce: true });
        let lesser = IncidentFacts { closed: Some((at(0), Severity::Watch)), ..IncidentFacts::default() };
        assert_eq!(take_in(Severity::Review, &lesser, &plan, at(1)), Intake::Open { announce: true });
    }

    #[test]
    fn a_spent_budget_keeps_quiet_but_not_about_a_stop() {
        let plan = AlarmPlan { weekly_budget: 2, ..AlarmPlan::default() };
        let spent = IncidentFacts { n_week: 2, ..IncidentFacts::default() };
        assert_eq!(take_in(Severity::Review, &spent, &plan, at(0)), Intake::Open { announce: false });
        assert_eq!(take_in(Severity::Stop, &spent, &plan, at(0)), Intake::Open { announce: true });
    }

    #[test]
    fn nobody_answers_and_the_next_is_told() {
        let plan = AlarmPlan::default();
        let begun = Escalation::begin(Severity::Watch, &plan, at(0));
        assert_eq!(begun.due_at, at(120));
        assert_eq!(escalate(&begun, &plan, at(119)), None);
        let first = escalate(&begun, &plan, at(400)).unwrap();
        assert_eq!(first, Escalation { severity: Severity::Review, level: 1, due_at: at(424) });
        let second = escalate(&first, &plan, at(424)).unwrap();
        assert_eq!((second.severity, second.level), (Severity::Review, 2));
        let stop = Escalation::begin(Severity::Stop, &plan, at(0));
        assert_eq!(escalate(&stop, &plan, at(4)).unwrap().severity, Severity::Stop);
    }
}
