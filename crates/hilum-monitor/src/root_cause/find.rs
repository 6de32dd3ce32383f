use super::{ChangePoint, Explanation, Quantity, RootCauseError, RootCauseOptions, change_point, explain, most_moved};
use crate::Observation;
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What was found out about a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootCause {
    /// Where the change most probably is, when no begin was given.
    pub change_point: Option<ChangePoint>,
    /// What explains it.
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// Explain a change: of `quantity`, or of what moved most; since `since`, or since the split that shows it best.
///
/// # Errors
/// [`RootCauseError::NoChange`] when no begin was given and chance splits the studies as well; what
/// [`explain`] and [`most_moved`] say.
pub fn find_root_cause(
    observations: &[Observation],
    quantity: Option<&Quantity>,
    since: Option<Timestamp>,
    options: &RootCauseOptions,
) -> Result<RootCause, RootCauseError> {
    if let Some(since) = since {
        let quantity = quantity.map_or_else(|| most_moved(observations, since, options), |given| Ok(given.clone()))?;
        let explanation = explain(observations, &quantity, since, options)?;
        return Ok(RootCause { change_point: None, explanation });
    }
    let asked = quantity.map_or_else(|| Quantity::all_in(observations), |given| vec![given.clone()]);
    let n_asked = asked.len().max(1) as f64;
    // Many quantities are asked, so each must be clearer (Bonferroni); as many draws as that takes.
    let significance = options.significance / n_asked;
    let n_draws = options.n_draws.max((2.0 / significance).ceil().min(4000.0) as u32);
    let strict = RootCauseOptions { significance, n_draws, ..options.clone() };
    let found = asked.into_iter().filter_map(|quantity| {
        let found = change_point(observations, &quantity, &strict)?;
        Some((quantity, found))
    });
    let best = found.min_by(|(_, a), (_, b)| a.p.total_cmp(&b.p).then_with(|| b.clarity.total_cmp(&a.clarity)));
    let (quantity, change_point) = best.ok_or(RootCauseError::NoChange)?;
    let explanation = explain(observations, &quantity, change_point.at, options)?;
    Ok(RootCause { change_point: Some(change_point), explanation })
}
