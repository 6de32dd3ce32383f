//! What went into a version and came out of it, window by window or group by group, beside a reference: read from sketches,
//! so that a year of a large hospital is a few hundred rows.

use crate::tallies::{SketchFilter, SketchGroups, StoredSketch};
use crate::{Catalog, StoreError};
use hilum_monitor::sketch::{Level, Moved, Sketch, Slice, Span, Summary, THIN, moved, parts, spans};
use hilum_registry::Deployment;
use hilum_types::{Digest, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Windows of one answer.
pub const WINDOWS_MAX: usize = 400;

/// Groups of one answer, the largest.
const GROUPS_MAX: u32 = 50;

/// Sketches of one stretch that are read; the answer says when there were more.
const SKETCHES_MAX: u32 = 20_000;

const DAY_SECONDS: i64 = 86_400;

/// Days of the reference when none is declared: the first ones of the version.
const REFERENCE_DAYS: i64 = 28;

/// Days that are compared with the reference on the page of a deployment.
pub(crate) const MOVED_DAYS: i64 = 28;

/// Numbers that moved, shown at most.
const MOVED_MAX: usize = 8;

const WHAT: &str = "tell what went in";

/// What to report.
#[derive(Debug, Clone, PartialEq)]
pub struct InputsQuery {
    /// Studies complete at or after this.
    pub from: Timestamp,
    /// Studies complete before this.
    pub until: Timestamp,
    /// How the range is cut.
    pub slice: Slice,
    /// The version; `None`: the one in use.
    pub package: Option<Digest>,
    /// Begin and end of the reference; what is `None` follows from the first 28 days of the version.
    pub reference: (Option<Timestamp>, Option<Timestamp>),
}

/// What distances are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// Begin and end.
    pub span: Span,
    /// Studies in it.
    pub n: u64,
}

/// One window, or one group over the whole range.
#[derive(Debug, Clone, PartialEq)]
pub struct InputsWindow {
    /// Begin and end, whole hours.
    pub span: Span,
    /// Acquisition group; empty: all, `-`: not stated.
    pub group: String,
    /// The group in words; empty where nothing is known of it.
    pub group_name: String,
    /// Whether distances are from the same group in the reference; else from all of it.
    pub is_own_reference: bool,
    /// Whether it is a part of the reference itself.
    pub in_reference: bool,
    /// What is said of it.
    pub summary: Summary,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct InputsReport {
    /// Deployment.
    pub deployment: String,
    /// Version.
    pub package: Digest,
    /// The cut.
    pub slice: Slice,
    /// Everything entered until then is in it.
    pub as_of: Timestamp,
    /// What distances are from; `None`: nothing was observed of the version.
    pub reference: Option<Reference>,
    /// Windows in the order of time, or groups by studies.
    pub windows: Vec<InputsWindow>,
    /// Groups that are left out, the smallest.
    pub n_groups_left_out: u64,
    /// Whether all of it was read, and everything observed is counted.
    pub complete: bool,
}

struct Looked<'a> {
    catalog: &'a dyn Catalog,
    deployment: &'a str,
    package: Digest,
}

