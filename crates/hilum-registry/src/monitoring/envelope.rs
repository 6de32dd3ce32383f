//! `[deployment.monitoring.envelope]`: what follows when a study lies outside the acquisition envelope (MV-04), and when it
//! comes from a scanner, software version or protocol that is new (MV-23).

use serde::{Deserialize, Serialize};

/// The declared policy. Without it nothing is compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvelopePlan {
    /// What happens to a result whose images lie outside.
    pub outside: OutsidePolicy,
    /// Share of studies like those of the reference set that may be taken for outside: above 0, at most 0.5.
    pub false_withhold_rate: f64,
    /// What happens to results of a new acquisition group until it has passed.
    pub new_group: NewGroupPolicy,
    /// Studies of a new group that must have ended inside the envelope until it has passed, 1 to 1000.
    pub group_cases: u32,
}

/// What happens to a result whose images lie outside the envelope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsidePolicy {
    /// It is not released.
    #[default]
    Withhold,
    /// It is released, and says so.
    Mark,
}

/// What happens to results of a new acquisition group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewGroupPolicy {
    /// They are not released until the group has passed.
    #[default]
    Hold,
    /// They are released, and say so.
    Mark,
    /// They are released.
    Release,
}

impl Default for EnvelopePlan {
    fn default() -> EnvelopePlan {
        EnvelopePlan {
            outside: OutsidePolicy::default(),
            false_withhold_rate: 0.01,
            new_group: NewGroupPolicy::default(),
            group_cases: 20,
        }
    }
}

impl EnvelopePlan {
    /// Everything wrong with what is declared, in words.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let rate = self.false_withhold_rate;
        if !(0.0 < rate && rate <= 0.5) {
            problems
                .push(format!("monitoring.envelope.false_withhold_rate is {rate}; it must be above 0 and at most 0.5"));
        }
        if !(1..=1000).contains(&self.group_cases) {
            problems.push(format!("monitoring.envelope.group_cases is {}; it must be in 1 to 1000", self.group_cases));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_careful_ones() {
        let plan: EnvelopePlan = toml::from_str("").unwrap();
        assert_eq!((plan.outside, plan.new_group), (OutsidePolicy::Withhold, NewGroupPolicy::Hold));
        assert_eq!((plan.false_withhold_rate, plan.group_cases, plan.problems().len()), (0.01, 20, 0));
        assert!(toml::from_str::<EnvelopePlan>("outsied = 'mark'").is_err());
    }

    #[test]
    fn every_problem_is_told() {
        let plan: EnvelopePlan = toml::from_str("false_withhold_rate = 0.9\ngroup_cases = 0").unwrap();
        insta::assert_snapshot!(plan.problems().join("\n"), @r"
        monitoring.envelope.false_withhold_rate is 0.9; it must be above 0 and at most 0.5
        monitoring.envelope.group_cases is 0; it must be in 1 to 1000
        ");
        assert_eq!(EnvelopePlan { false_withhold_rate: f64::NAN, ..EnvelopePlan::default() }.problems().len(), 1);
    }
}
