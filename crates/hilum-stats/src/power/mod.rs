//! Before the run: how likely a good model passes a gate, and how many cases that takes.
//!
//! Every gate of an acceptance test passes when one end of an interval keeps to a limit, so its power is the chance that a
//! model of a stated true value gets such an interval. Single proportions are summed exactly over the binomial
//! distribution; paired proportions and AUROCs rest on normal approximations with variances under the **binormal model of
//! equal variances** (scores of both classes normal, and correlated between two versions of a model), whose agreement with
//! the real gates is checked by simulation in `hilum-validate`.
//!
//! `alpha` is one-sided throughout, except where a function says otherwise.

mod auroc;
mod normal;
mod proportion;
mod search;

pub use auroc::{
    AurocPair, auroc_difference_standard_error, binormal_auroc_standard_error, power_auroc, power_noninferiority_auroc,
    sample_size_auroc, sample_size_noninferiority_auroc,
};
pub use normal::{bivariate_normal_cdf, power_no_drop, power_of_bound};
pub use proportion::{
    ProportionPair, buderer_sample_size, power_no_drop_proportion, power_noninferiority_paired,
    power_noninferiority_unpaired, power_proportion, sample_size_noninferiority_paired,
    sample_size_noninferiority_unpaired, sample_size_proportion, sample_size_two_proportions,
};
