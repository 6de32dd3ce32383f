//! How a version comes into use step by step: the part of a declaration that the lifecycle asks for.

use serde::{Deserialize, Serialize};

/// Which studies a limited deployment answers for, and when it is stopped by itself (MV-18).
///
/// Sites and stations narrow together: where both are given a study must match both. What they leave is divided by
/// `share`. A study whose patient is not identified is never given to a limited version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RolloutSpec {
    /// Institution Name (0008,0080) of the studies, any of these; empty: every site. Compared without regard to case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<String>,
    /// Station Name (0008,1010) or Device Serial Number (0018,1000), any of these; empty: every station.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stations: Vec<String>,
    /// Part of the patients, 0 to 1; all of them when left out. A patient always falls on the same side, and a larger
    /// share only adds patients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Shadow runs of this deployment that may wait at once; what comes beyond them is dropped with a reason.
    pub shadow_waiting_max: u32,
    /// Failed runs among the last `runs_window`, 0 to 1: beyond it the deployment is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate_max: Option<f64>,
    /// 95th percentile of the run time in seconds among the last `runs_window`: beyond it the deployment is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_seconds_p95_max: Option<f64>,
    /// Finished runs before a bound is looked at, so that one early failure is no rate.
    pub runs_min: u32,
    /// Most recent runs that a bound looks at.
    pub runs_window: u32,
}

impl Default for RolloutSpec {
    fn default() -> Self {
        RolloutSpec {
            sites: Vec::new(),
            stations: Vec::new(),
            share: None,
            shadow_waiting_max: 100,
            error_rate_max: None,
            run_seconds_p95_max: None,
            runs_min: 10,
            runs_window: 50,
        }
    }
}

impl RolloutSpec {
    /// Whether nothing was declared.
    pub fn is_default(&self) -> bool {
        *self == RolloutSpec::default()
    }

    /// Whether it says which studies a limited deployment answers for.
    pub fn limits(&self) -> bool {
        !self.sites.is_empty() || !self.stations.is_empty() || self.share.is_some()
    }

    /// Everything wrong with the values.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, value) in [("share", self.share), ("error_rate_max", self.error_rate_max)] {
            if let Some(value) = value.filter(|value| !(0.0..=1.0).contains(value)) {
                problems.push(format!("rollout.{key} is {value}; it must be in 0 to 1"));
            }
        }
        if let Some(seconds) = self.run_seconds_p95_max.filter(|seconds| !(0.0 < *seconds && seconds.is_finite())) {
            problems.push(format!("rollout.run_seconds_p95_max is {seconds}; it must be more than 0"));
        }
        if self.runs_min == 0 || self.runs_window < self.runs_min || 1000 < self.runs_window {
            problems
                .push("rollout.runs_min must be at least 1, runs_window at least runs_min and at most 1000".to_owned());
        }
        for (key, list) in [("sites", &self.sites), ("stations", &self.stations)] {
            if list.iter().any(|name| name.trim().is_empty()) {
                problems.push(format!("rollout.{key} has an empty name, which would match studies that state none"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_values_are_told_and_nothing_is_no_limit() {
        let spec: RolloutSpec =
            toml::from_str("share=1.5\nerror_rate_max=-1\nrun_seconds_p95_max=0\nruns_min=0\nsites=[' ']").unwrap();
        insta::assert_snapshot!(spec.problems().join("\n"), @r"
        rollout.share is 1.5; it must be in 0 to 1
        rollout.error_rate_max is -1; it must be in 0 to 1
        rollout.run_seconds_p95_max is 0; it must be more than 0
        rollout.runs_min must be at least 1, runs_window at least runs_min and at most 1000
        rollout.sites has an empty name, which would match studies that state none
        ");
        assert!(!RolloutSpec::default().limits() && RolloutSpec::default().problems().is_empty());
        let nan: RolloutSpec = toml::from_str("share=nan").unwrap();
        assert_eq!(nan.problems().len(), 1);
    }
}
