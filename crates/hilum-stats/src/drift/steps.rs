//! Two sorted samples walked together, one distinct value after the other.

use super::SortedSample;

/// One distinct value of the pooled samples.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) value: f64,
    /// Cases of the reference and of the current sample at exactly this value.
    pub(super) here: [u64; 2],
    /// Cases of either below this value.
    pub(super) below: [u64; 2],
}

impl Step {
    /// Cases of both at this value.
    pub(super) fn tied(&self) -> u64 {
        self.here[0] + self.here[1]
    }

    /// Cases of either at or below this value.
    pub(super) fn reached(&self) -> [u64; 2] {
        [self.below[0] + self.here[0], self.below[1] + self.here[1]]
    }
}

/// The distinct values of two samples, ascending. Ties are consumed on both sides at once: 0.0 and -0.0 are one value.
pub(super) struct Steps<'a> {
    rest: [&'a [f64]; 2],
    below: [u64; 2],
}

impl<'a> Steps<'a> {
    pub(super) fn new(reference: &'a SortedSample, current: &'a SortedSample) -> Steps<'a> {
        Steps { rest: [reference.values(), current.values()], below: [0, 0] }
    }
}

impl Iterator for Steps<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let value = match self.rest {
            [[], []] => return None,
            [[a, ..], []] => *a,
            [[], [b, ..]] => *b,
            [[a, ..], [b, ..]] => {
                if a <= b {
                    *a
                } else {
                    *b
                }
            }
        };
        let mut here = [0_u64; 2];
        for (rest, here) in self.rest.iter_mut().zip(&mut here) {
            let n = rest.iter().take_while(|&&v| v == value).count();
            *rest = &rest[n..];
            *here = n as u64;
        }
        let step = Step { value, here, below: self.below };
        self.below = step.reached();
        Some(step)
    }
}
