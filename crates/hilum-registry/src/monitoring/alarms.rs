//! Who is told of an alarm, until when it must be answered, and how many a week are too many (MV-31, UX-13).

use serde::{Deserialize, Serialize};

/// `[deployment.monitoring.alarms]`: every key may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlarmPlan {
    /// Who owns its alarms; the owner of the deployment when left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Names of `[[notify.contact]]`: the first is told, the next ones when nobody answered in time. Empty: the
    /// site's own list, `[notify] contacts`.
    pub contacts: Vec<String>,
    /// Hours until an alarm must be acknowledged.
    pub due_hours: DueHours,
    /// After an alarm was closed, signals of the same cut are only counted for this many hours, unless they stop the
    /// deployment.
    pub hold_off_hours: u32,
    /// Alarms in seven days above which the excess is reported once instead of one by one.
    pub weekly_budget: u32,
}

/// Hours until an alarm must be acknowledged, by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DueHours {
    /// Something moved.
    pub watch: u32,
    /// A person has to decide.
    pub review: u32,
    /// The deployment was suspended.
    pub stop: u32,
}

impl Default for DueHours {
    fn default() -> Self {
        DueHours { watch: 120, review: 24, stop: 4 }
    }
}

impl Default for AlarmPlan {
    fn default() -> Self {
        AlarmPlan {
            owner: String::new(),
            contacts: Vec::new(),
            due_hours: DueHours::default(),
            hold_off_hours: 24,
            weekly_budget: 5,
        }
    }
}

impl AlarmPlan {
    /// Whether it says nothing beyond the defaults.
    pub fn is_default(&self) -> bool {
        *self == AlarmPlan::default()
    }

    /// What is wrong with it, each with its remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let DueHours { watch, review, stop } = self.due_hours;
        for (name, hours) in [("watch", watch), ("review", review), ("stop", stop)] {
            if !(1..=720).contains(&hours) {
                problems.push(format!("monitoring.alarms.due_hours.{name} is {hours}; it must be in 1 to 720"));
            }
        }
        if 720 < self.hold_off_hours {
            let hours = self.hold_off_hours;
            problems.push(format!("monitoring.alarms.hold_off_hours is {hours}; it must be in 0 to 720"));
        }
        if !(1..=1000).contains(&self.weekly_budget) {
            let budget = self.weekly_budget;
            problems.push(format!("monitoring.alarms.weekly_budget is {budget}; it must be in 1 to 1000"));
        }
        for (i, name) in self.contacts.iter().enumerate() {
            if name.trim().is_empty() {
                problems.push("monitoring.alarms.contacts holds an empty name; name a [[notify.contact]]".to_owned());
            } else if self.contacts[..i].contains(name) {
                problems.push(format!("monitoring.alarms.contacts names {name:?} twice; name each contact once"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told_with_its_remedy() {
        let plan: AlarmPlan =
            toml::from_str("contacts=['a','','a']\nhold_off_hours=900\nweekly_budget=0\ndue_hours={stop=0}").unwrap();
        insta::assert_snapshot!(plan.problems().join("\n"), @r#"
        monitoring.alarms.due_hours.stop is 0; it must be in 1 to 720
        monitoring.alarms.hold_off_hours is 900; it must be in 0 to 720
        monitoring.alarms.weekly_budget is 0; it must be in 1 to 1000
        monitoring.alarms.contacts holds an empty name; name a [[notify.contact]]
        monitoring.alarms.contacts names "a" twice; name each contact once
        "#);
        assert_eq!(AlarmPlan::default().problems(), Vec::<String>::new());
    }
}
