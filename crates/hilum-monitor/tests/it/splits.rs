//! Half of a site as reference, the other half and other sites as studies.

use hilum_monitor::envelope::Envelope;
use std::collections::BTreeMap;

pub(crate) type Features = BTreeMap<String, f64>;

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
    let mut order: Vec<usize> = (0..native.len()).collect();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for at in (1..order.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(at, (state >> 33) as usize % (at + 1));
    }
    let chosen = |part: &[usize]| part.iter().map(|at| native[*at].clone()).collect::<Vec<Features>>();
    let (reference, rest) = order.split_at(native.len() / 2);
    let envelope = Envelope::fit(&chosen(reference)).map_err(|e| e.to_string())?;
    let mut shares = BTreeMap::new();
    for (name, studies) in foreign {
        shares.insert(name.clone(), share(&envelope, studies, rate)?);
    }
    let native = share(&envelope, &chosen(rest), rate)?;
    Ok(Split { n_reference: reference.len(), native, foreign: shares })
}
