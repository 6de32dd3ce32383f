use super::{RunOutput, activate, raw, wrong};
use crate::InferError;
use hilum_registry::manifest::HeatmapOutput;
use hilum_types::Location;

/// The box around the largest region at or above the threshold, in pixels of the source image.
pub(super) fn locate(spec: &HeatmapOutput, run: &RunOutput) -> Result<Option<Location>, InferError> {
    let tensor = raw(run, &spec.tensor)?;
    let &[1, channels, rows, columns] = tensor.shape() else {
        return Err(wrong(format!(
            "heatmap {:?} has shape {:?}, not [1, channels, rows, columns]",
            spec.tensor,
            tensor.shape()
        )));
    };
    if channels <= spec.channel || rows == 0 || columns == 0 {
        return Err(wrong(format!("heatmap {:?} has no channel {}", spec.tensor, spec.channel)));
    }
    let mut values = tensor.to_f64();
    activate(spec.activation, &mut values, channels, rows * columns);
    let map = &values[spec.channel * rows * columns..(spec.channel + 1) * rows * columns];
    let inside: Vec<bool> = map.iter().map(|value| spec.threshold <= *value).collect();
    let Some([left, top, right, bottom]) = largest_region(&inside, columns) else { return Ok(None) };
    let mut grid = run.grid.clone();
    grid.stretch(1, rows);
    grid.stretch(2, columns);
    let x = |edge: usize| grid.edge_to_source(2, edge as f64);
    let y = |edge: usize| grid.edge_to_source(1, edge as f64);
    let bounding_box = [x(left), y(top), x(right), y(bottom)];
    // A region that lies in the padding only is nowhere on the image.
    let empty = bounding_box[2] <= bounding_box[0] || bounding_box[3] <= bounding_box[1];
    let image = run.slices.first().map(|slice| slice.reference.clone());
    Ok(image.filter(|_| !empty).map(|image| Location { image, bounding_box }))
}

/// Left, top, right and bottom edges of the 8-connected region with most pixels; of equals the first.
fn largest_region(inside: &[bool], columns: usize) -> Option<[usize; 4]> {
    let mut seen = vec![false; inside.len()];
    let mut best: Option<(usize, [usize; 4])> = None;
    let mut stack = Vec::new();
    for start in 0..inside.len() {
        if !inside[start] || seen[start] {
            continue;
        }
        let (mut size, mut bounds) = (0, [usize::MAX, usize::MAX, 0, 0]);
        seen[start] = true;
        stack.push(start);
        while let Some(at) = stack.pop() {
            let (x, y) = (at % columns, at / columns);
            size += 1;
            bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x + 1), bounds[3].max(y + 1)];
            for ny in y.saturating_sub(1)..=(y + 1).min(inside.len() / columns - 1) {
                for nx in x.saturating_sub(1)..=(x + 1).min(columns - 1) {
                    let next = ny * columns + nx;
                    if inside[next] && !seen[next] {
                        seen[next] = true;
                        stack.push(next);
                    }
                }
            }
        }
        if best.is_none_or(|(most, _)| most < size) {
            best = Some((size, bounds));
        }
    }
    best.map(|(_, bounds)| bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_region_wins() {
        let map = ["#....", "..##.", ".#...", "....#"];
        let inside: Vec<bool> = map.iter().flat_map(|row| row.bytes().map(|b| b == b'#')).collect();
        assert_eq!(largest_region(&inside, 5), Some([1, 1, 4, 3]));
        assert_eq!(largest_region(&[false; 20], 5), None);
    }
}
