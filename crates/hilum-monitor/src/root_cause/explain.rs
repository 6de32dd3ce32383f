use super::table::{Draws, Sum, Table};
use super::{Quantity, RootCauseError, RootCauseOptions};
use crate::figure::proportion;
use crate::{Figure, Observation};
use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Causes listed at most.
const CAUSES_MAX: usize = 10;
/// Typical studies listed at most, per side.
const TYPICAL_MAX: usize = 5;
/// Two values that name the same studies to this part are one cause.
const SAME_STUDIES: f64 = 0.9;
/// Standard normal quantile of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// What explains a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What moved: `score:pneumonia`, `feature:noise`, ...
    pub quantity: String,
    /// Begin of the later period.
    pub since: Timestamp,
    /// Mean before.
    pub before: Figure,
    /// Mean since.
    pub after: Figure,
    /// Difference of the means.
    pub shift: Figure,
    /// Values that explain it beyond chance, the best first; empty when none does.
    pub causes: Vec<Cause>,
    /// Values that practically every study has since then: they cannot be told from the change itself.
    pub coincidences: Vec<Coincidence>,
    /// Keys of studies that are typical of the time before.
    pub typical_before: Vec<String>,
    /// Keys of studies that are typical of the change: of the first cause, where there is one.
    pub typical_after: Vec<String>,
}

/// A value that explains a shift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Attribute, such as `station`.
    pub attribute: String,
    /// Value, such as `CT2`.
    pub name: String,
    /// Other values, as `attribute=value`, that name the same studies.
    pub together_with: Vec<String>,
    /// Share of the studies before that have it.
    pub share_before: Figure,
    /// Share since.
    pub share_after: Figure,
    /// Part of the shift that goes away when its studies are left out.
    pub explained: Figure,
    /// Chance that any value of any attribute explains so much, by permutation; never 0.
    pub p: f64,
    /// The sentence.
    pub text: String,
}

/// A value that came with the change and has practically every study since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coincidence {
    /// Attribute.
    pub attribute: String,
    /// Value.
    pub name: String,
    /// Share before.
    pub share_before: Figure,
    /// Share since.
    pub share_after: Figure,
    /// The sentence.
    pub text: String,
}

/// A value as it is looked at.
#[derive(Clone, Copy)]
struct Candidate {
    column: usize,
    code: usize,
    /// How far beyond chance leaving it out changes the shift; orders the causes.
    beyond: f64,
    /// The same against chance in the shares as well; compared with permutations.
    guarded: f64,
    explained: f64,
}

/// Explain how `quantity` differs between studies before and since `since`.
///
/// # Errors
/// [`RootCauseError::TooFew`], [`RootCauseError::Constant`].
pub fn explain(
    observations: &[Observation],
    quantity: &Quantity,
    since: Timestamp,
    options: &RootCauseOptions,
) -> Result<Explanation, RootCauseError> {
    let table = table(observations, quantity, since, options)?;
    let variance = table.variance_within();
    if table.y.iter().all(|y| *y == table.y[0]) {
        return Err(RootCauseError::Constant(quantity.to_string()));
    }
    let mut found = candidates(&table, &table.y, variance, options.n_min);
    found.retain(|candidate| 0.0 < candidate.beyond && options.explained_min <= candidate.explained);
    let p = chances(&table, &found, variance, options);
    let mut ranked: Vec<(Candidate, f64)> =
        found.into_iter().zip(p).filter(|(_, p)| *p <= options.significance).collect();
    ranked.sort_by(|(a, _), (b, _)| b.beyond.total_cmp(&a.beyond));
    let causes = causes(&table, &ranked, quantity, options);
    let after = |row: usize| match ranked.first() {
        Some((first, _)) => usize::from(table.columns[first.column].codes[row]) == first.code,
        None => true,
    };
    let [reference, current] = table.totals(&table.y);
    let mean = |rows: &[f64]| mean_figure(rows, options.as_of);
    let (before_y, after_y) = table.y.split_at(table.n_reference);
    let (before, after_mean) = (mean(before_y), mean(after_y));
    let half = ((before.upper - before.value).powi(2) + (after_mean.upper - after_mean.value).powi(2)).sqrt();
    let difference = current.mean() - reference.mean();
    Ok(Explanation {
        quantity: quantity.to_string(),
        since,
        shift: Figure {
            value: difference,
            lower: difference - half,
            upper: difference + half,
            n: table.y.len() as u64,
            method: "mean_difference_normal".to_owned(),
            label_classes: vec![],
            as_of: options.as_of,
        },
        before,
        after: after_mean,
        coincidences: coincidences(&table, options),
        typical_before: typical(&table, |row| table.is_reference(row)),
        typical_after: typical(&table, |row| !table.is_reference(row) && after(row)),
        causes,
    })
}

