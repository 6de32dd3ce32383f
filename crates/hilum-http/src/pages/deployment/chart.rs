//! The timeline as inline SVG: no script, colours by class so that both themes and paper work, and nothing that is only a
//! colour: marks carry letters, lines carry names and patterns.

use hilum_monitor::timeline::{Mark, MarkKind, Timeline, Week};
use hilum_monitor::{Figure, Severity};
use hilum_types::Timestamp;
use std::fmt::Write;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 150.0;
/// Panels: top and bottom.
const MARKS_Y: f64 = 22.0;
const VOLUME: (f64, f64) = (44.0, 120.0);
const SHARES: (f64, f64) = (146.0, 262.0);
/// Only there when readers have said what is true.
const PERFORMANCE: (f64, f64) = (288.0, 404.0);
/// Below the last panel: the axis.
const FOOT: f64 = 30.0;
/// Lines at most: more are read in the table.
const LINES_MAX: usize = 3;
/// Smallest number of studies from which a share is drawn filled.
const FILLED_FROM: u64 = 30;
/// Marks that are drawn; the newest of more are, and all are listed.
const MARKS_MAX: usize = 60;

const DAY_MICROS: i64 = 86_400_000_000;

/// Letter of the mark at that place, oldest first: a to z, then aa, ab, ...
pub(super) fn letter(i: usize) -> String {
    let last = char::from(b'a' + (i % 26) as u8);
    match i / 26 {
        0 => last.to_string(),
        more => letter(more - 1) + &last.to_string(),
    }
}

const SENSITIVITY: &str = "sensitivity:";

/// Which shares a panel shows, and what it is called.
struct Panel {
    prefix: &'static str,
    place: (f64, f64),
    title: &'static str,
    /// Whether the axis ends at 100 % whatever is shown.
    whole: bool,
}

const CALLED: Panel = Panel { prefix: "positive:", place: SHARES, title: "called, share of studies", whole: false };
const FOUND: Panel =
    Panel { prefix: SENSITIVITY, place: PERFORMANCE, title: "sensitivity, by labels that came in", whole: true };

struct Scale {
    from: Timestamp,
    micros: f64,
}

impl Scale {
    fn x(&self, at: Timestamp) -> f64 {
        let part = at.micros_since(self.from) as f64 / self.micros;
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }
}

/// The drawing. Its name is given by the figure around it.
pub(super) fn svg(line: &Timeline) -> String {
    let scale = Scale { from: line.from, micros: line.until.micros_since(line.from).max(1) as f64 };
    let labelled = line.weeks.iter().flat_map(|week| &week.figures).any(|figure| figure.name.starts_with(SENSITIVITY));
    let bottom = if labelled { PERFORMANCE.1 } else { SHARES.1 };
    let height = bottom + FOOT;
    let mut out = format!(
        r#"<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="timeline-said" preserveAspectRatio="xMinYMin meet">"#
    );
    out += r#"<defs><pattern id="held" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>"#;
    stops(&mut out, line, &scale, bottom);
    volume(&mut out, &line.weeks, &scale);
    shares(&mut out, &line.weeks, &scale, &CALLED);
    if labelled {
        shares(&mut out, &line.weeks, &scale, &FOUND);
    }
    axis(&mut out, line, &scale, bottom);
    marks(&mut out, &line.marks, &scale, bottom);
    out + "</svg>"
}

// Writing to a String cannot fail.
macro_rules! draw {
    ($out:expr, $($format:tt)*) => { let _ = write!($out, $($format)*); };
}

