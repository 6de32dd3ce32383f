//! Lying intervals for rows of a table: all rows of one table share a scale, so that their limits line up.

use super::svg::{Anchor, Svg};
use crate::report::{Figure, Limits};
use crate::text;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 22.0;
const EDGE: f64 = 6.0;

/// The common scale of a table's rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BarScale {
    low: f64,
    high: f64,
}

impl BarScale {
    /// Wide enough for all figures and limits, with round ends. `None` when there is nothing to show.
    pub(crate) fn over<'a>(rows: impl Iterator<Item = (Option<&'a Figure>, &'a Limits)>) -> Option<BarScale> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (figure, limits) in rows {
            let bounds = figure.map(|figure| [figure.lower, figure.upper]).unwrap_or([f64::NAN; 2]);
            let limits = [limits.lowest.unwrap_or(f64::NAN), limits.highest.unwrap_or(f64::NAN)];
            for value in bounds.into_iter().chain(limits) {
                // `min` and `max` pass over NaN, which stands for "none" here.
                (low, high) = (low.min(value), high.max(value));
            }
        }
        if !low.is_finite() || !high.is_finite() {
            return None;
        }
        let room = (0.06 * (high - low)).max(0.01);
        Some(BarScale { low: low - room, high: high + room })
    }

    fn place(self, value: f64) -> f64 {
        EDGE + ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0) * (WIDTH - 2.0 * EDGE)
    }

    /// Round values within the scale.
    fn ticks(self) -> Vec<f64> {
        let span = self.high - self.low;
        let power = 10_f64.powf((span / 3.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| span / step <= 4.0).unwrap_or(span);
        let first = (self.low / step).ceil();
        (0..=6).map(|k| (first + f64::from(k)) * step).filter(|tick| *tick <= self.high).collect()
    }
}

/// One row: its interval, its estimate, and the limits.
pub(crate) fn interval_bar(scale: BarScale, figure: Option<&Figure>, limits: &Limits, tone: &str) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT);
    let middle = HEIGHT / 2.0;
    svg.line("c-grid", (EDGE, middle), (WIDTH - EDGE, middle));
    for limit in [limits.lowest, limits.highest].into_iter().flatten() {
        let x = scale.place(limit);
        svg.line("c-limit", (x, 0.0), (x, HEIGHT));
    }
    if let Some(figure) = figure {
        let (from, to) = (scale.place(figure.lower), scale.place(figure.upper));
        svg.line(&format!("c-interval {tone}"), (from, middle), (to, middle));
        for end in [from, to] {
            svg.line(&format!("c-cap {tone}"), (end, middle - 4.0), (end, middle + 4.0));
        }
        let x = scale.place(figure.value);
        let diamond = [(x - 5.0, middle), (x, middle - 5.0), (x + 5.0, middle), (x, middle + 5.0)];
        svg.polygon(&format!("c-diamond {tone}"), &diamond);
    }
    svg.finish_decorative("bar")
}

/// The scale below the rows.
pub(crate) fn interval_axis(scale: BarScale) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT);
    svg.line("c-axis", (EDGE, 3.0), (WIDTH - EDGE, 3.0));
    for tick in scale.ticks() {
        let x = scale.place(tick);
        svg.line("c-axis", (x, 3.0), (x, 7.0));
        svg.text("c-tick", Anchor::Middle, (x.clamp(14.0, WIDTH - 14.0), 19.0), &text::limit(tick));
    }
    svg.finish_decorative("bar")
}

/// Smallest, quartiles and largest value of a measure, with the mean and its interval below.
pub(crate) fn five_number_bar(five: &[f64; 5], mean: Option<&Figure>) -> String {
    let room = (0.04 * (five[4] - five[0])).max(1e-3);
    let scale = BarScale { low: five[0] - room, high: five[4] + room };
    let mut svg = Svg::new(WIDTH, 2.0 * HEIGHT + 14.0);
    let middle = 13.0;
    let [least, lower, median, upper, most] = five.map(|value| scale.place(value));
    svg.line("c-whisker", (least, middle), (most, middle));
    svg.rect("c-box", (lower, middle - 8.0), (upper - lower, 16.0), 2.0);
    svg.line("c-line", (median, middle - 8.0), (median, middle + 8.0));
    if let Some(mean) = mean {
        let (y, x) = (30.0, scale.place(mean.value));
        svg.line("c-interval", (scale.place(mean.lower), y), (scale.place(mean.upper), y));
        svg.polygon("c-diamond", &[(x - 5.0, y), (x, y - 5.0), (x + 5.0, y), (x, y + 5.0)]);
    }
    for tick in scale.ticks() {
        let x = scale.place(tick);
        svg.line("c-axis", (x, 39.0), (x, 43.0));
        svg.text("c-tick", Anchor::Middle, (x.clamp(14.0, WIDTH - 14.0), 55.0), &text::limit(tick));
    }
    svg.line("c-axis", (EDGE, 39.0), (WIDTH - EDGE, 39.0));
    svg.finish_decorative("bar")
}
