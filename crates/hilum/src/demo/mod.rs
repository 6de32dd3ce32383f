//! `hilum demo`: twelve weeks in a small hospital, with real C-STORE on every leg and nothing installed but this. The driver
//! sends, labels, asks and signs; everything else is done by the program as it is.

mod clock;
mod morning;
mod people;
mod proof;
mod report;
mod scenario;
mod setup;
mod weeks;

use crate::config::Config;
use crate::serve::Running;
use crate::system::SystemClock;
use anyhow::{Context, Result};
use clap::Args;
use clock::DemoClock;
use hilum_dimse::Status;
use hilum_registry::DeploymentState;
use hilum_store::records::{DeliveryFilter, DeliveryState};
use hilum_testkit::{Behaviour, Keep, Script, SimulatedPacs, When};
use hilum_types::{Clock, Timestamp, Uid};
use people::People;
use report::Outcomes;
use scenario::{DAYS, first_room, second_room};
use setup::{CLASSIFIER, QUIET_SECONDS, SEGMENTER};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A study that has not ended after this long has failed the scenario.
const STUDY_TIMEOUT: Duration = Duration::from_secs(120);

/// Longest pause between two looks at whether everything has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Seed of every phantom of the demo.
const SEED: u64 = 20_261_123;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Options of `hilum demo`.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Keep everything in this folder; a temporary one is used, and removed, when left out.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// End by itself; exit status 0 only if everything went as the story has it.
    #[arg(long)]
    once: bool,
    /// Empty catalog to use instead of SQLite in the folder, such as `postgres://...`. It is kept in the folder's
    /// configuration; `HILUM_CATALOG_URL` names one too, and stands in no file.
    #[arg(long, value_name = "URL")]
    catalog_url: Option<String>,
}

/// The hospital: a running Hilum, its archive, its people, and a clock that can be put forward.
pub(crate) struct House {
    running: Running,
    clock: Arc<DemoClock>,
    config: Config,
    folder: PathBuf,
    pacs: SimulatedPacs,
    people: People,
    /// Midnight before the first morning, a Monday.
    first_day: Timestamp,
}

