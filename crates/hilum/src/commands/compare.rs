//! `hilum model compare`: two versions, or two settings of one, on the same cases.

use crate::ConfigFile;
use crate::commands::apply::actor;
use crate::commands::package::find;
use crate::commands::protocol;
use crate::commands::trial::{Bar, place};
use crate::config::Config;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use hilum_registry::Deployment;
use hilum_store::Catalog;
use hilum_validate::report::{Figure, Shown, Test};
use hilum_validate::version_comparison::Both;
use hilum_validate::{CategoryFlip, VersionComparison};
use hilum_worker::trial::{ComparisonRequest, Progress, Subject, compare};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// The earlier package.
    #[arg(value_name = "NAME@VERSION")]
    from: String,
    /// The later package; the same one to compare settings.
    #[arg(value_name = "NAME@VERSION")]
    to: String,
    /// Reference set: its digest, the first 12 digits, or its name.
    #[arg(long, value_name = "SET")]
    reference: String,
    /// The finding; may be left out where the package has one only, or with --protocol.
    #[arg(long, value_name = "LABEL")]
    finding: Option<String>,
    /// Take the finding and the meaning of labels from a protocol file.
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["positive", "negative", "finding"])]
    protocol: Option<PathBuf>,
    /// Reference labels that mean the finding is there; without any, changed answers are listed without saying which is right.
    #[arg(long, value_name = "LABEL,...", value_delimiter = ',', requires = "negative")]
    positive: Vec<String>,
    /// Reference labels that mean it is not there.
    #[arg(long, value_name = "LABEL,...", value_delimiter = ',', requires = "positive")]
    negative: Vec<String>,
    /// Enter it as the replay that this deployment needs before it changes.
    #[arg(long = "for", value_name = "DEPLOYMENT")]
    replay_for: Option<String>,
    /// Threshold of the later side, FINDING=VALUE; may be repeated.
    #[arg(long, value_name = "FINDING=VALUE", value_parser = point)]
    operating_point: Vec<(String, f64)>,
    /// Engine of the later side; the earlier side always runs on the configured one.
    #[arg(long, value_enum)]
    engine: Option<EngineName>,
    /// Write the whole comparison as JSON.
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineName {
    /// As configured.
    Configured,
    /// The one compiled in.
    BuiltIn,
}

fn point(text: &str) -> Result<(String, f64), String> {
    let (finding, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not FINDING=VALUE"))?;
    let value = value.parse().map_err(|_| format!("{value:?} is not a number"))?;
    Ok((finding.to_owned(), value))
}

/// `hilum model compare A B`: exit status 0 whatever changed; 1 when there is no comparison.
pub(crate) async fn run(arguments: CompareArgs) -> Result<ExitCode> {
    let config = Config::read(&arguments.config.path)?;
    let place_from = place(&config, false).await?;
    let place_to = match arguments.engine {
        Some(EngineName::BuiltIn) => place(&config, true).await?,
        _ => place_from.clone(),
    };
    let catalog = &*place_from.catalog;
    let deployment = deployment(catalog, arguments.replay_for.as_deref()).await?;
    let points: BTreeMap<String, f64> = arguments.operating_point.iter().cloned().collect();
    let now = place_from.clock.now();
    let (from, to) = (find(catalog, &arguments.from).await?, find(catalog, &arguments.to).await?);
    let same = from.digest == to.digest && points.is_empty() && arguments.engine != Some(EngineName::BuiltIn);
    if same && deployment.is_none() {
        bail!(
            "both sides are the same package with the same settings; change one, or give --operating-point or --engine"
        );
    }
    let used_in = deployment.as_ref();
    let sides = Both {
        from: Subject::load(&place_from.models, from, used_in, &BTreeMap::new(), now).await?,
        to: Subject::load(&place_to.models, to, used_in, &points, now).await?,
    };
    let (finding, positive, negative) = target(&arguments, &sides.to)?;
    let request = ComparisonRequest {
        sides,
        set: arguments.reference.clone(),
        finding,
        positive,
        negative,
        replay_for: arguments.replay_for.clone(),
        actor: actor(),
    };
    let bar: Arc<dyn Progress> = Arc::new(Bar::default());
    let compared = compare(&place_from, &request, &bar).await;
    drop(bar);
    let (comparison, record) = compared?;
    tell(&comparison);
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&comparison)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{} = \"{}\"", record.kind.name(), record.digest);
    Ok(ExitCode::SUCCESS)
}

