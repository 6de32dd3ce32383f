//! What a run leaves behind for estimates without labels: scores by truth, and nothing that names a case.

use crate::ValidateError;
use crate::case::Case;
use crate::prepared::{Prepared, Stage};
use crate::protocol::AcceptanceProtocol;
use hilum_stats::label_free::LabelledScores;

/// Calibrated scores of the cases that the figures of an acceptance test rest on, with the truth of each: eligible ones
/// with a result and a usable label whose labeller had not seen a model's output (MV-25). `None` where no case has
/// score and truth.
///
/// # Errors
/// As [`evaluate`](crate::evaluate), for cases that contradict themselves or the protocol.
pub fn reference_scores(
    protocol: &AcceptanceProtocol,
    cases: &[Case],
) -> Result<Option<LabelledScores>, ValidateError> {
    let prepared = Prepared::new(protocol, cases, Stage::Evaluate)?;
    let analysed = prepared.rows.iter().filter(|row| row.ran);
    let (labels, scores): (Vec<bool>, Vec<f64>) = analysed.filter_map(|row| row.present.zip(row.score)).unzip();
    // That every score is finite was checked above, so that only an empty list has no answer.
    Ok(LabelledScores::new(&labels, &scores).ok())
}