impl Looked<'_> {
    /// Sketches of a range, in its order; whether all of them were read.
    async fn sketches(
        &self,
        span: Span,
        coarsest: Level,
        of: &SketchGroups,
    ) -> Result<(Vec<StoredSketch>, bool), StoreError> {
        let (mut all, mut complete) = (Vec::new(), true);
        for part in parts(span.from, span.until, coarsest) {
            let (deployment, package) = (self.deployment.to_owned(), self.package);
            let filter = SketchFilter { deployment, package, part, of: of.clone() };
            let found = self.catalog.sketch_list(&filter, SKETCHES_MAX).await?;
            complete &= found.len() < SKETCHES_MAX as usize;
            all.extend(found);
        }
        Ok((all, complete))
    }

    /// All studies of a range as one sketch.
    async fn whole(&self, span: Span) -> Result<(Sketch, bool), StoreError> {
        let (sketches, complete) = self.sketches(span, Level::Month, &SketchGroups::All).await?;
        let merged = off_thread(move || merged(&sketches, None)).await?;
        Ok((merged, complete))
    }

    /// Groups of a range, each as one sketch.
    async fn by_group(
        &self,
        span: Span,
        groups: &[String],
        wanted: Option<BTreeSet<String>>,
    ) -> Result<(BTreeMap<String, Sketch>, bool), StoreError> {
        let listed = SketchGroups::Listed(groups.to_vec());
        let (sketches, complete) = self.sketches(span, Level::Month, &listed).await?;
        let by_group = off_thread(move || {
            let mut by_group: BTreeMap<String, Sketch> = BTreeMap::new();
            for stored in &sketches {
                stored.merge_into(by_group.entry(stored.group.clone()).or_default(), wanted.as_ref())?;
            }
            Ok(by_group)
        });
        Ok((by_group.await?, complete))
    }

    async fn reference_span(&self, asked: (Option<Timestamp>, Option<Timestamp>)) -> Result<Option<Span>, StoreError> {
        reference_span(self.catalog, self.deployment, &self.package, asked).await
    }

    async fn groups(&self, span: Span) -> Result<(Vec<String>, u64), StoreError> {
        let found =
            self.catalog.sketch_groups(self.deployment, &self.package, span.from, span.until, GROUPS_MAX * 20).await?;
        let n_left_out = found.len().saturating_sub(GROUPS_MAX as usize) as u64;
        Ok((found.into_iter().take(GROUPS_MAX as usize).map(|(group, _)| group).collect(), n_left_out))
    }
}

/// The reference that is declared; what is not follows from the first 28 days of the version. `None`: nothing was
/// observed of it.
pub(crate) async fn reference_span(
    catalog: &dyn Catalog,
    deployment: &str,
    package: &Digest,
    asked: (Option<Timestamp>, Option<Timestamp>),
) -> Result<Option<Span>, StoreError> {
    let from = match asked.0 {
        Some(from) => Some(from),
        None => catalog.sketch_begin(deployment, package).await?,
    };
    let span = |from: Timestamp| Span {
        from,
        until: asked.1.unwrap_or_else(|| from.plus_seconds(REFERENCE_DAYS * DAY_SECONDS)),
    };
    Ok(from.map(span))
}

/// A year of sketches takes tens of milliseconds, a comparison seconds, which no other request shall wait for.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| StoreError::Misuse("work on what was observed ended by a defect".to_owned()))?
}

fn merged(sketches: &[StoredSketch], wanted: Option<&BTreeSet<String>>) -> Result<Sketch, StoreError> {
    let mut sketch = Sketch::default();
    for stored in sketches {
        stored.merge_into(&mut sketch, wanted)?;
    }
    Ok(sketch)
}

