//! `hilum stats drift`: what differs between two CSV files, column by column or over all columns at once.

mod columns;
mod line;
mod points;
mod table;
mod univariate;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use hilum_stats::{benjamini_hochberg, benjamini_yekutieli, holm};
use line::Line;
use std::path::PathBuf;
use std::process::ExitCode;
use table::Table;

/// Two files, and how they are compared.
#[derive(Args)]
pub(crate) struct DriftArgs {
    /// CSV file of the reference, with a header.
    #[arg(value_name = "REF.csv")]
    reference: PathBuf,
    /// CSV file of the current cases, with the same columns in any order.
    #[arg(value_name = "CUR.csv")]
    current: PathBuf,
    /// The test. By default `ks` for columns of numbers and `chi2` for columns of categories.
    #[arg(long)]
    method: Option<Method>,
    /// Only these columns, separated by commas.
    #[arg(long, value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// These columns are categories although they hold numbers, such as codes.
    #[arg(long, value_delimiter = ',')]
    categorical: Option<Vec<String>>,
    /// Share of false alarms allowed over all columns together.
    #[arg(long, default_value_t = 0.05)]
    alpha: f64,
    /// How p-values of many columns are corrected. `holm` where not given.
    #[arg(long)]
    correction: Option<Correction>,
    /// From where on `wasserstein` (in standard deviations of the reference), `psi` and `js` call it drift. 0.1 where not given.
    #[arg(long)]
    threshold: Option<f64>,
    /// Permutations of `mmd`, and of `chi2` with low counts. 999 where not given.
    #[arg(long)]
    permutations: Option<u32>,
    /// Seed of what is drawn: permutations, folds, samples of rows. 1 where not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Rows of each file that `mmd` and `c2st` take at most; of more, so many are drawn by the seed. 3000 where not given.
    #[arg(long)]
    rows_max: Option<usize>,
    /// How `mmd` and `c2st` scale columns: by mean and standard deviation of the reference, or not. `reference` where not given.
    #[arg(long)]
    scale: Option<Scale>,
}

