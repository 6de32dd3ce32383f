//! The steps before release that look at how the images were made: envelope and acquisition group.

use crate::decision::{Outcome, Stage, StepName, Verdict};
use crate::steps::GateInput;
use hilum_registry::{EnvelopePlan, NewGroupPolicy, OutsidePolicy};
use hilum_types::Reason;

/// What was measured of the images of a study. The default: nothing was, as before inference.
#[derive(Debug, Clone, Copy, Default)]
pub struct AcquisitionFacts<'a> {
    /// How they compare with the envelope.
    pub envelope: Option<&'a EnvelopeFacts>,
    /// Where they come from.
    pub group: Option<&'a GroupFacts>,
}

/// How the images of a study compare with the envelope of the accepted reference set.
#[derive(Debug, Clone, PartialEq)]
pub enum EnvelopeFacts {
    /// There is none to compare with, or it does not support the declared rate: why, in words with the remedy.
    None(String),
    /// Inside.
    Inside {
        /// Digest of the record that holds the envelope, shortened.
        record: String,
        /// Share of the reference cases that lie nearer to its middle, in percent.
        percentile: f64,
        /// Reference cases.
        n_cases: usize,
    },
    /// Outside.
    Outside {
        /// Digest of the record that holds the envelope, shortened.
        record: String,
        /// What decided, such as `noise 41 against 3 to 12`.
        sentence: String,
        /// Names of what is outside.
        names: Vec<String>,
    },
}

/// The acquisition group of a study, and how far it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// Its stable name.
    pub key: String,
    /// For people: `Siemens Ysio, device 4711, software VB10`.
    pub title: String,
    /// Whether the reference set has cases of it.
    pub in_reference: bool,
    /// Studies of it that have ended inside the envelope so far, under this version.
    pub n_inside: u64,
}

/// A step that passes, marks or stops; `None`: there is nothing to say.
type Check = fn(&GateInput<'_>) -> Result<Option<(Outcome, Reason)>, Verdict>;

pub(crate) const CHECKS: [(StepName, Check); 2] = [(StepName::Envelope, envelope), (StepName::AcquisitionGroup, group)];

fn declared<'a>(input: &GateInput<'a>) -> Option<&'a EnvelopePlan> {
    input.deployment.spec.envelope().filter(|_| input.stage == Stage::BeforeRelease)
}

/// What is declared and cannot be compared is not taken for inside.
fn envelope(input: &GateInput<'_>) -> Result<Option<(Outcome, Reason)>, Verdict> {
    let Some(plan) = declared(input) else { return Ok(None) };
    let not_measured = EnvelopeFacts::None("the images were not measured".to_owned());
    let reason = match input.acquisition.envelope.unwrap_or(&not_measured) {
        EnvelopeFacts::Inside { record, percentile, n_cases } => {
            let text = format!(
                "inside the acquisition envelope of record {record}: farther out than {percentile:.0} % of its {n_cases} cases"
            );
            return Ok(Some((Outcome::Passed, Reason::about("envelope.inside", text, "envelope", record))));
        }
        // Whatever follows from lying outside: of these images nobody knows where they lie.
        EnvelopeFacts::None(why) => {
            let text = format!("an acquisition envelope is declared, and nothing could be compared with it: {why}");
            return Err(Verdict::Withheld { reason: Reason::about("envelope.none", text, "envelope", "") });
        }
        EnvelopeFacts::Outside { record, sentence, names } => {
            let text = format!("outside the acquisition envelope of record {record}: {sentence}");
            Reason::about("envelope.outside", text, "envelope", names.join(", "))
        }
    };
    match plan.outside {
        OutsidePolicy::Withhold => Err(Verdict::Withheld { reason }),
        OutsidePolicy::Mark => Ok(Some((Outcome::Marked, reason))),
    }
}

fn group(input: &GateInput<'_>) -> Result<Option<(Outcome, Reason)>, Verdict> {
    let Some(plan) = declared(input) else { return Ok(None) };
    let Some(facts) = input.acquisition.group else {
        let text = "it is not known from which scanner, software and protocol the images are";
        return new_group(plan, Reason::about("group.unknown", text, "group", ""));
    };
    let GroupFacts { key, title, n_inside, .. } = facts;
    if facts.in_reference {
        let text = format!("the reference set has cases of this acquisition group: {title}");
        return Ok(Some((Outcome::Passed, Reason::about("group.reference", text, "group", key))));
    }
    let wanted = plan.group_cases;
    if u64::from(wanted) <= *n_inside {
        let text = format!("{n_inside} studies of this acquisition group have ended inside the envelope: {title}");
        return Ok(Some((Outcome::Passed, Reason::about("group.passed", text, "group", key))));
    }
    let text = format!(
        "a new acquisition group: {n_inside} of the {wanted} studies it needs have ended inside the envelope so far: {title}"
    );
    new_group(plan, Reason::about("group.new", text, "group", key))
}

fn new_group(plan: &EnvelopePlan, reason: Reason) -> Result<Option<(Outcome, Reason)>, Verdict> {
    match plan.new_group {
        NewGroupPolicy::Hold => Err(Verdict::Withheld { reason }),
        NewGroupPolicy::Mark => Ok(Some((Outcome::Marked, reason))),
        NewGroupPolicy::Release => Ok(Some((Outcome::Passed, reason))),
    }
}
