use crate::report::{Figure, Shown, Verdict};
use crate::text;

/// A table of the page.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// A class of the style sheet for tables that break into blocks on narrow screens.
    pub(super) class: &'static str,
    /// Whether it takes the whole width, not half of it beside a chart or another table.
    pub(super) wide: bool,
}

/// One cell.
#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    /// A second, quieter line.
    pub(super) sub: String,
    /// Markup made by this crate: a bar.
    pub(super) drawing: String,
    pub(super) number: bool,
    pub(super) heading: bool,
    pub(super) code: bool,
    pub(super) mark: Option<Mark>,
}

/// Colour, sign and word of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) tone: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
}

impl Mark {
    pub(super) fn of(verdict: Verdict, waived: bool) -> Mark {
        match (verdict, waived) {
            (Verdict::Pass, _) => Mark { tone: "pass", sign: "\u{2713}", word: "pass" },
            (Verdict::Fail, _) => Mark { tone: "fail", sign: "\u{2715}", word: "fail" },
            (Verdict::Insufficient, false) => Mark { tone: "open", sign: "?", word: "insufficient" },
            (Verdict::Insufficient, true) => Mark { tone: "open", sign: "?", word: "waived" },
        }
    }

    pub(super) fn shown_only() -> Mark {
        Mark { tone: "none", sign: "\u{2013}", word: "shown only" }
    }
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), ..Cell::default() }
    }

    pub(super) fn heading(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), heading: true, ..Cell::default() }
    }

    pub(super) fn number(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), number: true, ..Cell::default() }
    }

    /// A digest, or the name of a method, which may break after its stroke (zero-width space).
    pub(super) fn code(text: impl Into<String>) -> Cell {
        Cell { text: text.into().replace('/', "/\u{200B}"), code: true, ..Cell::default() }
    }

    pub(super) fn count(n: u64) -> Cell {
        Cell::number(text::thousands(n))
    }

    pub(super) fn drawing(drawing: String) -> Cell {
        Cell { drawing, ..Cell::default() }
    }

    pub(super) fn mark(mark: Mark) -> Cell {
        Cell { mark: Some(mark), ..Cell::default() }
    }

    pub(super) fn with_sub(self, sub: impl Into<String>) -> Cell {
        Cell { sub: sub.into(), ..self }
    }

    /// Value with its interval below, or why there is none.
    pub(super) fn figure(shown: &Shown<Figure>, decimals: usize) -> Cell {
        match shown {
            Shown::Missing(why) => {
                Cell { text: "\u{2013}".to_owned(), sub: why.clone(), number: true, ..Cell::default() }
            }
            Shown::Figure(figure) => {
                let [value, lower, upper] =
                    [figure.value, figure.lower, figure.upper].map(|value| text::fixed(value, decimals));
                Cell::number(value).with_sub(format!("{lower} to {upper}"))
            }
        }
    }
}

/// The columns that make a figure complete: value with interval, n, method. The level stands in the caption.
pub(super) fn figure_cells(shown: &Shown<Figure>, decimals: usize) -> [Cell; 3] {
    let value = Cell::figure(shown, decimals);
    match shown {
        Shown::Missing(_) => [value, Cell::number("\u{2013}"), Cell::text("\u{2013}")],
        Shown::Figure(figure) => [value, n_cell(figure), Cell::code(figure.method.clone())],
    }
}

/// What a figure rests on: cases, and patients where those are fewer.
pub(super) fn n_cell(figure: &Figure) -> Cell {
    let cell = Cell::count(figure.n_cases);
    if figure.n < figure.n_cases { cell.with_sub(text::counted(figure.n, "patient")) } else { cell }
}
