//! Half of a site as reference, the other half and other sites as studies.

use crate::halves::{Features, halves};
use hilum_monitor::envelope::Envelope;
use std::collections::BTreeMap;

/// Shares of studies outside, in 0 to 1: of the half that was not learned from, and of every other group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Split {
    pub(crate) n_reference: usize,
    pub(crate) native: f64,
    pub(crate) foreign: BTreeMap<String, f64>,
}

fn share(envelope: &Envelope, studies: &[Features], rate: f64) -> Result<f64, String> {
    let mut outside = 0;
    for study in studies {
        outside += u32::from(!envelope.check(study, rate).map_err(|e| e.to_string())?.is_inside());
    }
    Ok(f64::from(outside) / studies.len() as f64)
}

/// One random split by a seed.
pub(crate) fn split(
    native: &[Features],
    foreign: &BTreeMap<String, Vec<Features>>,
    rate: f64,
    seed: u64,
) -> Result<Split, String> {
    let (reference, rest) = halves(native, seed);
    let envelope = Envelope::fit(&reference).map_err(|e| e.to_string())?;
    let mut shares = BTreeMap::new();
    for (name, studies) in foreign {
        shares.insert(name.clone(), share(&envelope, studies, rate)?);
    }
    let native = share(&envelope, &rest, rate)?;
    Ok(Split { n_reference: reference.len(), native, foreign: shares })
}
