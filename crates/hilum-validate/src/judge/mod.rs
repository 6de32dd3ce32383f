//! Outcomes against criteria and subgroup rules: the gates.

mod criterion;
mod groups;
mod limits;
mod subgroup;

pub(crate) use criterion::{judge_criterion, shown};
pub(crate) use groups::groups;
pub(crate) use limits::{Needs, in_unit, needs, shortage, worse_by};
pub(crate) use subgroup::{judge_subgroup, subgroup_key, subgroup_rule};
