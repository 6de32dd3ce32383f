//! What is proven of a version before it is used here: a local reference set, an acceptance test by a frozen protocol, and the
//! acquisition envelope, all by the functions that `hilum reference`, `hilum validate` and `hilum monitor envelope` call.

use super::House;
use super::scenario::nodule;
use super::setup::CLASSIFIER;
use crate::commands::protocol;
use anyhow::{Context, Result};
use hilum_store::records::Package;
use hilum_testkit::{Acquisition, FindingSpec, Subject, dx};
use hilum_types::{Clock, Digest, Exposure};
use hilum_validate::Report;
use hilum_validate::report::CriterionResult;
use hilum_worker::SiteKey;
use hilum_worker::reference::{LabelOrigin, SetSource, TableColumns, keep_reference_set, read_reference_set};
use hilum_worker::trial::{Acceptance, AcceptanceRequest, EnvelopeRequest, Place, Progress, accept, fit_envelope};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Cases of a reference set, half of them with a nodule.
const N_CASES: u64 = 120;

/// Share of usual studies that may be taken for unlike the reference set.
pub(crate) const FALSE_WITHHOLD_RATE: f64 = 0.02;

/// Floors that a version has to show it reaches.
const SENSITIVITY_FLOOR: f64 = 0.65;
const SPECIFICITY_FLOOR: f64 = 0.75;

/// Says nothing: the demo has its own words.
struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _n_cases: usize) {}
    fn done(&self) {}
}

fn place(house: &House) -> Result<Place> {
    Ok(Place {
        catalog: house.running.catalog.clone(),
        blobs: Arc::new(crate::system::open_blobs(&house.config)?),
        models: crate::system::models(&house.config),
        data_dir: house.config.data_dir.clone(),
        clock: house.clock.clone(),
        n_workers: std::thread::available_parallelism().map_or(2, |n| n.get().clamp(1, 4)),
    })
}

/// Take radiographs on both machines, write them down with what they hold, and import them as a reference set.
pub(crate) async fn reference_set(
    house: &House,
    name: &'static str,
    seed: u64,
    machines: [Acquisition; 2],
) -> Result<Digest> {
    let (folder, now) = (house.folder.join(name), house.clock.now());
    let table = house.folder.join(format!("{name}.csv"));
    let key = SiteKey::open(&house.config.data_dir)?;
    let read = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let mut rows = "file,label,station\n".to_owned();
        let mut files: Vec<PathBuf> = Vec::new();
        for number in 0..N_CASES {
            let (seed, machine) = (seed + number, &machines[(number / 2 % 2) as usize]);
            let mut findings = if number % 2 == 0 { vec![nodule(seed)] } else { vec![] };
            findings.extend((number % 4 == 3).then(FindingSpec::effusion));
            let mut subject = Subject::seeded(seed, now.plus_seconds(-86_400));
            subject.age_years = subject.age_years.max(21);
            let phantom = dx(seed, &subject, machine, &findings)?;
            let path = folder.join(format!("{number:03}.dcm"));
            std::fs::write(&path, phantom.instances[0].part10())?;
            let label = if number % 2 == 0 { "nodule" } else { "none" };
            writeln!(rows, "{number:03}.dcm,{label},{}", machine.station)?;
            files.push(path);
        }
        std::fs::write(&table, rows)?;
        let source = SetSource {
            name: name.to_owned(),
            folder: &folder,
            files: &files,
            table: Some(&table),
            columns: TableColumns { groups: vec!["station".to_owned()], ..TableColumns::default() },
            only: Vec::new(),
            origin: LabelOrigin {
                source: Some("what the phantoms were drawn with".to_owned()),
                exposure: Exposure::Unexposed,
                ..LabelOrigin::default()
            },
            synthetic_data: true,
            ignore_unlisted: false,
        };
        Ok::<_, anyhow::Error>(read_reference_set(&source, &key, &|| {})?)
    });
    let read = read.await.context("the reference set was not read")??;
    let place = place(house)?;
    let blobs = crate::system::open_blobs(&house.config)?;
    let kept = keep_reference_set(&read, &*place.catalog, &blobs, "user:bo", house.clock.now()).await?;
    Ok(kept.record.digest)
}

/// `hilum validate`: freeze the protocol if it is new, run the version on the set, judge, enter the report.
pub(crate) async fn validate(house: &House, name: &str, set: Digest, model: Package) -> Result<Acceptance> {
    let file = house.folder.join(format!("{name}.toml"));
    std::fs::write(&file, protocol_text(name, set))?;
    let request = AcceptanceRequest {
        protocol: protocol::read(&file)?,
        model,
        champion: None,
        used_in: house.running.catalog.deployment_get(CLASSIFIER).await?,
        waivers: Vec::new(),
        knowingly: false,
        actor: "user:bo".to_owned(),
        software: concat!("hilum ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    accept(&place(house)?, &request, &silent).await.with_context(|| format!("the acceptance test by {name}"))
}

/// The verdict, and every criterion's figure with interval and n.
pub(crate) fn told(report: &Report) -> String {
    let one = |criterion: &CriterionResult| match criterion.judged.figure() {
        Some(figure) => format!(
            "{} {:.2} [{:.2}, {:.2}] n = {}",
            criterion.metric.name(),
            figure.value,
            figure.lower,
            figure.upper,
            figure.n
        ),
        None => criterion.sentence.clone(),
    };
    let criteria: Vec<String> = report.criteria.iter().map(one).collect();
    format!("{}: {}", report.verdict.name(), criteria.join(", "))
}

/// `hilum monitor envelope`: learn what images of this house look like.
pub(crate) async fn envelope(house: &House, set: Digest, model: Package) -> Result<usize> {
    let request = EnvelopeRequest {
        reference_set: set.to_string(),
        model,
        used_in: house.running.catalog.deployment_get(CLASSIFIER).await?,
        false_withhold_rate: FALSE_WITHHOLD_RATE,
        strata: Vec::new(),
        actor: "user:bo".to_owned(),
    };
    let silent: Arc<dyn Progress> = Arc::new(Silent);
    let fitted = fit_envelope(&place(house)?, &request, &silent).await.context("the acquisition envelope")?;
    Ok(fitted.body.envelope.n_cases())
}

fn protocol_text(name: &str, set: Digest) -> String {
    format!(
        r#"# Written by `hilum demo`.
format = 1
name = "{name}"
version = 1
purpose = "Find nodules of 10 mm radius and more on the chest radiographs of this house"
reference_set = "{set}"

[target]
finding = "nodule"
positive = ["nodule"]
negative = ["none"]

[operating_point]
source = "package"

[[criterion]]
name = "few missed"
metric = "sensitivity"
threshold = {SENSITIVITY_FLOOR}
expected = 0.85

[[criterion]]
name = "few false calls"
metric = "specificity"
threshold = {SPECIFICITY_FLOOR}
expected = 0.9

[[subgroup]]
attribute = "station"
metric = "sensitivity"
threshold = {SENSITIVITY_FLOOR}
margin = 0.1
"#
    )
}