fn table<'a>(
    observations: &'a [Observation],
    quantity: &Quantity,
    since: Timestamp,
    options: &RootCauseOptions,
) -> Result<Table<'a>, RootCauseError> {
    let measured = |reference: bool| {
        observations
            .iter()
            .filter(move |observation| (observation.event_at < since) == reference)
            .filter_map(|observation| Some((observation, quantity.of(observation)?)))
    };
    let (mut rows, mut y) = (Vec::new(), Vec::new());
    for (row, value) in measured(true).chain(measured(false)) {
        rows.push(row);
        y.push(value);
    }
    let n_reference = rows.iter().filter(|row| row.event_at < since).count();
    let n_current = rows.len() - n_reference;
    if n_reference.min(n_current) < options.n_min as usize {
        let (quantity, n_min) = (quantity.to_string(), options.n_min);
        return Err(RootCauseError::TooFew { quantity, n_reference, n_current, n_min });
    }
    Ok(Table::new(rows, y, n_reference))
}

/// Every value that can be looked at, with what leaving it out does to the shift.
fn candidates(table: &Table<'_>, y: &[f64], variance: f64, n_min: u32) -> Vec<Candidate> {
    let [reference, current] = table.totals(y);
    let shift = current.mean() - reference.mean();
    let mut found = Vec::new();
    for (column, attribute) in table.columns.iter().enumerate() {
        for (code, [before, after]) in attribute.sums(y, table.n_reference).into_iter().enumerate() {
            let rest = [reference.without(before), current.without(after)];
            let few = f64::from(n_min);
            if rest[0].n < few || rest[1].n < few || before.n + after.n < few {
                continue;
            }
            let shift_of_rest = rest[1].mean() - rest[0].mean();
            let direction = if shift < 0.0 { -1.0 } else { 1.0 };
            let change = direction * (shift - shift_of_rest);
            // Variance of the shift of so many studies drawn at random, given all of them.
            let by_draw = variance
                * ((1.0 / rest[1].n - 1.0 / current.n) + (1.0 / rest[0].n - 1.0 / reference.n)).max(f64::MIN_POSITIVE);
            // A value whose studies always scored otherwise explains something whenever its share wavers.
            let share = (before.n + after.n) / (reference.n + current.n);
            let contrast = contrast(before, rest[0]).max(contrast(after, rest[1]));
            let by_share = share * (1.0 - share) * (1.0 / reference.n + 1.0 / current.n) * contrast * contrast;
            found.push(Candidate {
                column,
                code,
                beyond: change / by_draw.sqrt(),
                guarded: change / (by_draw + by_share).sqrt(),
                explained: if shift == 0.0 { 0.0 } else { 1.0 - shift_of_rest / shift },
            });
        }
    }
    found
}

fn contrast(value: Sum, rest: Sum) -> f64 {
    if value.n == 0.0 { 0.0 } else { (value.mean() - rest.mean()).abs() }
}

/// For each candidate: the chance that any value explains so much when `y` has nothing to do with attributes.
fn chances(table: &Table<'_>, found: &[Candidate], variance: f64, options: &RootCauseOptions) -> Vec<f64> {
    let mut n_as_good = vec![0_u32; found.len()];
    if found.is_empty() {
        return Vec::new();
    }
    let mut draws = Draws::new(options.seed, 2);
    let mut y = table.y.clone();
    for _ in 0..options.n_draws {
        table.shuffle(&mut y, &mut draws);
        let all = candidates(table, &y, variance, options.n_min);
        let best = all.iter().map(|candidate| candidate.guarded).fold(f64::NEG_INFINITY, f64::max);
        for (n, candidate) in n_as_good.iter_mut().zip(found) {
            *n += u32::from(candidate.guarded <= best);
        }
    }
    n_as_good.into_iter().map(|n| f64::from(n + 1) / f64::from(options.n_draws + 1)).collect()
}

