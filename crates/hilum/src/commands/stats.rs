//! `hilum stats`: one statistic from a CSV file, or what differs between two, by the functions that the gates use.

mod drift;
mod figures;
mod methods;
mod rows;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use hilum_stats::{Bootstrap, BootstrapInterval, StatsError};
use methods::{METHODS, Method};
use rows::Rows;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What to compute, from which file, and how.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct StatsArgs {
    #[command(subcommand)]
    comparison: Option<Comparison>,
    /// The statistic; `--list` names all.
    #[arg(required_unless_present = "list")]
    method: Option<String>,
    /// CSV file with a header: `label,score[,score2][,patient][,group]`; `-` reads standard input.
    #[arg(value_name = "FILE.csv", required_unless_present = "list")]
    file: Option<PathBuf>,
    /// Name every statistic with its columns and options.
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    options: Options,
}

/// What compares two files.
#[derive(Subcommand)]
enum Comparison {
    /// What differs between a reference and current cases: one JSON line for each column.
    Drift(drift::DriftArgs),
}

/// Options of single statistics. One that a statistic does not use is refused.
#[derive(Args, Default)]
struct Options {
    /// Confidence level of intervals.
    #[arg(long, default_value_t = 0.95)]
    level: f64,
    /// A score at or above it is called positive.
    #[arg(long, allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// The same for `score2`; as --threshold where not given.
    #[arg(long, allow_negative_numbers = true)]
    threshold2: Option<f64>,
    /// How much worse than `score2` is still acceptable.
    #[arg(long)]
    margin: Option<f64>,
    /// How the interval is built; `--list` names the choices.
    #[arg(long, value_name = "NAME")]
    interval: Option<String>,
    /// Seed of the bootstrap; the same seed gives the same interval. 1 where not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Resamples of the bootstrap. 2000 where not given.
    #[arg(long)]
    resamples: Option<u32>,
    /// Number of bins of the calibration error. 10 where not given.
    #[arg(long)]
    bins: Option<u32>,
    /// Bins of equal count instead of equal width.
    #[arg(long)]
    equal_count: bool,
    /// Weights of kappa: none, linear, quadratic.
    #[arg(long)]
    weights: Option<String>,
    /// Form of the intraclass correlation: one-way, absolute-agreement, consistency.
    #[arg(long)]
    form: Option<String>,
    /// Share of differences between the limits of agreement. 0.95 where not given.
    #[arg(long)]
    coverage: Option<f64>,
}

