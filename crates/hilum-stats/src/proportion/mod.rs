//! Shares of cases: their intervals, their differences, and the tests on them.

mod clustered;
mod confusion;
mod difference;
mod interval;
mod matthews;
mod paired;
mod poisson;

pub use clustered::proportion_clustered;
pub use confusion::ConfusionTable;
pub use difference::{difference_score, difference_score_test, newcombe_difference};
pub use interval::{ProportionInterval, agresti_coull, clopper_pearson, proportion, wilson};
pub(crate) use interval::{check as check_counts, wilson_bounds};
pub use paired::{PairedTable, mcnemar, mcnemar_exact};
pub use poisson::poisson_bounds;
