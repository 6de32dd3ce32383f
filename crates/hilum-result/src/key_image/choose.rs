//! Which image the key image shows.

use hilum_types::{Finding, ImageReference, ModelOutput, Presence};
use std::collections::HashMap;

/// The image that the key image will show, so that a caller fetches its bytes only: the place of the surest finding,
/// else the frame with the largest segmented area, else an image of a finding, else the middle input.
/// `None` when the output names no image at all.
pub fn key_image_reference(output: &ModelOutput) -> Option<ImageReference> {
    let seen = |finding: &&Finding| finding.presence != Presence::Absent;
    let surest = |a: &&Finding, b: &&Finding| {
        let rank = |finding: &Finding| (finding.presence == Presence::Present, finding.score.unwrap_or(0.0));
        let ((a_present, a_score), (b_present, b_score)) = (rank(a), rank(b));
        a_present.cmp(&b_present).then(a_score.total_cmp(&b_score))
    };
    // `max_by` takes the last of equals; the order reversed makes that the first the model named.
    let located = output.findings.iter().rev().filter(seen).filter(|finding| finding.location.is_some());
    if let Some(location) = located.max_by(surest).and_then(|finding| finding.location.as_ref()) {
        return Some(location.image.clone());
    }
    largest_area(output)
        .or_else(|| output.findings.iter().filter(seen).find_map(|finding| finding.images.first()).cloned())
        .or_else(|| output.inputs.get(output.inputs.len() / 2).cloned())
        .or_else(|| output.findings.iter().find_map(|finding| finding.images.first()).cloned())
        .or_else(|| output.segments.iter().find_map(|segment| segment.masks.first()).map(|mask| mask.image.clone()))
}

fn largest_area(output: &ModelOutput) -> Option<ImageReference> {
    let mut area: HashMap<&ImageReference, u64> = HashMap::new();
    let mut order: Vec<&ImageReference> = Vec::new();
    for mask in output.segments.iter().flat_map(|segment| &segment.masks) {
        let n_set: u64 =
            mask.pixels.chunks(4096).map(|block| block.iter().map(|p| u64::from(*p != 0)).sum::<u64>()).sum();
        if n_set == 0 {
            continue;
        }
        *area.entry(&mask.image).or_insert_with(|| {
            order.push(&mask.image);
            0
        }) += n_set;
    }
    order.into_iter().rev().max_by_key(|image| area[image]).cloned()
}
