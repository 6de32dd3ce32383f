//! One year of a large hospital in a catalog on SQLite, and how long each question behind a dashboard takes then.
//!
//! `cargo run --release -p hilum-store --example scale -- 1000000 /var/tmp/scale.db`
//!
//! Observations, labels and the rows around them are written in bulk; sketches and counts are made of them by the code that
//! every act uses. What takes longer than the bar is marked, and its query plan can be asked with `sqlite3`.

use hilum_monitor::sketch::{Level, Sketch, Slice, parts};
use hilum_monitor::timeline::count_day;
use hilum_monitor::{Label, LabelSource, Observation, OutputFact, Severity, Signal, Truth};
use hilum_registry::DeploymentSpec;
use hilum_store::alarms::AlarmFilter;
use hilum_store::evidence_report::{EvidenceQuery, evidence_report};
use hilum_store::inputs_report::{InputsQuery, MovedState, inputs_report, moved_report};
use hilum_store::records::{Package, StudyFilter};
use hilum_store::tallies::{SketchFilter, SketchGroups};
use hilum_store::{Catalog, CatalogOptions, open};
use hilum_types::{Digest, Exposure, InstanceHeader, Phi, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

const DAYS: i64 = 365;
const DAY: i64 = 86_400;
const GROUPS: usize = 20;
const FEATURES: usize = 40;
const REPEATS: usize = 20;
const BAR: Duration = Duration::from_millis(100);
/// Facts whose counting is timed one by one.
const ONE_BY_ONE: i64 = 300;

enum V {
    T(String),
    I(i64),
    N,
}

impl From<&str> for V {
    fn from(text: &str) -> V {
        V::T(text.to_owned())
    }
}
impl From<String> for V {
    fn from(text: String) -> V {
        V::T(text)
    }
}
impl From<i64> for V {
    fn from(number: i64) -> V {
        V::I(number)
    }
}

macro_rules! row {
    ($($value:expr),* $(,)?) => { [$(V::from($value)),*] };
}

/// Rows of one table, written two hundred at a time.
struct Bulk {
    head: &'static str,
    n_columns: usize,
    values: Vec<V>,
}

impl Bulk {
    fn new(head: &'static str, n_columns: usize) -> Bulk {
        Bulk { head, n_columns, values: vec![] }
    }

    fn add<const N: usize>(&mut self, row: [V; N]) {
        assert_eq!(N, self.n_columns, "{}", self.head);
        self.values.extend(row);
    }

    async fn flush(&mut self, to: &mut SqliteConnection, all: bool) -> Result<(), Failure> {
        while (if all { 1 } else { 200 }) * self.n_columns <= self.values.len() {
            let n_rows = (self.values.len() / self.n_columns).min(200);
            let one = format!("({})", vec!["?"; self.n_columns].join(","));
            let sql = format!("INSERT INTO {} VALUES {}", self.head, vec![one; n_rows].join(","));
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in self.values.drain(..n_rows * self.n_columns) {
                query = match value {
                    V::T(text) => query.bind(text),
                    V::I(number) => query.bind(number),
                    V::N => query.bind(None::<String>),
                };
            }
            query.execute(&mut *to).await?;
        }
        Ok(())
    }
}

struct Year {
    begin: Timestamp,
    package: Digest,
    n: i64,
}

impl Year {
    fn end(&self) -> Timestamp {
        self.begin.plus_seconds(DAYS * DAY)
    }

    /// Study `i` of the year: most come by day, and scanner 7 changes its noise after ten months.
    fn observation(&self, i: i64, chance: &mut StdRng) -> Observation {
        let mut one = Observation::bare("chest", self.package);
        let day = i * DAYS / self.n;
        let hour = 7.0 + 12.0 * (chance.random::<f64>() + chance.random::<f64>()) / 2.0;
        one.event_at = self.begin.plus_seconds(day * DAY + (hour * 3600.0) as i64);
        one.recorded_at = one.event_at.plus_seconds(90);
        one.study_key = study_key(i);
        one.revision = 1;
        let dispositions = ["not_eligible", "withheld", "failed"];
        let ended = chance.random_range(0..40);
        one.disposition = dispositions.get(ended).copied().unwrap_or("analysed").to_owned();
        one.reason_code = if ended < 3 { format!("reason.{}", dispositions[ended]) } else { String::new() };
        let group = (chance.random::<f64>().powi(2) * GROUPS as f64) as usize;
        let mut attribute = |name: &str, value: String| one.attributes.insert(name.to_owned(), value);
        attribute("group", format!("{group:016x}"));
        attribute("station", format!("ST{group:02}"));
        attribute("site", format!("site {}", group % 3));
        attribute("manufacturer", format!("maker {}", group % 4));
        attribute("model", format!("model {}", group % 8));
        attribute("software", format!("VB{}", group % 12));
        attribute("protocol", format!("protocol {}", group % 10));
        attribute("kernel", format!("K{}", group % 5));
        attribute("view", ["PA", "AP", "LL"][chance.random_range(0..3)].to_owned());
        attribute("sex", ["F", "M"][chance.random_range(0..2)].to_owned());
        let age = chance.random_range(0..10) * 10;
        attribute("age_band", format!("{age}-{}", age + 9));
        for feature in 0..FEATURES {
            let sum: f64 = (0..6).map(|_| chance.random::<f64>() - 0.5).sum();
            let moved = if group == 7 && feature == 3 && 300 < day { 1.5 } else { 0.0 };
            let (mean, sd) = (10.0 * (feature + 1) as f64, 3.0 + 0.1 * group as f64);
            one.features.insert(format!("feature_{feature:02}"), mean + sd * (sum * std::f64::consts::SQRT_2 + moved));
        }
        one.seconds = Some(0.2 + chance.random::<f64>());
        one.outside_envelope = Some(if chance.random_range(0..50) == 0 { vec!["noise".to_owned()] } else { vec![] });
        if one.disposition == "analysed" {
            for finding in ["pneumonia", "nodule"] {
                let score = chance.random::<f64>().powi(3);
                one.outputs.insert(finding.to_owned(), OutputFact { score: Some(score), present: Some(0.5 < score) });
            }
        }
        one
    }

    fn label(&self, i: i64, of: &Observation, chance: &mut StdRng) -> Label {
        let said = of.outputs.get("nodule").and_then(|output| output.present) == Some(true);
        let right = chance.random::<f64>() < 0.92;
        let is_report = chance.random::<f64>() < 0.7;
        let drawn = i % 40 == 0;
        Label {
            decided_at: None,
            key: format!("{i:026}"),
            study_key: of.study_key.clone(),
            revision: 1,
            deployment: "chest".to_owned(),
            finding: "nodule".to_owned(),
            truth: if said == right { Truth::Present } else { Truth::Absent },
            agreement: None,
            source: match (drawn, is_report) {
                (true, _) => LabelSource::Adjudication,
                (_, true) => LabelSource::Report,
                _ => LabelSource::Assessment,
            },
            extractor: (!drawn && is_report).then(|| "words 1".to_owned()),
            extractor_measured: true,
            exposure: if drawn || is_report { Exposure::Unexposed } else { Exposure::Exposed },
            independence: None,
            inclusion_probability: drawn.then_some(if said { 0.1 } else { 0.025 }),
            event_at: of.event_at,
            recorded_at: of.event_at.plus_seconds(3 * DAY),
            by: "extractor:words".to_owned(),
        }
    }
}

fn study_key(i: i64) -> String {
    format!("{i:026}")
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let n: i64 = arguments.get(1).map_or(Ok(100_000), |text| text.parse())?;
    let path = arguments.get(2).cloned().unwrap_or_else(|| "/var/tmp/hilum-scale.db".to_owned());
    let url = format!("sqlite:{path}");
    let begin: Timestamp = "2025-01-01T00:00:00Z".parse()?;
    let catalog = open(&url, &CatalogOptions::default()).await?;
    let package = Digest::of(b"package");
    let year = Year { begin, package, n };
    let options = SqliteConnectOptions::from_str(&url)?.foreign_keys(false).pragma("synchronous", "OFF");
    let mut bulk = options.pragma("cache_size", "-200000").disable_statement_logging().connect().await?;
    if catalog.deployment_get("chest").await?.is_none() {
        declare(&*catalog, &year).await?;
        fill(&mut bulk, &year).await?;
    }
    make_counts(&*catalog, &mut bulk, n).await?;
    println!();
    sizes(&mut bulk, &path).await?;
    bulk.close().await?;
    println!("\n| question | median of {REPEATS} | greatest | answer |\n|---|---|---|---|");
    questions(&catalog, &year).await
}

async fn declare(catalog: &dyn Catalog, year: &Year) -> Result<(), Failure> {
    let held = Package {
        digest: year.package,
        name: "chest".into(),
        version: "1.0.0".into(),
        manifest: json!({ "name": "chest" }),
        location: "packages/chest".into(),
        imported_at: year.begin,
    };
    catalog.package_add(&held, "user:scale").await?;
    let spec: DeploymentSpec = serde_json::from_value(json!({
        "name": "chest", "package": year.package.to_string(), "state": "active", "destinations": ["pacs"],
        "monitoring": {
            "rule": [{ "name": "missed", "metric": "sensitivity", "finding": "nodule", "below": 0.5, "confidence": 0.95,
                "each": ["station"] }],
            "evidence": { "window_days": 30, "n_min": 100 },
        },
    }))?;
    catalog.deployment_apply(&spec, year.package, "user:scale", year.begin).await?;
    Ok(())
}

/// Header of the one image of a study; its UIDs are below that of the study.
fn header(study_instance_uid: &str) -> Result<InstanceHeader, Failure> {
    let attributes = [("Modality", "DX"), ("PatientID", "x"), ("StudyDescription", "Chest")];
    let attribute = |(keyword, value): (&str, &str)| (keyword.to_owned(), Phi::new(vec![value.to_owned()]));
    Ok(InstanceHeader {
        sop_instance_uid: format!("{study_instance_uid}.1.1").parse()?,
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.1".parse()?,
        transfer_syntax_uid: "1.2.840.10008.1.2.1".parse()?,
        study_instance_uid: study_instance_uid.parse()?,
        series_instance_uid: format!("{study_instance_uid}.1").parse()?,
        attributes: attributes.into_iter().map(attribute).collect(),
    })
}

async fn fill(to: &mut SqliteConnection, year: &Year) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut chance = StdRng::seed_from_u64(17);
    let mut studies = Bulk::new(
        "study (study_key, study_instance_uid, accession_number, modality, first_header, n_instances, revision, state, \
         first_received_at, last_received_at)",
        10,
    );
    let mut revisions = Bulk::new(
        "study_revision (study_key, revision, instance_set, n_instances, completed_by, completed_at, day)",
        7,
    );
    let mut instances = Bulk::new(
        "instance (instance_key, study_key, sop_instance_uid, version, revision, header, blob, content, size, peer, \
         source, received_at)",
        12,
    );
    let mut arrivals = Bulk::new("arrival (study_key, revision, deployment, day)", 4);
    let mut dispositions =
        Bulk::new("disposition (study_key, revision, deployment, disposition, reason, decided_at)", 6);
    let mut deliveries = Bulk::new(
        "delivery (delivery_key, result_key, destination, state, attempts, created_at, updated_at, delivered_at)",
        8,
    );
    let mut observations = Bulk::new(
        "observation (study_key, revision, deployment, package, event_at, recorded_at, disposition, reason_code, record)",
        9,
    );
    let mut labels = Bulk::new(
        "label (label_key, origin, content, study_key, revision, deployment, package, finding, label, comment, \
         report_key, recorded_at)",
        12,
    );
    let mut counted = Bulk::new(
        "label_counted (deployment, study_key, revision, finding, class, label_key, package, event_at, recorded_at)",
        9,
    );
    let mut facts = Bulk::new("monitor_fact (seq, deployment, kind, study_key, revision, fact_key, recorded_at)", 7);
    let mut days: BTreeMap<(String, &'static str, String), (i64, i64)> = BTreeMap::new();
    let package = year.package.to_string();
    let row = sqlx::query("SELECT COALESCE(MAX(seq), 0) AS seq FROM monitor_fact").fetch_one(&mut *to).await?;
    let mut seq: i64 = row.try_get("seq")?;
    let blob = Digest::of(b"blob").to_string();
    sqlx::query("BEGIN").execute(&mut *to).await?;
    for i in 0..year.n {
        let one = year.observation(i, &mut chance);
        let (key, at, known) = (one.study_key.clone(), one.event_at.micros(), one.recorded_at.micros());
        let day = one.event_at.day();
        let uid = format!("1.2.826.0.1.3680043.10.999.{i}");
        let header = serde_json::to_string(&header(&uid)?)?;
        studies.add(row![
            key.clone(),
            uid.clone(),
            format!("A{i}"),
            "DX",
            header.clone(),
            1,
            1,
            "complete",
            at - 60_000_000,
            at - 60_000_000,
        ]);
        revisions.add(row![key.clone(), 1, blob.clone(), 1, "quiet", at, day.clone()]);
        let content = blob.clone();
        instances.add(row![
            key.clone(),
            key.clone(),
            uid,
            1,
            1,
            header.clone(),
            blob.clone(),
            content,
            5_000_000,
            "CR1",
            "dimse",
            at
        ]);
        arrivals.add(row![key.clone(), 1, "chest", day.clone()]);
        let ended = one.disposition.as_str();
        let reason = if one.reason_code.is_empty() { V::N } else { V::from("{\"code\":\"x\",\"text\":\"y\"}") };
        dispositions.add([V::from(key.clone()), V::I(1), "chest".into(), ended.into(), reason, known.into()]);
        if ended == "analysed" {
            deliveries.add(row![key.clone(), key.clone(), "pacs", "delivered", 1, known, known, known]);
        }
        for count in count_day(&one) {
            let sums = days.entry((count.day, count.kind.name(), count.name)).or_default();
            *sums = (sums.0 + count.n_with as i64, sums.1 + count.n as i64);
        }
        seq += 1;
        facts.add(row![seq, "chest", "observation", key.clone(), 1, "", known]);
        let record = serde_json::to_string(&one)?;
        let reason_code = one.reason_code.clone();
        observations.add(row![key.clone(), 1, "chest", package.clone(), at, known, ended, reason_code, record]);
        if ended == "analysed" && chance.random::<f64>() < 0.8 {
            let label = year.label(i, &one, &mut chance);
            let labelled = label.recorded_at.micros();
            seq += 1;
            facts.add(row![seq, "chest", "label", key.clone(), 1, label.key.clone(), labelled]);
            counted.add(row![
                "chest",
                key.clone(),
                1,
                "nodule",
                label.class().name(),
                label.key.clone(),
                package.clone(),
                at,
                labelled
            ]);
            labels.add([
                V::from(label.key.clone()),
                format!("scale:{i}").into(),
                blob.clone().into(),
                key.into(),
                V::I(1),
                "chest".into(),
                package.clone().into(),
                "nodule".into(),
                serde_json::to_string(&label)?.into(),
                V::N,
                V::N,
                labelled.into(),
            ]);
        }
        for bulk in [
            &mut studies,
            &mut revisions,
            &mut instances,
            &mut arrivals,
            &mut dispositions,
            &mut deliveries,
            &mut observations,
            &mut labels,
            &mut counted,
            &mut facts,
        ] {
            bulk.flush(to, i + 1 == year.n).await?;
        }
        if i % 50_000 == 49_999 {
            sqlx::query("COMMIT").execute(&mut *to).await?;
            sqlx::query("BEGIN").execute(&mut *to).await?;
            println!("{} studies after {:.0?}", i + 1, begun.elapsed());
        }
    }
    let mut counts = Bulk::new("observation_day (deployment, day, kind, name, n_with, n)", 6);
    for ((day, kind, name), (n_with, n)) in days {
        counts.add(row!["chest", day, kind, name, n_with, n]);
    }
    counts.flush(to, true).await?;
    signals(to, year).await?;
    let total =
        "UPDATE instance_total SET n = (SELECT COUNT(*) FROM instance), n_bytes = (SELECT SUM(size) FROM instance)";
    sqlx::query(total).execute(&mut *to).await?;
    sqlx::query("COMMIT").execute(&mut *to).await?;
    println!("{} studies, {} facts written in {:.0?}", year.n, seq, begun.elapsed());
    Ok(())
}

async fn signals(to: &mut SqliteConnection, year: &Year) -> Result<(), Failure> {
    let mut signals = Bulk::new("signal (seq, deployment, package, rule, cut, severity, action, at, record)", 9);
    for i in 0..400 {
        let at = year.begin.plus_seconds(i * DAYS * DAY / 400);
        let signal = Signal {
            deployment: "chest".to_owned(),
            rule: "missed".to_owned(),
            severity: Severity::Watch,
            cut: format!("station=ST{:02}", i % 20),
            at,
            since: None,
            value: 12.0,
            threshold: 10.0,
            n: 100,
            method: "e-detector".to_owned(),
            text: "a sentence that says what was seen, of how many, and against which limit".to_owned(),
            studies: (0..20).map(study_key).collect(),
        };
        let (cut, record) = (signal.cut.clone(), serde_json::to_string(&signal)?);
        let package = year.package.to_string();
        signals.add(row![i + 1, "chest", package, "missed", cut, "watch", "alarm", at.micros(), record]);
    }
    signals.flush(to, true).await
}

/// Sketches and counts by the code of the acts: most facts in large steps, the last ones one by one, and then facts that count
/// nothing, so that the time of an empty act is known.
async fn make_counts(catalog: &dyn Catalog, bulk: &mut SqliteConnection, n: i64) -> Result<(), Failure> {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    let row = sqlx::query("SELECT MAX(seq) AS seq FROM monitor_fact").fetch_one(&mut *bulk).await?;
    let last: i64 = row.try_get("seq")?;
    let until = async |bulk: &mut SqliteConnection, seq: i64| -> Result<(), Failure> {
        sqlx::query("UPDATE tally_made SET until_seq = ? WHERE id = 1").bind(seq).execute(&mut *bulk).await?;
        Ok(())
    };
    let row = sqlx::query("SELECT until_seq FROM tally_made WHERE id = 1").fetch_one(&mut *bulk).await?;
    if last <= row.try_get::<i64, _>("until_seq")? {
        println!("counts are there");
        return Ok(());
    }
    until(bulk, last - ONE_BY_ONE).await?;
    let begun = Instant::now();
    while 0 < catalog.tally_due(now, 5_000).await? {}
    let took = begun.elapsed();
    println!("sketches and counts of {} facts made in {took:.0?}: {:.0?} each", last, took / n.max(1) as u32);
    until(bulk, last).await?;
    let counting = each_step(catalog, now).await?;
    for i in 1..=ONE_BY_ONE {
        let sql = "INSERT INTO monitor_fact (seq, deployment, kind, study_key, revision, fact_key, recorded_at) \
                   VALUES (?, 'scale', 'nothing', '', 0, '', 0)";
        sqlx::query(sql).bind(last + i).execute(&mut *bulk).await?;
    }
    until(bulk, last + ONE_BY_ONE).await?;
    let empty = each_step(catalog, now).await?;
    println!("one fact counted by its own act: {counting:.0?} in the median, an act that counts nothing {empty:.0?}");
    println!("so the update of one study or label takes {:.0?}", counting.saturating_sub(empty));
    Ok(())
}

async fn each_step(catalog: &dyn Catalog, now: Timestamp) -> Result<Duration, Failure> {
    let mut took = Vec::new();
    loop {
        let begun = Instant::now();
        if catalog.tally_due(now, 1).await? == 0 {
            break;
        }
        took.push(begun.elapsed());
    }
    took.sort();
    Ok(took.get(took.len() / 2).copied().unwrap_or_default())
}

async fn sizes(bulk: &mut SqliteConnection, path: &str) -> Result<(), Failure> {
    println!("| table with its indexes | rows | MiB |\n|---|---|---|");
    let sql = "SELECT COALESCE(s.tbl_name, d.name) AS name, SUM(d.pgsize) AS size FROM dbstat d LEFT JOIN sqlite_schema s \
               ON s.name = d.name WHERE d.aggregate = TRUE GROUP BY 1 ORDER BY 2 DESC LIMIT 16";
    let rows = sqlx::query(sql).fetch_all(&mut *bulk).await?;
    for row in rows {
        let (name, size): (String, i64) = (row.try_get("name")?, row.try_get("size")?);
        let n =
            sqlx::query(AssertSqlSafe(format!("SELECT COUNT(*) AS n FROM \"{name}\""))).fetch_one(&mut *bulk).await?;
        println!("| {name} | {} | {:.1} |", n.try_get::<i64, _>("n")?, size as f64 / 1_048_576.0);
    }
    let levels = "SELECT level, COUNT(*) AS n, SUM(LENGTH(cell)) AS size FROM sketch GROUP BY level";
    for row in sqlx::query(levels).fetch_all(&mut *bulk).await? {
        let (level, n, size): (String, i64, i64) = (row.try_get("level")?, row.try_get("n")?, row.try_get("size")?);
        println!("| sketch, {level} | {n} | {:.1} |", size as f64 / 1_048_576.0);
    }
    println!("| the whole file | | {:.1} |", std::fs::metadata(path)?.len() as f64 / 1_048_576.0);
    Ok(())
}

async fn timed<T, E: Into<Failure>>(
    name: &str,
    ask: impl AsyncFn() -> Result<T, E>,
    told: impl Fn(&T) -> String,
) -> Result<(), Failure> {
    let mut took = Vec::with_capacity(REPEATS);
    let mut said = String::new();
    for _ in 0..REPEATS {
        let begun = Instant::now();
        let answer = ask().await.map_err(|error| -> Failure { error.into() })?;
        took.push(begun.elapsed());
        said = told(&answer);
    }
    took.sort();
    let (median, greatest) = (took[REPEATS / 2], took[REPEATS - 1]);
    let mark = if BAR <= median { " **over the bar**" } else { "" };
    println!(
        "| {name} | {:.1} ms{mark} | {:.1} ms | {said} |",
        median.as_secs_f64() * 1e3,
        greatest.as_secs_f64() * 1e3
    );
    Ok(())
}

async fn questions(catalog: &Arc<dyn Catalog>, year: &Year) -> Result<(), Failure> {
    let catalog = &**catalog;
    let (begin, now) = (year.begin, year.end());
    let year_ago = Some(begin);
    for (name, from, each) in [
        ("evidence, 90 days", None, None),
        ("evidence, the year", year_ago, None),
        ("evidence, the year from noon", Some(begin.plus_seconds(DAY / 2)), None),
        ("evidence by station, 90 days", None, Some("station")),
        ("evidence by station, the year", year_ago, Some("station")),
        ("evidence by age band, the year", year_ago, Some("age_band")),
    ] {
        let query = EvidenceQuery { as_of: None, from, each: each.map(str::to_owned) };
        let told = |report: &hilum_store::evidence_report::EvidenceReport| {
            format!("{} figures of {} studies", report.figures.len(), report.n_observations)
        };
        timed(name, async || evidence_report(catalog, "chest", &query, now).await, told).await?;
    }
    for slice in Slice::ALL {
        let query = InputsQuery { from: begin, until: now, slice, package: None, reference: (None, None) };
        let told = |report: &hilum_store::inputs_report::InputsReport| {
            let n: u64 = report.windows.iter().map(|window| window.summary.n).sum();
            format!("{} windows of {n} studies", report.windows.len())
        };
        let name = format!("inputs by {}, the year", slice.name());
        timed(&name, async || inputs_report(catalog, "chest", &query, now).await, told).await?;
    }
    let edges = InputsQuery {
        from: begin.plus_seconds(40 * DAY + 5 * 3600),
        until: now.plus_seconds(-10 * DAY - 3600),
        slice: Slice::Group,
        package: None,
        reference: (None, None),
    };
    let n_windows = |report: &hilum_store::inputs_report::InputsReport| format!("{} windows", report.windows.len());
    timed(
        "inputs by group, with days and hours at the edges",
        async || inputs_report(catalog, "chest", &edges, now).await,
        n_windows,
    )
    .await?;
    let deployment = catalog.deployment_get("chest").await?.ok_or("no deployment")?;
    timed(
        "what moved",
        async || moved_report(catalog, &deployment, now).await,
        |state| match state {
            MovedState::Compared(report) => {
                report.moved.iter().map(|one| one.moved.name.as_str()).collect::<Vec<_>>().join(", ")
            }
            MovedState::Counting | MovedState::NothingYet => "nothing is compared".to_owned(),
        },
    )
    .await?;
    let n_of = |n: usize| format!("{n} rows");
    timed(
        "signals, the year",
        async || catalog.signal_list("chest", Some(begin), Some(now), 500).await,
        |all| n_of(all.len()),
    )
    .await?;
    let filter = AlarmFilter { deployment: Some("chest".to_owned()), from: Some(begin), ..AlarmFilter::default() };
    timed("alarms, the year", async || catalog.alarm_find(&filter, 500).await, |all| n_of(all.len())).await?;
    timed(
        "timeline counts, the year",
        async || catalog.day_counts("chest", &begin.day(), &now.day()).await,
        |all| n_of(all.len()),
    )
    .await?;
    timed("deployments", async || catalog.deployment_list().await, |all| n_of(all.len())).await?;
    timed("history of a deployment", async || catalog.deployment_history("chest").await, |all| n_of(all.len())).await?;
    timed(
        "freshness of evidence",
        async || catalog.evidence_facts(&deployment, now).await,
        |facts| facts.as_ref().map(|facts| facts.n.to_string()).unwrap_or_default(),
    )
    .await?;
    let studies = StudyFilter::default();
    timed("newest studies", async || catalog.study_list(&studies, 41).await, |all| n_of(all.len())).await?;
    let day = now.plus_seconds(-DAY).day();
    timed("books of a day", async || catalog.books(&day, &day).await, |all| n_of(all.len())).await?;
    timed(
        "counts of everything",
        async || catalog.counts().await,
        |counts| format!("{} studies", counts.n_studies_complete),
    )
    .await?;
    thousand(catalog, year).await
}

/// Monitoring section 6.9: a merge of 1,000 sketches of 40 numbers within 50 ms, reading them not counted.
async fn thousand(catalog: &dyn Catalog, year: &Year) -> Result<(), Failure> {
    let part = parts(year.begin, year.end(), Level::Day)[0];
    let groups: Vec<String> = (0..GROUPS).map(|group| format!("{group:016x}")).collect();
    let filter =
        SketchFilter { deployment: "chest".to_owned(), package: year.package, part, of: SketchGroups::Listed(groups) };
    let sketches = catalog.sketch_list(&filter, 1000).await?;
    let merge = async || {
        let mut whole = Sketch::default();
        sketches.iter().try_for_each(|stored| stored.merge_into(&mut whole, None)).map(|()| whole)
    };
    let name = format!("merge of {} sketches of {FEATURES} numbers, bar 50 ms", sketches.len());
    timed(&name, merge, |whole| format!("{} studies", whole.n())).await
}