/// Time without use is shaded over every panel.
fn stops(out: &mut String, line: &Timeline, scale: &Scale, bottom: f64) {
    let mut begun = None;
    let mut spans = Vec::new();
    for mark in &line.marks {
        match mark.kind {
            MarkKind::Suspended => begun = begun.or(Some(mark.at)),
            MarkKind::Resumed => spans.extend(begun.take().map(|from| (from, mark.at))),
            _ => {}
        }
    }
    spans.extend(begun.map(|from| (from, line.until)));
    for (from, until) in spans {
        let (x, width) = (scale.x(from), (scale.x(until) - scale.x(from)).max(1.5));
        let height = bottom - VOLUME.0;
        draw!(out, r#"<rect class="stopped" x="{x:.1}" y="{}" width="{width:.1}" height="{height}"/>"#, VOLUME.0);
        draw!(out, r#"<text class="small" x="{:.1}" y="{:.1}">not in use</text>"#, x + 4.0, VOLUME.0 + 11.0);
    }
}

fn volume(out: &mut String, weeks: &[Week], scale: &Scale) {
    let (top, bottom) = VOLUME;
    let most = weeks.iter().map(|week| week.n_studies).max().unwrap_or(0).max(1) as f64;
    draw!(out, r#"<text class="name" x="0" y="{:.1}">studies</text>"#, top + 4.0);
    draw!(out, r#"<text class="small" x="0" y="{:.1}">a week</text>"#, top + 17.0);
    draw!(out, r#"<text class="small end" x="{:.1}" y="{:.1}">{most}</text>"#, LEFT - 6.0, top + 34.0);
    draw!(out, r#"<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{:.1}" y2="{bottom}"/>"#, WIDTH - RIGHT);
    for week in weeks.iter().filter(|week| 0 < week.n_studies) {
        let (x, end) = (scale.x(week.from), scale.x(week.from.plus_micros(7 * DAY_MICROS)));
        let width = (end - x - 2.0).max(1.0);
        let height = (bottom - top) * week.n_studies as f64 / most;
        draw!(
            out,
            r#"<rect class="bars" x="{x:.1}" y="{:.1}" width="{width:.1}" height="{height:.1}"/>"#,
            bottom - height
        );
        let withheld = week.figures.iter().find(|figure| figure.name == "withheld");
        if let Some(withheld) = withheld {
            let height = height * withheld.figure.value;
            draw!(
                out,
                r#"<rect class="held" x="{x:.1}" y="{:.1}" width="{width:.1}" height="{height:.1}"/>"#,
                bottom - height
            );
        }
    }
    draw!(
        out,
        r#"<text class="small" x="{:.1}" y="{:.1}">hatched: withheld</text>"#,
        WIDTH - RIGHT + 8.0,
        bottom - 4.0
    );
}

/// Up to three shares as lines with their 95 % bands.
fn shares(out: &mut String, weeks: &[Week], scale: &Scale, panel: &Panel) {
    let Panel { prefix, place: (top, bottom), title, whole } = *panel;
    let mut names: Vec<&str> = Vec::new();
    for name in weeks.iter().flat_map(|week| &week.figures).map(|figure| figure.name.as_str()) {
        if name.starts_with(prefix) && !names.contains(&name) && names.len() < LINES_MAX {
            names.push(name);
        }
    }
    let of = |week: &Week, name: &str| -> Option<Figure> {
        let found = week.figures.iter().find(|figure| figure.name == name);
        found.map(|named| named.figure.clone()).filter(|figure| 0 < figure.n)
    };
    let highest = weeks
        .iter()
        .flat_map(|week| names.iter().filter_map(move |name| of(week, name)))
        .filter(|figure| FILLED_FROM <= figure.n)
        .map(|figure| figure.upper)
        .fold(0.1, f64::max);
    let most = if whole { 1.0 } else { ((highest * 10.0).ceil() / 10.0).min(1.0) };
    let y = |share: f64| bottom - (bottom - top) * (share / most).clamp(0.0, 1.0);
    // Above the panel: beside it stand the numbers of the axis.
    let title_y = top - 8.0;
    draw!(out, r#"<text class="name" x="0" y="{title_y:.1}">{title}</text>"#);
    for share in [0.0, most / 2.0, most] {
        draw!(
            out,
            r#"<line class="grid-line" x1="{LEFT}" y1="{0:.1}" x2="{1:.1}" y2="{0:.1}"/>"#,
            y(share),
            WIDTH - RIGHT
        );
        let label_y = y(share) + 4.0;
        draw!(out, r#"<text class="small end" x="{:.1}" y="{label_y:.1}">{:.0} %</text>"#, LEFT - 6.0, share * 100.0);
    }
    if names.is_empty() {
        let (x, y) = (LEFT + 8.0, (top + bottom) / 2.0);
        draw!(out, r#"<text class="small" x="{x:.1}" y="{y:.1}">no model output was observed in this time</text>"#);
    }
    let mut label_ys: Vec<f64> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let middle = |week: &Week| scale.x(week.from.plus_micros(7 * DAY_MICROS / 2));
        let points: Vec<(f64, Figure)> =
            weeks.iter().filter_map(|week| Some((middle(week), of(week, name)?))).collect();
        let upper = points.iter().map(|(x, f)| format!("{x:.1},{:.1}", y(f.upper)));
        let lower = points.iter().rev().map(|(x, f)| format!("{x:.1},{:.1}", y(f.lower)));
        let band: Vec<String> = upper.chain(lower).collect();
        draw!(out, r#"<polygon class="band s{i}" points="{}"/>"#, band.join(" "));
        let at: Vec<String> = points.iter().map(|(x, f)| format!("{x:.1},{:.1}", y(f.value))).collect();
        draw!(out, r#"<polyline class="line-of s{i}" points="{}"/>"#, at.join(" "));
        for (x, figure) in &points {
            let few = if figure.n < FILLED_FROM { " few" } else { "" };
            draw!(out, r#"<circle class="dot s{i}{few}" cx="{x:.1}" cy="{:.1}" r="3"/>"#, y(figure.value));
        }
        if let Some((x, last)) = points.last() {
            let mut label_y = y(last.value) + 4.0;
            while label_ys.iter().any(|other| (other - label_y).abs() < 13.0) {
                label_y += 13.0;
            }
            label_ys.push(label_y);
            let finding: String = name.trim_start_matches(prefix).chars().take(20).collect();
            let text = escaped(&finding);
            draw!(out, r#"<text class="label-of s{i}" x="{:.1}" y="{label_y:.1}">{text}</text>"#, x + 8.0);
        }
    }
    if !names.is_empty() {
        draw!(
            out,
            r#"<text class="small end" x="{WIDTH}" y="{title_y:.1}">band: 95 %; hollow: n &lt; {FILLED_FROM}</text>"#
        );
    }
}

fn axis(out: &mut String, line: &Timeline, scale: &Scale, bottom: f64) {
    let every = (line.weeks.len() / 8).max(1);
    for week in line.weeks.iter().step_by(every).filter(|week| line.from <= week.from) {
        let (x, day) = (scale.x(week.from), super::Moment::of(week.from).day);
        let short = day.rsplit_once(' ').map_or(day.as_str(), |(short, _)| short);
        draw!(out, r#"<line class="axis" x1="{x:.1}" y1="{bottom}" x2="{x:.1}" y2="{:.1}"/>"#, bottom + 4.0);
        draw!(out, r#"<text class="small" x="{x:.1}" y="{:.1}">{short}</text>"#, bottom + 16.0);
    }
}

/// Shape says what it is, the letter leads to the list.
fn marks(out: &mut String, marks: &[Mark], scale: &Scale, bottom: f64) {
    let first = marks.len().saturating_sub(MARKS_MAX);
    let mut last_x = [f64::NEG_INFINITY; 2];
    for (i, mark) in marks.iter().enumerate().skip(first) {
        let x = scale.x(mark.at);
        // Two rows of letters, so that what happened on one day can be told apart.
        let row = usize::from(x - last_x[0] < 14.0 && x - last_x[1] >= x - last_x[0]);
        last_x[row] = x;
        let y = MARKS_Y - 12.0 * row as f64;
        let class = match (mark.kind, mark.severity) {
            (_, Some(Severity::Stop)) | (MarkKind::Suspended, _) => "worse",
            (_, Some(Severity::Review)) => "attention",
            (MarkKind::Resumed, _) => "normal",
            _ => "unknown",
        };
        draw!(
            out,
            r#"<line class="mark-line {class}" x1="{x:.1}" y1="{:.1}" x2="{x:.1}" y2="{:.1}"/>"#,
            MARKS_Y + 2.0,
            bottom
        );
        let shape = match class {
            "worse" => format!(
                r#"<rect class="mark-of {class}" x="{:.1}" y="{:.1}" width="9" height="9"/>"#,
                x - 4.5,
                MARKS_Y + 1.0
            ),
            "attention" => {
                let (left, right, bottom, top) = (x - 5.0, x + 5.0, MARKS_Y + 10.0, MARKS_Y + 1.0);
                format!(r#"<path class="mark-of {class}" d="M{x:.1} {top:.1}L{right:.1} {bottom:.1}H{left:.1}Z"/>"#)
            }
            _ => format!(r#"<circle class="mark-of {class}" cx="{x:.1}" cy="{:.1}" r="4"/>"#, MARKS_Y + 5.5),
        };
        out.push_str(&shape);
        draw!(out, r#"<text class="letter {class}" x="{x:.1}" y="{:.1}">{}</text>"#, y - 2.0, letter(i));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_go_on_after_z() {
        assert_eq!([0, 25, 26, 51, 52].map(letter), ["a", "z", "aa", "az", "ba"]);
    }

    #[test]
    fn names_of_findings_stay_text() {
        assert_eq!(escaped("<script>&\""), "&lt;script&gt;&amp;&quot;");
    }
}
