use hilum_types::Timestamp;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// How much time a sketch is of, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A month.
    Month,
}

impl Level {
    /// Every level, the finest first.
    pub const ALL: [Level; 3] = [Level::Hour, Level::Day, Level::Month];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Level::Hour => "hour",
            Level::Day => "day",
            Level::Month => "month",
        }
    }

    /// Where the one that holds a moment begins.
    pub fn start(self, at: Timestamp) -> Timestamp {
        match self {
            Level::Hour => floor(at, HOUR),
            Level::Day => floor(at, DAY),
            Level::Month => {
                let month = format!("{}-01T00:00:00Z", &at.day()[..7]);
                month.parse().unwrap_or_else(|_| floor(at, DAY))
            }
        }
    }

    /// Where the next one begins.
    pub fn next(self, at: Timestamp) -> Timestamp {
        let start = self.start(at);
        match self {
            Level::Hour => start.plus_micros(HOUR),
            Level::Day => start.plus_micros(DAY),
            Level::Month => Level::Month.start(start.plus_micros(32 * DAY)),
        }
    }
}

fn floor(at: Timestamp, step: i64) -> Timestamp {
    at.plus_micros(-at.micros().rem_euclid(step))
}

/// A stretch of sketches of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The level.
    pub level: Level,
    /// Begin of the first.
    pub from: Timestamp,
    /// End of the last.
    pub until: Timestamp,
}

/// The fewest sketches, none coarser than `coarsest`, that hold `from` to `until`: hours at the edges, then days, and months
/// between. What is asked for is widened to whole hours. At most five parts, in the order of time.
pub fn parts(from: Timestamp, until: Timestamp, coarsest: Level) -> Vec<Part> {
    let (from, until) = (Level::Hour.start(from), ceil(Level::Hour, until));
    between(from, until, coarsest)
}

fn ceil(level: Level, at: Timestamp) -> Timestamp {
    if level.start(at) == at { at } else { level.next(at) }
}

fn between(from: Timestamp, until: Timestamp, level: Level) -> Vec<Part> {
    if until <= from {
        return vec![];
    }
    let finer = match level {
        Level::Hour => return vec![Part { level, from, until }],
        Level::Day => Level::Hour,
        Level::Month => Level::Day,
    };
    let (begin, end) = (ceil(level, from), level.start(until));
    if end <= begin {
        return between(from, until, finer);
    }
    let mut parts = between(from, begin, finer);
    parts.push(Part { level, from: begin, until: end });
    parts.extend(between(end, until, finer));
    parts
}

/// How a range is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// UTC days.
    Day,
    /// Weeks from Monday.
    Week,
    /// Calendar months.
    Month,
    /// Acquisition groups over the whole range.
    Group,
}

impl Slice {
    /// Every cut.
    pub const ALL: [Slice; 4] = [Slice::Day, Slice::Week, Slice::Month, Slice::Group];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Slice::Day => "day",
            Slice::Week => "week",
            Slice::Month => "month",
            Slice::Group => "group",
        }
    }

    /// The cut of that name.
    pub fn from_name(name: &str) -> Option<Slice> {
        Slice::ALL.into_iter().find(|slice| slice.name() == name)
    }

    /// The coarsest sketches it can be made of.
    pub fn coarsest(self) -> Level {
        match self {
            Slice::Day | Slice::Week => Level::Day,
            Slice::Month | Slice::Group => Level::Month,
        }
    }

    fn next(self, at: Timestamp) -> Timestamp {
        match self {
            Slice::Day => Level::Day.next(at),
            Slice::Week => {
                // The epoch was a Thursday.
                let days = at.micros().div_euclid(DAY);
                Level::Day.start(at).plus_micros((7 - (days + 3).rem_euclid(7)) * DAY)
            }
            Slice::Month => Level::Month.next(at),
            Slice::Group => Timestamp::from_micros(i64::MAX),
        }
    }
}

/// One window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Begin, inclusive.
    pub from: Timestamp,
    /// End, exclusive.
    pub until: Timestamp,
}

/// The windows of a range, widened to whole hours; the first and the last may be shorter. No more than `most` are made.
pub fn spans(from: Timestamp, until: Timestamp, slice: Slice, most: usize) -> Vec<Span> {
    let (mut at, until) = (Level::Hour.start(from), ceil(Level::Hour, until));
    let mut spans = Vec::new();
    while at < until && spans.len() < most {
        let end = slice.next(at).min(until);
        if end <= at {
            break;
        }
        spans.push(Span { from: at, until: end });
        at = end;
    }
    spans
}
