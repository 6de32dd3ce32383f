//! What a site watches and when it stops: `[deployment.monitoring]` of a declaration.

use serde::{Deserialize, Serialize};

/// What the site watches once results reach readers (MV-01). The rules are declared here in words that a person
/// answers for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MonitoringPlan {
    /// When use is stopped, one rule a line, such as `sensitivity below 0.80 over 50 labelled positives`.
    pub stop_rules: Vec<String>,
    /// Who looks at the figures: a person or a role.
    pub reviewed_by: String,
    /// How often, in days.
    pub review_days: u32,
}

impl MonitoringPlan {
    /// What it lacks to be a plan; empty when it is one.
    pub fn gaps(&self) -> Vec<&'static str> {
        let mut gaps = Vec::new();
        if self.stop_rules.iter().all(|rule| rule.trim().is_empty()) {
            gaps.push("stop_rules");
        }
        if self.reviewed_by.trim().is_empty() {
            gaps.push("reviewed_by");
        }
        if self.review_days == 0 {
            gaps.push("review_days");
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_without_rules_is_none() {
        assert_eq!(MonitoringPlan::default().gaps(), ["stop_rules", "reviewed_by", "review_days"]);
    }
}