/// Make the report.
///
/// # Errors
/// [`StoreError::NotFound`] without such a deployment; [`StoreError::Refused`] for more than [`WINDOWS_MAX`] windows, or a
/// reference that ends before it begins.
pub async fn inputs_report(
    catalog: &dyn Catalog,
    name: &str,
    query: &InputsQuery,
    now: Timestamp,
) -> Result<InputsReport, StoreError> {
    let missing = StoreError::NotFound("deployment; `hilum deployments` shows them");
    let deployment = catalog.deployment_get(name).await?.ok_or(missing)?;
    let package = query.package.unwrap_or(deployment.package_digest);
    let looked = Looked { catalog, deployment: name, package };
    let windows = spans(query.from, query.until, query.slice, WINDOWS_MAX + 1);
    if WINDOWS_MAX < windows.len() {
        let why = format!("that is more than {WINDOWS_MAX} windows; ask for a shorter range or longer windows");
        return Err(StoreError::Refused { what: WHAT, why });
    }
    let span = looked.reference_span(query.reference).await?;
    if span.is_some_and(|span| span.until <= span.from) {
        let why = "the reference must begin before it ends".to_owned();
        return Err(StoreError::Refused { what: WHAT, why });
    }
    let (reference, mut complete) = match span {
        Some(span) => looked.whole(span).await?,
        None => (Sketch::default(), true),
    };
    let mut report = InputsReport {
        deployment: name.to_owned(),
        package,
        slice: query.slice,
        as_of: now,
        reference: span.map(|span| Reference { span, n: reference.n() }),
        windows: vec![],
        n_groups_left_out: 0,
        complete: !catalog.tally_left().await?,
    };
    if query.slice == Slice::Group {
        let Some(range) = windows.first().copied() else { return Ok(report) };
        let (groups, n_left_out) = looked.groups(range).await?;
        report.n_groups_left_out = n_left_out;
        let (of_range, all_read) = looked.by_group(range, &groups, None).await?;
        complete &= all_read;
        let own = match span {
            Some(span) => looked.by_group(span, &groups, None).await?,
            None => (BTreeMap::new(), true),
        };
        complete &= own.1;
        let names = group_names(catalog, &deployment, &package).await?;
        let made = off_thread(move || Ok(of_groups(range, span, &reference, &of_range, &own.0, &names, now)));
        report.windows = made.await?;
    } else if let (Some(first), Some(last)) = (windows.first(), windows.last()) {
        let range = Span { from: first.from, until: last.until };
        let (sketches, all_read) = looked.sketches(range, query.slice.coarsest(), &SketchGroups::All).await?;
        complete &= all_read;
        let made = off_thread(move || of_windows(&windows, &sketches, span, &reference, now));
        report.windows = made.await?;
    }
    report.complete &= complete;
    Ok(report)
}

/// One window after the other: no more than one merged sketch is held at a time.
fn of_windows(
    windows: &[Span],
    sketches: &[StoredSketch],
    reference_span: Option<Span>,
    reference: &Sketch,
    now: Timestamp,
) -> Result<Vec<InputsWindow>, StoreError> {
    let mut made = Vec::with_capacity(windows.len());
    let mut left = sketches;
    for span in windows {
        let n_here = left.partition_point(|stored| stored.start < span.until);
        let (here, later) = left.split_at(n_here);
        left = later;
        let summary = Summary::of(&merged(here, None)?, reference, now);
        made.push(InputsWindow {
            span: *span,
            group: String::new(),
            group_name: String::new(),
            is_own_reference: false,
            in_reference: is_within(*span, reference_span),
            summary,
        });
    }
    Ok(made)
}

fn of_groups(
    range: Span,
    reference_span: Option<Span>,
    reference: &Sketch,
    of_range: &BTreeMap<String, Sketch>,
    own: &BTreeMap<String, Sketch>,
    names: &BTreeMap<String, String>,
    now: Timestamp,
) -> Vec<InputsWindow> {
    let mut made = Vec::with_capacity(of_range.len());
    for (group, sketch) in of_range {
        let own = own.get(group).filter(|own| THIN <= own.n());
        made.push(InputsWindow {
            span: range,
            group: group.clone(),
            group_name: names.get(group).cloned().unwrap_or_default(),
            is_own_reference: own.is_some(),
            in_reference: is_within(range, reference_span),
            summary: Summary::of(sketch, own.unwrap_or(reference), now),
        });
    }
    made.sort_by(|a, b| b.summary.n.cmp(&a.summary.n).then_with(|| a.group.cmp(&b.group)));
    made
}

fn is_within(span: Span, reference: Option<Span>) -> bool {
    reference.is_some_and(|reference| reference.from <= span.from && span.until <= reference.until)
}

async fn group_names(
    catalog: &dyn Catalog,
    deployment: &Deployment,
    package: &Digest,
) -> Result<BTreeMap<String, String>, StoreError> {
    let groups = catalog.acquisition_group_list(deployment.family(), package).await?;
    Ok(groups.into_iter().map(|seen| (seen.key, seen.group.to_string())).collect())
}