/// A test by the name it has outside.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Kolmogorov-Smirnov; exact p-value for small files.
    Ks,
    /// Wasserstein distance of order 1, judged in standard deviations of the reference.
    Wasserstein,
    /// Population stability index over tenths of the reference.
    Psi,
    /// Jensen-Shannon distance, base 2, over tenths of the reference.
    Js,
    /// Chi-squared; columns of numbers over tenths of the reference.
    Chi2,
    /// Maximum mean discrepancy of all columns of numbers together, by permutation.
    Mmd,
    /// Classifier two-sample test of all columns of numbers together: the AUROC of telling the files apart.
    C2st,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Correction {
    /// No false alarm at all with probability 1 - alpha, whatever the dependence.
    Holm,
    /// Benjamini-Hochberg: at most a share alpha of the alarms false, for positively dependent columns.
    Bh,
    /// Benjamini-Yekutieli: the same under any dependence.
    By,
    /// None: each column on its own.
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scale {
    Reference,
    None,
}

/// What the tests need to know.
struct Settings {
    method: Option<Method>,
    categorical: Vec<String>,
    alpha: f64,
    correction: Correction,
    threshold: f64,
    permutations: u32,
    seed: u64,
    rows_max: usize,
    scale: Scale,
}

/// `hilum stats drift REF.csv CUR.csv`: prints one JSON line for each column, or one for all.
pub(crate) fn run(arguments: &DriftArgs) -> Result<ExitCode> {
    let settings = arguments.settings()?;
    let (reference, current) = (Table::open(&arguments.reference)?, Table::open(&arguments.current)?);
    let names = arguments.chosen(&reference, &current)?;
    let mut lines = match settings.method {
        Some(method @ (Method::Mmd | Method::C2st)) => {
            vec![points::compare(&reference, &current, &names, method, &settings)?]
        }
        _ => univariate::compare(&reference, &current, &names, &settings)?,
    };
    judge(&mut lines, &settings)?;
    let mut any_figure = false;
    for line in &lines {
        any_figure |= line.error.is_none();
        println!("{}", serde_json::to_string(line)?);
    }
    Ok(if any_figure { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Corrects the p-values of all lines together and calls what is drift.
fn judge(lines: &mut [Line], settings: &Settings) -> Result<()> {
    let p_values: Vec<f64> = lines.iter().filter_map(|line| line.p).collect();
    let adjusted = match settings.correction {
        _ if p_values.is_empty() => Vec::new(),
        Correction::Holm => holm(&p_values)?,
        Correction::Bh => benjamini_hochberg(&p_values)?,
        Correction::By => benjamini_yekutieli(&p_values)?,
        Correction::None => p_values,
    };
    let name = settings.correction.to_possible_value().map(|value| value.get_name().to_owned());
    for (line, p) in lines.iter_mut().filter(|line| line.p.is_some()).zip(adjusted) {
        line.p_adjusted = Some(p);
        line.alpha = Some(settings.alpha);
        line.correction.clone_from(&name);
        line.drift = Some(p <= settings.alpha);
    }
    Ok(())
}

impl DriftArgs {
    /// Checks what was given; an option that the method does not use is refused.
    fn settings(&self) -> Result<Settings> {
        use Method::{C2st, Chi2, Js, Ks, Mmd, Psi, Wasserstein};
        let share = |name: &str, value: f64| -> Result<()> {
            ensure!(0.0 < value && value < 1.0, "--{name} is a share above 0 and below 1, such as 0.05");
            Ok(())
        };
        share("alpha", self.alpha)?;
        ensure!(
            self.threshold.is_none_or(|t| t.is_finite() && 0.0 < t),
            "--threshold is a number above 0, such as 0.1"
        );
        ensure!(self.permutations.is_none_or(|p| (1..=1_000_000).contains(&p)), "--permutations is 1 to 1,000,000");
        ensure!(self.rows_max.is_none_or(|r| (10..=10_000).contains(&r)), "--rows-max is 10 to 10,000");
        let distance = matches!(self.method, Some(Wasserstein | Psi | Js));
        let together = matches!(self.method, Some(Mmd | C2st));
        let dealt = matches!(self.method, None | Some(Ks | Wasserstein | Chi2 | Mmd));
        let drawn = dealt || together;
        for (name, given, used) in [
            ("threshold", self.threshold.is_some(), distance),
            ("correction", self.correction.is_some(), !together),
            ("permutations", self.permutations.is_some(), dealt),
            ("seed", self.seed.is_some(), drawn),
            ("rows-max", self.rows_max.is_some(), together),
            ("scale", self.scale.is_some(), together),
            ("categorical", self.categorical.is_some(), !together),
        ] {
            ensure!(!given || used, "this method does not use --{name}; leave it out");
        }
        // A single p-value needs no correction.
        let by_default = if together { Correction::None } else { Correction::Holm };
        Ok(Settings {
            method: self.method,
            categorical: self.categorical.clone().unwrap_or_default(),
            alpha: self.alpha,
            correction: self.correction.unwrap_or(by_default),
            threshold: self.threshold.unwrap_or(0.1),
            permutations: self.permutations.unwrap_or(999),
            seed: self.seed.unwrap_or(1),
            rows_max: self.rows_max.unwrap_or(3000),
            scale: self.scale.unwrap_or(Scale::Reference),
        })
    }

    /// Names of the columns to compare: those asked for, which both files must have, or all of both files.
    fn chosen(&self, reference: &Table, current: &Table) -> Result<Vec<String>> {
        let tables = [reference, current];
        let hint = |table: &Table| {
            let separator = table.names.iter().any(|name| name.contains(';') || name.contains('\t'));
            if separator { "; it seems separated by something else than commas" } else { "" }
        };
        for name in self.columns.iter().chain(&self.categorical).flatten() {
            for table in tables {
                table
                    .place(name)
                    .with_context(|| format!("{}: line 1 names no column {name:?}{}", table.shown(), hint(table)))?;
            }
        }
        if let Some(columns) = &self.columns {
            for (place, name) in columns.iter().enumerate() {
                ensure!(!columns[..place].contains(name), "--columns names {name:?} twice");
            }
            return Ok(columns.clone());
        }
        let only_current = current.names.iter().filter(|name| reference.place(name).is_none());
        let names: Vec<String> = reference.names.iter().chain(only_current).cloned().collect();
        if !names.iter().any(|name| reference.place(name).is_some() && current.place(name).is_some()) {
            let shown = (reference.shown(), current.shown());
            bail!("{} and {} have no column in common{}", shown.0, shown.1, hint(reference));
        }
        Ok(names)
    }
}
