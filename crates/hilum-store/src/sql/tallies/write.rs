//! Sums of one act, added to what is kept when it is over: each row is read and written once, however many facts it is of.

use super::super::act::Act;
use super::super::connection::{Value, values};
use super::due::forget;
use crate::StoreError;
use crate::tallies::{pack, unpack};
use hilum_monitor::Observation;
use hilum_monitor::figures::Counts;
use hilum_monitor::sketch::{Level, Sketch, SketchError};
use hilum_registry::monitoring::{CUTS, NOT_STATED};
use hilum_types::{Digest, Timestamp};
use std::collections::BTreeMap;

/// Rows read by one statement.
const ROWS_AT_ONCE: usize = 8;

/// Group of studies that state none.
const NO_GROUP: &str = "-";

/// Deployment, package, level or cut, begin, group or value.
type Key = (String, Digest, &'static str, i64, String);

#[derive(Clone, Default)]
pub(super) struct Sums {
    sketches: BTreeMap<Key, Sketch>,
    counts: BTreeMap<Key, Counts>,
}

/// A row that is kept and cannot be read.
struct Damage {
    table: &'static str,
    source: SketchError,
}

/// Level of sketches of all groups; hours have none.
pub(super) fn of_all(level: Level) -> Option<&'static str> {
    match level {
        Level::Hour => None,
        Level::Day => Some("day_all"),
        Level::Month => Some("month_all"),
    }
}

impl Sums {
    pub(super) fn observation(&mut self, observation: &Observation) {
        let group = observation.attributes.get("group").filter(|group| !group.is_empty());
        let group = group.map_or(NO_GROUP, String::as_str);
        for level in Level::ALL {
            let start = level.start(observation.event_at);
            self.sketch(observation, level.name(), start, group);
            if let Some(all) = of_all(level) {
                self.sketch(observation, all, start, "");
            }
        }
        self.counts(observation, &Counts::of(observation), 1);
    }

    fn sketch(&mut self, observation: &Observation, level: &'static str, start: Timestamp, group: &str) {
        let key = (observation.deployment.clone(), observation.package, level, start.micros(), group.to_owned());
        self.sketches.entry(key).or_default().add(observation);
    }

    /// Add counts for an observation, to the whole and to the value of each attribute.
    pub(super) fn counts(&mut self, observation: &Observation, counts: &Counts, times: i64) {
        let start = Level::Day.start(observation.event_at).micros();
        let value = |cut: &str| observation.attributes.get(cut).map_or(NOT_STATED, String::as_str).to_owned();
        let cuts = CUTS.into_iter().map(|cut| (cut, value(cut)));
        for (cut, value) in cuts.chain([("", String::new())]) {
            let key = (observation.deployment.clone(), observation.package, cut, start, value);
            self.counts.entry(key).or_default().add(counts, times);
        }
    }

    /// Add them to what is kept. Where that cannot be read, counting begins anew and these sums are the first: what is
    /// derived never stops the act that it is derived from.
    pub(super) async fn write(mut self, act: &mut Act) -> Result<(), StoreError> {
        match self.with_kept(act).await? {
            Ok(whole) => whole.insert(act).await,
            Err(damage) => {
                begin_anew(act, &damage).await?;
                self.insert(act).await
            }
        }
    }

    /// As [`Sums::write`], for facts that are counted in steps. `false`: counting began anew, and these come again.
    pub(super) async fn write_step(mut self, act: &mut Act) -> Result<bool, StoreError> {
        match self.with_kept(act).await? {
            Ok(whole) => whole.insert(act).await.map(|()| true),
            Err(damage) => begin_anew(act, &damage).await.map(|()| false),
        }
    }

    /// These sums and what is kept, together.
    async fn with_kept(&mut self, act: &mut Act) -> Result<Result<Sums, Damage>, StoreError> {
        self.counts.retain(|_, counts| !counts.is_empty());
        let mut whole = self.clone();
        let keys: Vec<&Key> = self.sketches.keys().collect();
        for keys in keys.chunks(ROWS_AT_ONCE) {
            for (key, kept) in kept(act, keys, &SKETCH).await? {
                let Some(sketch) = whole.sketches.get_mut(&key) else { continue };
                if let Err(source) = kept.and_then(|bytes| sketch.merge_encoded(&bytes, None)) {
                    return Ok(Err(Damage { table: SKETCH.name, source }));
                }
            }
        }
        let keys: Vec<&Key> = self.counts.keys().collect();
        for keys in keys.chunks(ROWS_AT_ONCE) {
            for (key, kept) in kept(act, keys, &TALLY).await? {
                let Some(counts) = whole.counts.get_mut(&key) else { continue };
                match kept.and_then(|bytes| Counts::decode(&bytes)) {
                    Ok(kept) => counts.add(&kept, 1),
                    Err(source) => return Ok(Err(Damage { table: TALLY.name, source })),
                }
            }
        }
        Ok(Ok(whole))
    }

