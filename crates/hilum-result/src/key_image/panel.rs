//! The text below the picture. It names the model and what it said, never the patient.

use super::canvas::{Canvas, Colour};
use super::overlay::{AMBER, segment_colour};
use super::text::{Font, wrap};
use crate::report::{finding_line, segment_line};
use crate::request::{ContentQualification, EncodeRequest};
use crate::segmentation::{SegmentObject, is_drawn};
use hilum_types::{Finding, Presence};

/// Background of picture and panel: dark, so that it does not dazzle in a reading room.
pub(super) const GROUND: Colour = [16, 19, 23];
const RULE: Colour = [58, 66, 76];
const BRIGHT: Colour = [232, 236, 240];
const PLAIN: Colour = [176, 186, 196];
const MARGIN: usize = 14;
/// Findings and segments listed before the panel points at the report.
const N_LINES_MAX: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    text: String,
    colour: Colour,
    bold: bool,
    /// Square in front of the first line of an entry: filled, or outlined for a finding that is absent.
    mark: Option<(Colour, bool)>,
    /// Column the text starts at.
    indent: usize,
}

/// Lines ready to draw on a canvas of a certain width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Panel {
    lines: Vec<Line>,
    width: usize,
}

impl Panel {
    /// Break the text for `width` pixels.
    pub(super) fn new(request: &EncodeRequest<'_>, entries: &[Entry], width: usize) -> Panel {
        let mut panel = Panel { lines: Vec::new(), width };
        let algorithm = request.algorithm;
        panel.add(&format!("{} {}", algorithm.name, algorithm.version), BRIGHT, true, None);
        panel.add("AI result, unverified. Assists reading; not a diagnosis.", AMBER, true, None);
        if request.content_qualification == ContentQualification::Research {
            panel.add("Research use only, not for clinical decisions.", AMBER, false, None);
        }
        if request.incomplete_input {
            panel.add("Partial: images of the study were still missing.", AMBER, false, None);
        }
        for caution in request.cautions {
            panel.add(&format!("Caution: {caution}"), AMBER, true, None);
        }
        let n_left_out = entries.len().saturating_sub(N_LINES_MAX);
        for (text, colour, mark) in entries.iter().take(N_LINES_MAX) {
            panel.add(text, *colour, false, *mark);
        }
        if 0 < n_left_out {
            panel.add(&format!("{n_left_out} more in the structured report."), PLAIN, false, None);
        }
        panel
    }

    fn add(&mut self, text: &str, colour: Colour, bold: bool, mark: Option<(Colour, bool)>) {
        let indent = if mark.is_some() { 2 } else { 0 };
        let n_columns = (self.width - 2 * MARGIN) / self.font(bold).advance() - indent;
        for (row, text) in wrap(text, n_columns).into_iter().enumerate() {
            let mark = mark.filter(|_| row == 0);
            self.lines.push(Line { text, colour, bold, mark, indent });
        }
    }

    fn font(&self, bold: bool) -> Font {
        Font::for_width(self.width, bold)
    }

    /// Pixels from the rule at the top to the lower margin.
    pub(super) fn height(&self) -> usize {
        self.lines.len() * self.font(false).line_height() + 2 * MARGIN - 4
    }

    /// Draw at the bottom of the canvas.
    pub(super) fn draw(&self, canvas: &mut Canvas) {
        let top = canvas.height - self.height();
        canvas.fill(0, top as i64, canvas.width as i64, 1, RULE);
        for (row, line) in self.lines.iter().enumerate() {
            let font = self.font(line.bold);
            let y = top + MARGIN + row * font.line_height();
            if let Some((colour, filled)) = line.mark {
                let (x, y) = (MARGIN as i64, (y + font.line_height() / 2) as i64 - 7);
                canvas.fill(x, y, 10, 10, colour);
                if !filled {
                    canvas.fill(x + 1, y + 1, 8, 8, GROUND);
                }
            }
            font.draw(canvas, MARGIN + line.indent * font.advance(), y, &line.text, line.colour);
        }
    }
}

/// Text, its colour, and the square in front of it.
pub(super) type Entry = (String, Colour, Option<(Colour, bool)>);

/// What the model said, an entry each: findings as `ordered`, those `boxed` in the picture with their number.
pub(super) fn entries(
    request: &EncodeRequest<'_>,
    objects: &[SegmentObject],
    ordered: &[&Finding],
    boxed: &[&Finding],
) -> Vec<Entry> {
    let mut entries = Vec::new();
    if !ordered.is_empty() && ordered.iter().all(|finding| finding.presence == Presence::Absent) {
        entries.push(("Analysed: no finding at the operating point.".to_owned(), BRIGHT, None));
    }
    for finding in ordered {
        let number = boxed.iter().position(|other| std::ptr::eq(*other, *finding)).filter(|_| 1 < boxed.len());
        let number = number.map(|index| format!("{}. ", index + 1)).unwrap_or_default();
        let (colour, mark) = match finding.presence {
            Presence::Present => (BRIGHT, (AMBER, true)),
            Presence::Indeterminate => (BRIGHT, (AMBER, false)),
            Presence::Absent => (PLAIN, (PLAIN, false)),
        };
        entries.push((format!("{number}{}", finding_line(finding)), colour, Some(mark)));
    }
    for (index, segment) in request.output.segments.iter().enumerate() {
        let drawn = is_drawn(objects, index);
        entries.push((segment_line(segment, drawn), PLAIN, Some((segment_colour(segment), drawn))));
    }
    entries
}