/// Play the story.
pub(crate) async fn demo(arguments: DemoArgs) -> Result<ExitCode> {
    let begun = Instant::now();
    let has_catalog_of_its_own = setup::refuse_catalog_in_use(arguments.catalog_url.as_deref()).await?;
    let temporary = match &arguments.data_dir {
        Some(_) => None,
        None => Some(tempfile::tempdir().context("cannot create a temporary folder")?),
    };
    let folder = match (&arguments.data_dir, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => unreachable!("one of the two is always there"),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;

    anyhow::ensure!(
        !folder.join("data").exists(),
        "{0} holds an earlier demo; look at it with `hilum serve --config {0}/hilum.toml`, or choose another folder",
        folder.display()
    );

    let house = open_house(&folder, arguments.catalog_url.as_deref()).await?;
    prepare(&house).await?;
    let mut outcomes = Outcomes::default();
    morning::play(&house, &mut outcomes).await?;
    let n_sent = weeks::play(&house).await?;
    outcomes.sent_more(n_sent);
    let whole = outcomes.close(&house).await?;
    println!("\nPlayed in {} s of real time.", begun.elapsed().as_secs());
    println!("Look at it  http://{}", house.running.http_address);
    println!("            http://{}/deployments/{CLASSIFIER}", house.running.http_address);
    if temporary.is_none() {
        println!("Ask for it  hilum study show ACCESSION --config {}", folder.join("hilum.toml").display());
    }
    if !arguments.once {
        println!("Sign in as  {} with the password {}", people::READER, house.people.password);
        let removed = match (&temporary, has_catalog_of_its_own) {
            (None, _) => "",
            (Some(_), true) => " and removes its data",
            (Some(_), false) => " and removes its folder; the catalog that was named keeps what was played",
        };
        println!("Ctrl-C ends the demo{removed}.");
        tokio::signal::ctrl_c().await?;
    }
    house.running.stop().await;
    if let Some(temporary) = temporary {
        temporary.close().context("the temporary folder cannot be removed")?;
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Archive, configuration, Hilum and people.
async fn open_house(folder: &std::path::Path, catalog_url: Option<&str>) -> Result<House> {
    let first_day = first_monday(SystemClock.now());
    let clock = Arc::new(DemoClock::starting(first_day.plus_seconds(6 * HOUR)));
    // The archive is busy when the first results come, so that the retry is seen to work. Of some 800 results it keeps what
    // they were, and not 900 MB of them in memory.
    let busy = Script::when(When::Instances(0..2), Behaviour::Refuse(Status::OUT_OF_RESOURCES));
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let pacs = SimulatedPacs::start_on(anywhere, "PACS".parse()?, Keep::Digest, busy).await?;
    println!("archive    PACS listens on {}", pacs.address());
    let config = setup::write_config(folder, pacs.address(), catalog_url, [anywhere; 2])?;
    let running = Running::start(&config, clock.clone()).await?;
    // The ports that the system chose, so that the folder can be served again.
    let chosen = [running.dimse_address(), running.http_address];
    let config = setup::write_config(folder, pacs.address(), catalog_url, chosen)?;
    println!("hilum      HILUM listens on {}, pages on http://{}", running.dimse_address(), running.http_address);
    let people = People::enter(&*running.catalog, &*clock).await?;
    Ok(House { running, clock, config, folder: folder.to_owned(), pacs, people, first_day })
}

/// Before the first study: both models imported, the classifier accepted on local cases, both put into use.
async fn prepare(house: &House) -> Result<()> {
    let classifier = setup::import(house, CLASSIFIER).await?;
    let segmenter = setup::import(house, SEGMENTER).await?;
    let set = proof::reference_set(house, "before", 5_000_000, [first_room(), second_room()]).await?;
    let accepted = proof::validate(house, "nodules-here", set, classifier.clone()).await?;
    let n_cases = proof::envelope(house, set, classifier.clone()).await?;
    for package in [&classifier, &segmenter] {
        let applied = setup::apply(house, &package.name, package).await?;
        println!("model      {} {}, golden cases replayed, {}", package.name, package.version, applied.state);
    }
    println!("acceptance {} 1.0.0 on local cases: {}", classifier.name, proof::told(&accepted.report));
    println!("envelope   learned from {n_cases} of them");
    println!(
        "rules      {}: sensitivity for nodules below 0.65 on one scanner, once in ten years by chance -> suspend\n           \
         {}: ten studies of one scanner in a row outside the envelope -> somebody looks",
        setup::STOP_RULE,
        setup::LOOK_RULE
    );
    Ok(())
}

/// The Monday from which twelve weeks lead to the latest one: what is played is over when it has been played.
fn first_monday(now: Timestamp) -> Timestamp {
    const DAY_MICROS: i64 = DAY * 1_000_000;
    let today = now.micros().div_euclid(DAY_MICROS);
    // 1970-01-01 was a Thursday.
    let monday = today - (today + 3).rem_euclid(7);
    Timestamp::from_micros((monday - i64::from(DAYS)) * DAY_MICROS)
}

impl House {
    /// A moment of the story.
    fn at(&self, day: u32, hour: i64) -> Timestamp {
        self.first_day.plus_seconds(i64::from(day) * DAY + hour * HOUR)
    }

    /// Let the quiet time pass, and wait until every one of these revisions has a disposition for both deployments and
    /// nothing waits to be delivered.
    async fn ended(&self, studies: &[(Uid, u32)]) -> Result<()> {
        self.clock.skip(QUIET_SECONDS + 1);
        let deadline = Instant::now() + STUDY_TIMEOUT;
        for (uid, revision) in studies {
            while !self.has_ended(uid, *revision).await? {
                anyhow::ensure!(Instant::now() < deadline, "study {uid} has not ended after {STUDY_TIMEOUT:?}");
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        let queued = DeliveryFilter { state: Some(DeliveryState::Queued), ..DeliveryFilter::default() };
        while !self.running.catalog.delivery_list(&queued, 1).await?.is_empty() {
            anyhow::ensure!(Instant::now() < deadline, "a result has not been delivered after {STUDY_TIMEOUT:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn has_ended(&self, uid: &Uid, revision: u32) -> Result<bool> {
        let Some(known) = self.running.catalog.study_by_uid(uid).await? else { return Ok(false) };
        let of = |name: &str| known.dispositions.iter().any(|d| d.deployment == name && d.revision == revision);
        Ok(known.revision == revision && of(CLASSIFIER) && of(SEGMENTER))
    }

    async fn is_suspended(&self) -> Result<bool> {
        let found = self.running.catalog.deployment_get(CLASSIFIER).await?;
        Ok(found.is_some_and(|deployment| deployment.state == DeploymentState::Suspended))
    }
}

/// `Mon 7 Sep`.
fn date(at: Timestamp) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let weekday = WEEKDAYS[at.micros().div_euclid(DAY * 1_000_000).rem_euclid(7) as usize];
    let day = at.day();
    let month = day[5..7].parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    format!("{weekday} {:>2} {}", day[8..].trim_start_matches('0'), month.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_begins_on_a_monday_and_is_over_today() {
        let now: Timestamp = "2026-11-27T03:30:00Z".parse().unwrap();
        let first = first_monday(now);
        assert_eq!((first.day().as_str(), date(first).as_str()), ("2026-08-31", "Mon 31 Aug"));
        assert!(first.plus_seconds(i64::from(DAYS) * DAY) <= now);
        assert_eq!(first_monday("2026-11-23T00:00:00Z".parse().unwrap()), first);
    }
}