    async fn insert(&self, act: &mut Act) -> Result<(), StoreError> {
        let mut columns = Vec::with_capacity(self.sketches.len() * 7);
        for (key, sketch) in &self.sketches {
            columns.extend(key_values(key));
            columns.extend(values![sketch.n(), pack(&sketch.encode())]);
        }
        let head = "INSERT INTO sketch (deployment, package, level, start_at, group_key, n, cell) VALUES";
        let tail = "ON CONFLICT (deployment, package, level, start_at, group_key) \
                    DO UPDATE SET n = excluded.n, cell = excluded.cell";
        act.insert(head, tail, 7, columns).await?;
        let mut columns = Vec::with_capacity(self.counts.len() * 6);
        for (key, counts) in &self.counts {
            columns.extend(key_values(key));
            columns.extend(values![pack(&counts.encode())]);
        }
        let head = "INSERT INTO tally (deployment, package, cut, start_at, value, counts) VALUES";
        let tail = "ON CONFLICT (deployment, package, cut, start_at, value) DO UPDATE SET counts = excluded.counts";
        act.insert(head, tail, 6, columns).await
    }
}

/// Throw away what is kept, so that everything entered before is counted again from the rows, and tell of it.
async fn begin_anew(act: &mut Act, damage: &Damage) -> Result<(), StoreError> {
    forget(act).await?;
    let Damage { table, source } = damage;
    let text = format!("a row of {table} cannot be read ({source}); everything is counted again from the observations");
    act.alarm("counts-damaged", &text, None, None).await
}

/// The bytes of a row, when its text is one that bytes are kept as.
type Stored = Result<Vec<u8>, SketchError>;

struct Table {
    name: &'static str,
    /// The columns of a [`Key`].
    key: [&'static str; 5],
    content: &'static str,
}

const SKETCH: Table =
    Table { name: "sketch", key: ["deployment", "package", "level", "start_at", "group_key"], content: "cell" };
const TALLY: Table =
    Table { name: "tally", key: ["deployment", "package", "cut", "start_at", "value"], content: "counts" };

fn key_values(key: &Key) -> Vec<Value> {
    let (deployment, package, kind, start, value) = key;
    values![deployment.as_str(), *package, *kind, *start, value.as_str()]
}

/// What is kept under `keys`. Every term of the condition is a whole primary key, so that no back end scans.
async fn kept(act: &mut Act, keys: &[&Key], table: &Table) -> Result<Vec<(Key, Stored)>, StoreError> {
    let [_, _, kind_column, _, value_column] = table.key;
    let mut columns = Vec::with_capacity(ROWS_AT_ONCE * 5);
    // Padded, so that only a handful of statements is ever prepared.
    let n_terms = keys.len().next_power_of_two();
    for key in keys.iter().chain(std::iter::repeat(&keys[0])).take(n_terms) {
        columns.extend(key_values(key));
    }
    let term = |place: usize| {
        let of = |(i, column): (usize, &&str)| format!("{column} = ${}", place * 5 + i + 1);
        format!("({})", table.key.iter().enumerate().map(of).collect::<Vec<_>>().join(" AND "))
    };
    let condition = (0..n_terms).map(term).collect::<Vec<_>>().join(" OR ");
    let sql = format!("SELECT {}, {} FROM {} WHERE {condition}", table.key.join(", "), table.content, table.name);
    let rows = act.rows(sql, columns).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (deployment, package) = (row.text("deployment")?, row.parse::<Digest>("package")?);
        let (kind, start, value) = (row.text(kind_column)?, row.int("start_at")?, row.text(value_column)?);
        let is_it =
            |key: &&&Key| key.0 == deployment && key.1 == package && key.2 == kind && key.3 == start && key.4 == value;
        let Some(key) = keys.iter().find(is_it) else { continue };
        found.push(((*key).clone(), unpack(&row.text(table.content)?).ok_or(SketchError::Number)));
    }
    Ok(found)
}