async fn deployment(catalog: &dyn Catalog, name: Option<&str>) -> Result<Option<Deployment>> {
    let Some(name) = name else { return Ok(None) };
    match catalog.deployment_get(name).await? {
        None => bail!("no deployment is named {name:?}; `hilum deployments` shows them"),
        found => Ok(found),
    }
}

fn target(arguments: &CompareArgs, subject: &Subject) -> Result<(String, Vec<String>, Vec<String>)> {
    if let Some(file) = &arguments.protocol {
        let target = protocol::read(file)?.target;
        return Ok((target.finding, target.positive, target.negative));
    }
    let labels = (arguments.positive.clone(), arguments.negative.clone());
    let finding = match (&arguments.finding, subject.findings().as_slice()) {
        (Some(finding), _) => finding.clone(),
        (None, [only]) => (*only).to_owned(),
        (None, several) => {
            bail!("{} has the findings {}; choose one with --finding", subject.title(), several.join(", "))
        }
    };
    Ok((finding, labels.0, labels.1))
}

fn tell(comparison: &VersionComparison) {
    let VersionComparison { sides, operating_points, n_cases, n_both, paired, .. } = comparison;
    println!("{} on {n_cases} cases, {n_both} with both scores", comparison.finding);
    println!("  from  {}, threshold {}", sides.from, operating_points.from);
    println!("  to    {}, threshold {}", sides.to, operating_points.to);
    if let Some(largest) = comparison.max_abs_difference {
        println!("  largest difference of a score: {largest:.6}");
    }
    println!("  {:<24} {}", "AUROC, from", figure(&paired.auroc.from));
    println!("  {:<24} {}", "AUROC, to", figure(&paired.auroc.to));
    for (name, difference, test) in [
        ("AUROC, difference", &paired.auroc_difference, &paired.auroc_test),
        ("sensitivity, difference", &paired.sensitivity_difference, &paired.sensitivity_test),
        ("specificity, difference", &paired.specificity_difference, &paired.specificity_test),
    ] {
        println!("  {name:<24} {}{}", figure(difference), p_value(test));
    }
    let counts = [
        CategoryFlip::Gained,
        CategoryFlip::Lost,
        CategoryFlip::Changed,
        CategoryFlip::ResultGained,
        CategoryFlip::ResultLost,
    ]
    .map(|flip| (flip, comparison.cases.iter().filter(|case| case.flip == flip).count()));
    let told: Vec<String> = counts.iter().map(|(flip, n)| format!("{} {n}", flip.name().replace('_', " "))).collect();
    println!("  changed answers: {} ({})", comparison.n_flips, told.join(", "));
    let score = |score: Option<f64>| score.map_or("none".to_owned(), |score| format!("{score:.4}"));
    for flip in [CategoryFlip::Lost, CategoryFlip::ResultLost, CategoryFlip::Changed] {
        for case in comparison.cases.iter().filter(|case| case.flip == flip) {
            let label = case.label.as_deref().unwrap_or("no label");
            let name = flip.name().replace('_', " ");
            println!("    {name}: {} ({label}) {} -> {}", case.case, score(case.from), score(case.to));
        }
    }
}

fn figure(shown: &Shown<Figure>) -> String {
    match shown {
        Shown::Missing(why) => format!("not known: {why}"),
        Shown::Figure(f) => format!(
            "{:+.4} ({:+.4} to {:+.4}; {:.0} %, n = {}, {})",
            f.value,
            f.lower,
            f.upper,
            100.0 * f.level,
            f.n,
            f.method
        ),
    }
}

fn p_value(shown: &Shown<Test>) -> String {
    shown.figure().map_or(String::new(), |test| format!(", p = {:.2e} ({})", test.p_value, test.method))
}