/// `hilum stats METHOD FILE.csv`: prints one JSON object.
pub(crate) fn run(arguments: &StatsArgs) -> Result<ExitCode> {
    if let Some(Comparison::Drift(arguments)) = &arguments.comparison {
        return drift::run(arguments);
    }
    if arguments.list {
        print!("{}", methods::list());
        return Ok(ExitCode::SUCCESS);
    }
    // clap asks for both unless --list is there.
    let (Some(name), Some(file)) = (&arguments.method, &arguments.file) else { bail!("name a statistic and a file") };
    let Some(method) = METHODS.iter().find(|method| method.name == name) else {
        bail!("no statistic {name:?}; `hilum stats --list` names all");
    };
    arguments.options.check(method)?;
    let rows = read(file, method)?;
    let (answer, has_figure) = answer(method, &rows, &arguments.options)?;
    println!("{}", serde_json::to_string_pretty(&answer)?);
    Ok(if has_figure { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path, method: &Method) -> Result<Rows> {
    if file == Path::new("-") {
        return Rows::read(std::io::stdin().lock(), method).context("standard input");
    }
    let shown = file.display();
    let source = std::fs::File::open(file).with_context(|| format!("{shown} cannot be read"))?;
    Rows::read(std::io::BufReader::new(source), method).with_context(|| shown.to_string())
}

/// The answer, and whether at least one figure is in it.
fn answer(method: &Method, rows: &Rows, options: &Options) -> Result<(Value, bool)> {
    let Some(groups) = &rows.groups else { return Ok((figure(method, rows, options)?, true)) };
    let mut cases: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (case, group) in groups.iter().enumerate() {
        cases.entry(group).or_default().push(case);
    }
    let mut of_group = Map::new();
    let mut has_figure = false;
    for (group, cases) in cases {
        // A group that has no figure must not hide the others, and must not be missing either.
        let answer = match figure(method, &rows.only(&cases), options) {
            Ok(answer) => {
                has_figure = true;
                answer
            }
            Err(error) => json!({ "error": format!("{error:#}"), "n_cases": cases.len() }),
        };
        of_group.insert(group.to_owned(), answer);
    }
    Ok((json!({ "figure": method.name, "groups": of_group }), has_figure))
}

/// One figure with what every figure says of its cases.
fn figure(method: &Method, rows: &Rows, options: &Options) -> Result<Value> {
    let computed = (method.compute)(rows, options).map_err(|error| rows.explain(error))?;
    let mut answer = match computed {
        Value::Object(fields) => fields,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    answer.insert("figure".into(), method.name.into());
    answer.insert("n_cases".into(), rows.n().into());
    if method.label {
        let n_positive = rows.labels.iter().filter(|&&label| label).count();
        answer.insert("n_positive".into(), n_positive.into());
        answer.insert("n_negative".into(), (rows.n() - n_positive).into());
    }
    if !rows.ignored.is_empty() {
        answer.insert("ignored_columns".into(), rows.ignored.clone().into());
    }
    Ok(Value::Object(answer))
}

impl Options {
    /// Refuses options that the method does not use, and values that no method takes.
    fn check(&self, method: &Method) -> Result<()> {
        let given = [
            ("threshold", self.threshold.is_some()),
            ("threshold2", self.threshold2.is_some()),
            ("margin", self.margin.is_some()),
            ("interval", self.interval.is_some()),
            ("seed", self.seed.is_some()),
            ("resamples", self.resamples.is_some()),
            ("bins", self.bins.is_some()),
            ("equal-count", self.equal_count),
            ("weights", self.weights.is_some()),
            ("form", self.form.is_some()),
            ("coverage", self.coverage.is_some()),
        ];
        for (name, given) in given {
            let used = method.options.contains(&name);
            ensure!(used || !given, "{} does not use --{name}; `hilum stats --list` says what it uses", method.name);
        }
        let needs_threshold = method.options.contains(&"threshold") && self.threshold.is_none();
        ensure!(!needs_threshold, "{} needs --threshold: a score at or above it is called positive", method.name);
        let needs_margin = method.options.contains(&"margin") && self.margin.is_none();
        ensure!(!needs_margin, "{} needs --margin: how much worse is still acceptable, such as 0.05", method.name);
        ensure!(0.0 < self.level && self.level < 1.0, "--level is a share above 0 and below 1, such as 0.95");
        let finite = |value: Option<f64>| value.is_none_or(f64::is_finite);
        ensure!(finite(self.threshold) && finite(self.threshold2), "--threshold and --threshold2 are finite numbers");
        ensure!(self.margin.is_none_or(|m| (0.0..1.0).contains(&m)), "--margin is at least 0 and below 1");
        ensure!(self.coverage.is_none_or(|c| 0.0 < c && c < 1.0), "--coverage is a share above 0 and below 1");
        if let Some(interval) = &self.interval {
            let choices = method.intervals.join(", ");
            ensure!(
                method.intervals.contains(&interval.as_str()),
                "{} has no interval {interval:?}; choose of {choices}",
                method.name
            );
        }
        let uses_bootstrap =
            self.interval.as_deref().or(method.intervals.first().copied()).is_some_and(|i| i.starts_with("bootstrap"));
        let asks_bootstrap = self.seed.is_some() || self.resamples.is_some();
        ensure!(
            uses_bootstrap || !asks_bootstrap,
            "--seed and --resamples are the bootstrap's; add --interval bootstrap-bca"
        );
        Ok(())
    }

    /// The bootstrap asked for; `None` for another interval.
    fn bootstrap(&self, by_default: Option<BootstrapInterval>) -> Option<Bootstrap> {
        let interval = match self.interval.as_deref() {
            Some("bootstrap-bca") => BootstrapInterval::Bca,
            Some("bootstrap-percentile") => BootstrapInterval::Percentile,
            Some("bootstrap-normal") => BootstrapInterval::Normal,
            Some(_) => return None,
            None => by_default?,
        };
        let (resamples, seed) = (self.resamples.unwrap_or(2000), self.seed.unwrap_or(1));
        Some(Bootstrap { resamples, seed, level: self.level, interval })
    }
}

impl Rows {
    /// Names the line of the value that an error is about, and what helps.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast_ref::<StatsError>() {
            Some(StatsError::OutOfRange { what, index, value, range }) => match self.lines.get(*index) {
                Some(line) => anyhow::anyhow!("line {line}: {what} takes {range}, not {value}"),
                None => error,
            },
            Some(StatsError::TooFew { .. }) => error.context("there are too few cases; add some, or pool groups"),
            _ => error,
        }
    }
}
