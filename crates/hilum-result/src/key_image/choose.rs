//! Which image the key image shows.

use crate::segmentation::{SegmentObject, count, is_empty};
use hilum_types::{Finding, ImageReference, ModelOutput, Presence, SegmentMask};
use std::collections::{HashMap, HashSet};

/// The image that the key image will show, so that a caller fetches its bytes only: the place of the surest finding,
/// else the frame with the largest segmented area, else an image of a finding, else the middle input.
/// `None` when the output names no image at all.
pub fn key_image_reference(output: &ModelOutput) -> Option<ImageReference> {
    by_rank(output, |_, mask| !is_empty(&mask.pixels))
}

/// The same, when the segmentations planned already say which masks have a set pixel.
pub(super) fn choose(output: &ModelOutput, objects: &[SegmentObject]) -> Option<ImageReference> {
    let drawn: HashSet<(usize, &ImageReference)> = objects
        .iter()
        .flat_map(|object| &object.segments)
        .flat_map(|segment| segment.frames.iter().map(|(_, image)| (segment.output_index, image)))
        .collect();
    by_rank(output, |index, mask| drawn.contains(&(index, &mask.image)))
}

fn by_rank(output: &ModelOutput, is_drawn: impl Fn(usize, &SegmentMask) -> bool) -> Option<ImageReference> {
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
    largest_area(output, is_drawn)
        .or_else(|| output.findings.iter().filter(seen).find_map(|finding| finding.images.first()).cloned())
        .or_else(|| output.inputs.get(output.inputs.len() / 2).cloned())
        .or_else(|| output.findings.iter().find_map(|finding| finding.images.first()).cloned())
        .or_else(|| output.segments.iter().find_map(|segment| segment.masks.first()).map(|mask| mask.image.clone()))
}

fn largest_area(output: &ModelOutput, is_drawn: impl Fn(usize, &SegmentMask) -> bool) -> Option<ImageReference> {
    let mut area: HashMap<&ImageReference, u64> = HashMap::new();
    let mut order: Vec<&ImageReference> = Vec::new();
    for (index, segment) in output.segments.iter().enumerate() {
        for mask in segment.masks.iter().filter(|mask| is_drawn(index, mask)) {
            *area.entry(&mask.image).or_insert_with(|| {
                order.push(&mask.image);
                0
            }) += count(&mask.pixels);
        }
    }
    order.into_iter().rev().max_by_key(|image| area[image]).cloned()
}