/// What moved of a version: the last 28 days against its reference, the farthest first.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedReport {
    /// What it is compared with.
    pub reference: Reference,
    /// The days that are compared, and their studies; these begin when the reference has ended.
    pub current: Reference,
    /// The farthest of the numbers beyond chance, the farthest first.
    pub moved: Vec<MovedNumber>,
    /// All numbers beyond chance.
    pub n_moved: usize,
    /// Numbers within chance.
    pub n_within_chance: usize,
    /// Numbers of which there are too few on either side.
    pub n_thin: usize,
    /// Whether all of it was read, and no number left out because there are too many.
    pub complete: bool,
}

/// What can be said of what moved.
#[derive(Debug, Clone, PartialEq)]
pub enum MovedState {
    /// What was observed before is still being counted: whatever is compared now is a part.
    Counting,
    /// There is nothing after the reference.
    NothingYet,
    /// It was compared.
    Compared(MovedReport),
}

/// A number that moved.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedNumber {
    /// Over all studies.
    pub moved: Moved,
    /// The group that moved most, beyond chance, against itself in the reference.
    pub group: Option<MovedGroup>,
}

/// A group in which a number moved.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedGroup {
    /// Its key; `-`: not stated.
    pub key: String,
    /// In words; empty where nothing is known of it.
    pub name: String,
    /// How far.
    pub moved: Moved,
}

/// What moved of the version in use.
///
/// # Errors
/// When the catalog cannot be read.
pub async fn moved_report(
    catalog: &dyn Catalog,
    deployment: &Deployment,
    now: Timestamp,
) -> Result<MovedState, StoreError> {
    let (name, package) = (deployment.spec.name.as_str(), deployment.package_digest);
    let looked = Looked { catalog, deployment: name, package };
    if catalog.tally_left().await? {
        return Ok(MovedState::Counting);
    }
    let Some(reference_span) = looked.reference_span((None, None)).await? else { return Ok(MovedState::NothingYet) };
    let from = Level::Hour.start(now.plus_seconds(-MOVED_DAYS * DAY_SECONDS)).max(reference_span.until);
    let current_span = Span { from, until: Level::Hour.next(now) };
    if current_span.until <= current_span.from {
        return Ok(MovedState::NothingYet);
    }
    let (reference, all_before) = looked.whole(reference_span).await?;
    let (current, all_now) = looked.whole(current_span).await?;
    let mut complete = all_before && all_now && !reference.is_cut() && !current.is_cut();
    let (mut all, n_thin) = moved(&reference, &current);
    let n_with_distance = all.len();
    all.retain(|one| !one.distance.is_by_chance());
    let n_moved = all.len();
    all.truncate(MOVED_MAX);
    let wanted: BTreeSet<String> = all.iter().map(|one| one.name.clone()).collect();
    let mut groups: BTreeMap<String, MovedGroup> = BTreeMap::new();
    if !wanted.is_empty() {
        let (keys, _) = looked.groups(current_span).await?;
        let (now_by, all_now) = looked.by_group(current_span, &keys, Some(wanted.clone())).await?;
        let (before_by, all_before) = looked.by_group(reference_span, &keys, Some(wanted)).await?;
        complete &= all_now && all_before;
        let names = group_names(catalog, deployment, &package).await?;
        for (key, now) in &now_by {
            let Some(before) = before_by.get(key) else { continue };
            for one in moved(before, now).0.into_iter().filter(|one| !one.distance.is_by_chance()) {
                let farthest = groups.get(&one.name).map_or(0.0, |group| group.moved.distance.excess());
                if farthest < one.distance.excess() {
                    let name = names.get(key).cloned().unwrap_or_default();
                    groups.insert(one.name.clone(), MovedGroup { key: key.clone(), name, moved: one });
                }
            }
        }
    }
    let with_group = |one: Moved| MovedNumber { group: groups.remove(&one.name), moved: one };
    Ok(MovedState::Compared(MovedReport {
        reference: Reference { span: reference_span, n: reference.n() },
        current: Reference { span: current_span, n: current.n() },
        moved: all.into_iter().map(with_group).collect(),
        n_moved,
        n_within_chance: n_with_distance - n_moved,
        n_thin,
        complete,
    }))
}
