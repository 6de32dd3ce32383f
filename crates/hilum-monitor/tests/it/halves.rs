//! Half of a site as reference, the other half as studies.

use std::collections::BTreeMap;

/// What was measured on one image, by name.
pub(crate) type Features = BTreeMap<String, f64>;

/// Reference and rest, drawn by a seed.
pub(crate) fn halves(native: &[Features], seed: u64) -> (Vec<Features>, Vec<Features>) {
    let mut order: Vec<usize> = (0..native.len()).collect();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for at in (1..order.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(at, (state >> 33) as usize % (at + 1));
    }
    let chosen = |part: &[usize]| part.iter().map(|at| native[*at].clone()).collect();
    let (reference, rest) = order.split_at(native.len() / 2);
    (chosen(reference), chosen(rest))
}
