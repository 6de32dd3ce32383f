use super::svg::{Anchor, Svg};
use crate::text;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 50.0;

/// A plot with two linear axes.
pub(super) struct Axes {
    pub(super) svg: Svg,
    x: (f64, f64),
    y: (f64, f64),
}

/// One axis: range, ticks and name.
pub(super) struct Axis<'a> {
    pub(super) range: (f64, f64),
    pub(super) ticks: Vec<f64>,
    pub(super) name: &'a str,
}

impl<'a> Axis<'a> {
    /// 0 to 1.
    pub(super) fn unit(name: &'a str) -> Axis<'a> {
        Axis { range: (0.0, 1.0), ticks: (0..=5).map(|fifth| f64::from(fifth) / 5.0).collect(), name }
    }
}

impl Axes {
    pub(super) fn new(x: &Axis<'_>, y: &Axis<'_>) -> Axes {
        let mut axes = Axes { svg: Svg::new(WIDTH, HEIGHT), x: x.range, y: y.range };
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let (top, bottom) = (TOP, HEIGHT - BOTTOM);
        for &tick in &x.ticks {
            let (place, _) = axes.point(tick, y.range.0);
            axes.svg.line("c-grid", (place, top), (place, bottom));
            axes.svg.text("c-tick", Anchor::Middle, (place, bottom + 18.0), &text::limit(tick));
        }
        for &tick in &y.ticks {
            let (_, place) = axes.point(x.range.0, tick);
            axes.svg.line("c-grid", (left, place), (right, place));
            axes.svg.text("c-tick", Anchor::End, (left - 8.0, place + 4.5), &text::limit(tick));
        }
        axes.svg.line("c-axis", (left, bottom), (right, bottom));
        axes.svg.line("c-axis", (left, top), (left, bottom));
        axes.svg.text("c-name", Anchor::Middle, (f64::midpoint(left, right), HEIGHT - 8.0), x.name);
        axes.svg.upward_text("c-name", (15.0, f64::midpoint(top, bottom)), y.name);
        axes
    }

    /// Where a value lies in the drawing; values outside the axes are held at their edge.
    pub(super) fn point(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| ((value - low) / (high - low)).clamp(0.0, 1.0);
        let across = LEFT + share(x, self.x) * (WIDTH - LEFT - RIGHT);
        let up = HEIGHT - BOTTOM - share(y, self.y) * (HEIGHT - TOP - BOTTOM);
        (across, up)
    }

    pub(super) fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<_> = points.iter().map(|&(x, y)| self.point(x, y)).collect();
        self.svg.polyline(class, &points);
    }

    /// The area between two lines over the same places.
    pub(super) fn band(&mut self, class: &str, lower: &[(f64, f64)], upper: &[(f64, f64)]) {
        let points: Vec<_> = upper.iter().chain(lower.iter().rev()).map(|&(x, y)| self.point(x, y)).collect();
        self.svg.polygon(class, &points);
    }

    /// An upright interval with a dot of `radius` at its value.
    pub(super) fn whisker(&mut self, x: f64, (lower, value, upper): (f64, f64, f64), radius: f64) {
        let (from, to, dot) = (self.point(x, lower), self.point(x, upper), self.point(x, value));
        self.svg.line("c-whisker", from, to);
        self.svg.circle("c-dot", dot, radius);
    }

    /// A short text inside the plot, at a value.
    pub(super) fn label(&mut self, anchor: Anchor, (x, y): (f64, f64), shift: (f64, f64), text: &str) {
        let (across, up) = self.point(x, y);
        self.svg.text("c-label", anchor, (across + shift.0, up + shift.1), text);
    }
}
