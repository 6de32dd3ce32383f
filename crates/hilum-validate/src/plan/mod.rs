//! The power check: what can be said on these cases, before any result is seen.

mod gate;
mod power;

use crate::ValidateError;
use crate::case::Case;
use crate::prepared::{Prepared, Stage};
use crate::protocol::{AcceptanceProtocol, Metric};
use crate::report::{Counts, Flow};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a protocol comes to on a list of cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Where every case goes, as far as it is known.
    pub flow: Flow,
    /// Every criterion and every judged group.
    pub gates: Vec<PlannedGate>,
    /// A good model passes all gates whose power is known with at least this probability (1 less the sum of what each
    /// lacks, whatever their dependence); absent when no power is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_pass_at_least: Option<f64>,
}

/// One gate before the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedGate {
    /// Name of the criterion, or key of the group (`sex=F sensitivity`).
    pub key: String,
    /// The figure.
    pub metric: Metric,
    /// What it will rest on.
    pub counts: Counts,
    /// Why the answer will be `insufficient` whatever the model does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insufficient: Option<String>,
    /// Probability that a good model passes; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    /// What that rests on, or why it is not known.
    pub assumption: String,
    /// Cases with and without the finding that would give the power asked for, at the same share of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<Needed>,
    /// The power is below what the protocol asks for.
    pub underpowered: bool,
}

/// How many cases it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Needed {
    /// With the finding; 0 where the figure does not rest on them.
    pub positives: u64,
    /// Without the finding; 0 where the figure does not rest on them.
    pub negatives: u64,
}

/// What `protocol` comes to on `cases`, before any result is seen. Of outcomes it uses whether a case can be run at all, and
/// the champion's scores where they are known from before.
///
/// It does not refuse; [`Plan::check`] does.
///
/// # Errors
/// [`ValidateError::Protocol`] when the protocol contradicts itself; [`ValidateError::Cases`] when the cases contradict
/// themselves or do not fit it.
pub fn plan(protocol: &AcceptanceProtocol, cases: &[Case]) -> Result<Plan, ValidateError> {
    Ok(plan_of(&Prepared::new(protocol, cases, Stage::Plan)?, None))
}

/// The plan of cases already checked; the champion's threshold helps where it is known.
pub(crate) fn plan_of(prepared: &Prepared<'_>, champion_threshold: Option<f64>) -> Plan {
    let gates = gate::planned(prepared, champion_threshold);
    let lacking: Vec<f64> = gates.iter().filter_map(|gate| gate.power).map(|power| 1.0 - power).collect();
    let all_pass_at_least = (!lacking.is_empty()).then(|| (1.0 - lacking.iter().sum::<f64>()).max(0.0));
    Plan { flow: prepared.flow.clone(), gates, all_pass_at_least }
}

impl Plan {
    /// One sentence for each gate that cannot be answered on these cases.
    pub fn insufficient(&self) -> Vec<String> {
        let told = |gate: &PlannedGate| Some(format!("{:?}: {}", gate.key, gate.insufficient.as_ref()?));
        self.gates.iter().filter_map(told).collect()
    }

    /// One sentence for each gate that a good model would often miss.
    pub fn underpowered(&self) -> Vec<String> {
        self.gates.iter().filter(|gate| gate.underpowered).map(PlannedGate::shortfall).collect()
    }

    /// Refuse an underpowered plan, unless its author goes on knowingly; the report will say so.
    ///
    /// # Errors
    /// [`ValidateError::Underpowered`] with every such gate and the number of cases it needs.
    pub fn check(&self, knowingly: bool) -> Result<(), ValidateError> {
        let underpowered = self.underpowered();
        if underpowered.is_empty() || knowingly { Ok(()) } else { Err(ValidateError::Underpowered(underpowered)) }
    }
}

impl PlannedGate {
    fn shortfall(&self) -> String {
        let power = self.power.map_or_else(String::new, |power| format!("{:.0} %", 100.0 * power));
        let needed = match self.needed {
            Some(Needed { positives, negatives: 0 }) => format!("; it takes {positives} positives"),
            Some(Needed { positives: 0, negatives }) => format!("; it takes {negatives} negatives"),
            Some(Needed { positives, negatives }) => {
                format!("; it takes {positives} positives and {negatives} negatives")
            }
            None => String::new(),
        };
        format!("a good model passes {:?} with a probability of {power} only{needed}", self.key)
    }
}