fn causes(
    table: &Table<'_>,
    ranked: &[(Candidate, f64)],
    quantity: &Quantity,
    options: &RootCauseOptions,
) -> Vec<Cause> {
    let mut causes: Vec<(Candidate, Cause)> = Vec::new();
    for (candidate, p) in ranked {
        let column = &table.columns[candidate.column];
        let name = column.values[candidate.code].clone();
        if let Some((_, cause)) = causes.iter_mut().find(|(known, _)| is_same(table, known, candidate)) {
            cause.together_with.push(format!("{}={name}", column.attribute));
            continue;
        }
        if causes.len() == CAUSES_MAX {
            break;
        }
        let [share_before, share_after] = shares(table, candidate.column, candidate.code, options.as_of);
        let explained = explained(table, candidate, options);
        causes.push((
            *candidate,
            Cause {
                attribute: column.attribute.clone(),
                name,
                together_with: vec![],
                share_before,
                share_after,
                explained,
                p: *p,
                text: String::new(),
            },
        ));
    }
    let sentence = |mut cause: Cause| {
        let also: String = cause.together_with.iter().map(|other| format!(", {other}")).collect();
        cause.text = format!(
            "{}={}{also}: share {} to {}, explains {} of the shift of {quantity}",
            cause.attribute,
            cause.name,
            percent(&cause.share_before),
            percent(&cause.share_after),
            percent(&cause.explained)
        );
        cause
    };
    causes.into_iter().map(|(_, cause)| sentence(cause)).collect()
}

/// `38 % (33 to 44, n = 300)`.
fn percent(figure: &Figure) -> String {
    let Figure { value, lower, upper, n, .. } = figure;
    format!("{:.0} % ({:.0} to {:.0}, n = {n})", 100.0 * value, 100.0 * lower, 100.0 * upper)
}

fn is_same(table: &Table<'_>, a: &Candidate, b: &Candidate) -> bool {
    let has =
        |candidate: &Candidate, row: usize| usize::from(table.columns[candidate.column].codes[row]) == candidate.code;
    let (mut both, mut either) = (0.0, 0.0);
    for row in 0..table.rows.len() {
        both += f64::from(u8::from(has(a, row) && has(b, row)));
        either += f64::from(u8::from(has(a, row) || has(b, row)));
    }
    SAME_STUDIES * either <= both
}

/// Share of a value before and since, with Wilson's interval.
fn shares(table: &Table<'_>, column: usize, code: usize, as_of: Timestamp) -> [Figure; 2] {
    let codes = &table.columns[column].codes;
    [&codes[..table.n_reference], &codes[table.n_reference..]].map(|part| {
        let n_with = part.iter().filter(|known| usize::from(**known) == code).count() as u64;
        proportion(n_with, part.len() as u64, as_of)
    })
}

/// The explained part with the interval of its bootstrap: studies drawn anew within each period.
fn explained(table: &Table<'_>, candidate: &Candidate, options: &RootCauseOptions) -> Figure {
    let codes = &table.columns[candidate.column].codes;
    let mut draws = Draws::new(options.seed, 3);
    let mut parts: Vec<f64> = Vec::new();
    for _ in 0..options.n_draws {
        let mut all = [Sum::default(); 2];
        let mut rest = [Sum::default(); 2];
        for row in 0..table.y.len() {
            let is_current = usize::from(!table.is_reference(row));
            let (from, n) = match is_current {
                0 => (0, table.n_reference),
                _ => (table.n_reference, table.y.len() - table.n_reference),
            };
            let drawn = from + draws.below(n);
            all[is_current].n += 1.0;
            all[is_current].sum += table.y[drawn];
            if usize::from(codes[drawn]) != candidate.code {
                rest[is_current].n += 1.0;
                rest[is_current].sum += table.y[drawn];
            }
        }
        let shift = all[1].mean() - all[0].mean();
        let part = 1.0 - (rest[1].mean() - rest[0].mean()) / shift;
        if part.is_finite() {
            parts.push(part);
        }
    }
    parts.sort_by(f64::total_cmp);
    let at = |quantile: f64| {
        let last = parts.len().saturating_sub(1);
        parts.get((quantile * last as f64).round() as usize).copied().unwrap_or(candidate.explained)
    };
    Figure {
        value: candidate.explained,
        lower: at(0.025).min(candidate.explained),
        upper: at(0.975).max(candidate.explained),
        n: table.y.len() as u64,
        method: "left_out_bootstrap".to_owned(),
        label_classes: vec![],
        as_of: options.as_of,
    }
}

/// Values that few of the studies since then lack, and most of those before.
fn coincidences(table: &Table<'_>, options: &RootCauseOptions) -> Vec<Coincidence> {
    let mut found = Vec::new();
    for (column, attribute) in table.columns.iter().enumerate() {
        for (code, name) in attribute.values.iter().enumerate() {
            let [share_before, share_after] = shares(table, column, code, options.as_of);
            let n_without = (1.0 - share_after.value) * share_after.n as f64;
            if 0.5 < share_before.value || f64::from(options.n_min) <= n_without {
                continue;
            }
            let text = format!(
                "{}={name}: share {} to {}; it came with the change and cannot be told from it",
                attribute.attribute,
                percent(&share_before),
                percent(&share_after)
            );
            let (attribute, name) = (attribute.attribute.clone(), name.clone());
            found.push(Coincidence { attribute, name, share_before, share_after, text });
        }
    }
    found
}

/// Studies whose quantity is nearest to the median of their group.
fn typical(table: &Table<'_>, belongs: impl Fn(usize) -> bool) -> Vec<String> {
    let mut rows: Vec<usize> = (0..table.rows.len()).filter(|row| belongs(*row)).collect();
    rows.sort_by(|a, b| table.y[*a].total_cmp(&table.y[*b]));
    let Some(median) = rows.get(rows.len() / 2).map(|row| table.y[*row]) else { return Vec::new() };
    rows.sort_by(|a, b| {
        let far = |row: usize| (table.y[row] - median).abs();
        far(*a).total_cmp(&far(*b)).then_with(|| table.rows[*a].study_key.cmp(&table.rows[*b].study_key))
    });
    rows.into_iter().take(TYPICAL_MAX).map(|row| table.rows[row].study_key.clone()).collect()
}

/// Mean with its normal interval of 95 %.
fn mean_figure(y: &[f64], as_of: Timestamp) -> Figure {
    let n = y.len() as f64;
    let value = y.iter().sum::<f64>() / n;
    let variance = y.iter().map(|y| (y - value).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let half = Z * (variance / n).sqrt();
    Figure {
        value,
        lower: value - half,
        upper: value + half,
        n: y.len() as u64,
        method: "mean_normal".to_owned(),
        label_classes: vec![],
        as_of,
    }
}

/// The quantity that differs most between the periods, in standard errors, among all that the studies have.
///
/// # Errors
/// [`RootCauseError::NothingMeasured`].
pub fn most_moved(
    observations: &[Observation],
    since: Timestamp,
    options: &RootCauseOptions,
) -> Result<Quantity, RootCauseError> {
    let mut best: Option<(f64, Quantity)> = None;
    for quantity in Quantity::all_in(observations) {
        let Ok(table) = table(observations, &quantity, since, options) else { continue };
        let [reference, current] = table.totals(&table.y);
        let error = (table.variance_within() * (1.0 / reference.n + 1.0 / current.n)).sqrt();
        let distance = (current.mean() - reference.mean()).abs() / error;
        if distance.is_finite() && best.as_ref().is_none_or(|(other, _)| *other < distance) {
            best = Some((distance, quantity));
        }
    }
    best.map(|(_, quantity)| quantity).ok_or(RootCauseError::NothingMeasured)
}
