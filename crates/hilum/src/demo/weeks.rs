//! The weeks after the first morning, day by day: studies come, readers say days later what they saw, and when a rule has stopped
//! the model somebody looks for the cause, brings a version that is fit, and two people sign.

use super::people::{CLINICAL, Reader};
use super::proof;
use super::scenario::{self, DAYS, DayStudy, OTHER, UPDATED, first_room, second_room};
use super::setup::{self, CLASSIFIER};
use super::{DAY, HOUR, House, SEED, date};
use anyhow::{Context, Result, bail, ensure};
use hilum_gate::change_body;
use hilum_monitor::alarm::CauseCode;
use hilum_monitor::figures::{FigureInput, figure};
use hilum_monitor::timeline::CountKind;
use hilum_registry::Metric;
use hilum_sign::{NewRecord, RecordKind};
use hilum_store::acquisition::{Standing, group_standings};
use hilum_store::alarms::AlarmFilter;
use hilum_store::monitoring::ObservationFilter;
use hilum_store::{Catalog, StudyKey};
use hilum_testkit::SimulatedModality;
use hilum_types::{Clock, Independence, Timestamp, Uid};
use hilum_validate::Verdict;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A reader gets to a study after so many days; they read on Mondays, Wednesdays and Fridays.
const READ_AFTER_DAYS: u32 = 2;

/// Days from the stop until there are new cases and a version to try on them; it is done on the Monday after.
const MEND_AFTER_DAYS: u32 = 5;

/// Rows read from the catalog at once.
const ROWS_MAX: u32 = 10_000;

/// A study that a reader has still to look at.
struct Unread {
    day: u32,
    study_instance_uid: Uid,
    has_nodule: bool,
}

/// Play every week; says how many objects were sent.
pub(crate) async fn play(house: &House) -> Result<usize> {
    // Phantoms are made while the days before are played.
    let (sender, mut days) = mpsc::channel(3);
    let schedule = scenario::schedule(SEED, house.first_day);
    tokio::task::spawn_blocking(move || {
        // The receiver goes away when the story ends early.
        (1..DAYS).all(|day| sender.blocking_send(scenario::day(&schedule, day)).is_ok())
    });
    let (mut unread, mut n_sent) = (Vec::new(), 0);
    let mut stopped_on: Option<u32> = None;
    println!(
        "\n{:28}{:>24}   sensitivity for nodules by the labels that came in that week [95 %]",
        "", "analysed, withheld"
    );
    for day in 0..DAYS {
        if stopped_on.is_some_and(|stopped| stopped + MEND_AFTER_DAYS <= day && day % 7 == 0) {
            house.clock.forward_to(house.at(day, 6));
            mend(house).await?;
            stopped_on = None;
        }
        if 0 < day {
            let studies = days.recv().await.context("the phantoms of a day were not made")??;
            house.clock.forward_to(house.at(day, 9));
            n_sent += studies.len();
            one_day(house, day, studies, &mut unread).await?;
        }
        house.clock.forward_to(house.at(day, 17));
        if matches!(day % 7, 0 | 2 | 4) {
            read(house, day, &mut unread).await?;
            acknowledge(house).await?;
            let stopped = house.is_suspended().await?;
            stopped_on = if stopped { stopped_on.or(Some(day)) } else { None };
        }
        if day % 7 == 6 {
            house.clock.forward_to(house.at(day, 22));
            tell(house, day / 7).await?;
        }
    }
    Ok(n_sent)
}

/// Send the studies of a day and wait for their end.
async fn one_day(house: &House, day: u32, studies: Vec<DayStudy>, unread: &mut Vec<Unread>) -> Result<()> {
    let mut by_station: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for study in &studies {
        by_station.entry(study.station.as_str()).or_default().extend(study.instances.iter().cloned());
    }
    for (station, instances) in by_station {
        let modality = SimulatedModality::new(station.parse()?, "HILUM".parse()?, house.running.dimse_address());
        let ledger = modality.send(Arc::<[_]>::from(instances)).await;
        anyhow::ensure!(ledger.failures().next().is_none(), "an object of {station} was refused");
    }
    let all: Vec<(Uid, u32)> = studies.iter().map(|study| (study.study_instance_uid.clone(), 1)).collect();
    house.ended(&all).await?;
    for DayStudy { study_instance_uid, has_nodule, .. } in studies {
        let known = house.running.catalog.study_by_uid(&study_instance_uid).await?;
        let analysed = known
            .iter()
            .flat_map(|study| &study.dispositions)
            .any(|ended| ended.deployment == CLASSIFIER && ended.disposition.name() == "analysed");
        // What the model said nothing of cannot be held against it.
        if analysed {
            unread.push(Unread { day, study_instance_uid, has_nodule });
        }
    }
    Ok(())
}

/// A reader says what is there, of every study that is old enough.
async fn read(house: &House, day: u32, unread: &mut Vec<Unread>) -> Result<()> {
    let due = unread.partition_point(|study| study.day + READ_AFTER_DAYS <= day);
    if due == 0 {
        return Ok(());
    }
    let reader = Reader::sign_in(house.running.http_address, &house.people.password).await?;
    for study in unread.drain(..due) {
        reader.says(&study.study_instance_uid, "nodule", study.has_nodule).await?;
    }
    Ok(())
}

/// Somebody has seen every alarm of the classifier.
async fn acknowledge(house: &House) -> Result<()> {
    let filter = AlarmFilter { only_open: true, deployment: Some(CLASSIFIER.to_owned()), ..AlarmFilter::default() };
    for alarm in house.running.catalog.alarm_find(&filter, ROWS_MAX).await? {
        house.running.catalog.alarm_acknowledge(&alarm.key, "user:bo", house.clock.now()).await?;
    }
    Ok(())
}

/// Cause, new cases, a version that is fit for them, two signatures, and back into use.
async fn mend(house: &House) -> Result<()> {
    let (catalog, clock) = (&*house.running.catalog, &*house.clock);
    println!("{}  what is done about it:", date(clock.now()));
    let before = catalog.deployment_get(CLASSIFIER).await?.context("the classifier is deployed")?;
    let old = catalog.package_get(&before.package_digest.to_string()).await?;
    let set = proof::reference_set(house, "after", 6_000_000, [first_room().updated(), second_room()]).await?;
    let rejected = proof::validate(house, "nodules-after-the-update", set, old.clone()).await?;
    println!("  test     {} on 120 new cases of both scanners: {}", old.version, proof::told(&rejected.report));
    let new = setup::import(house, "phantom-cxr-1.1").await?;
    let accepted = proof::validate(house, "nodules-after-the-update", set, new.clone()).await?;
    println!("  test     {} on the same cases by the same protocol: {}", new.version, proof::told(&accepted.report));
    ensure!(accepted.report.verdict == Verdict::Pass, "{} was not accepted", new.version);
    proof::envelope(house, set, new.clone()).await?;
    clock.skip(2 * HOUR);
    let reason = format!("{} finds nodules on images of both software versions", new.version);
    let replaced = setup::replace(house, &new, &reason).await?;
    println!("  version  {} takes the place of {}; {CLASSIFIER} stays {}", new.version, old.version, replaced.state);
    let resumes = replaced.suspension.as_ref().context("another version does not lift a suspension")?.resume_to;
    let mut body = change_body("resume", &replaced, None, resumes.name(), &reason);
    body["evidence"] = json!([accepted.record.digest]);
    let change =
        NewRecord { kind: RecordKind::Change, subject: CLASSIFIER.to_owned(), body, author: "user:bo".to_owned() };
    let change = catalog.record_add(&change, clock.now()).await?.record.digest;
    if let Ok(deployment) = catalog.deployment_resume(CLASSIFIER, "user:anna", &reason, clock.now()).await {
        bail!("{} was resumed without a signature", deployment.spec.name);
    }
    house.people.approve(catalog, clock, change).await?;
    let resumed = catalog.deployment_resume(CLASSIFIER, &format!("user:{CLINICAL}"), &reason, clock.now()).await?;
    println!(
        "  signed   change {} by anna (clinical) and bo (technical); {CLASSIFIER} {}",
        change.short(),
        resumed.state
    );
    let filter = AlarmFilter { only_unclosed: true, deployment: Some(CLASSIFIER.to_owned()), ..AlarmFilter::default() };
    for alarm in catalog.alarm_find(&filter, ROWS_MAX).await? {
        let comment = format!("software update of {UPDATED}; in use again with {}", new.version);
        catalog.alarm_close(&alarm.key, CauseCode::AcquisitionChange, &comment, "user:bo", clock.now()).await?;
    }
    Ok(())
}

/// One line for the week, and one for everything that happened in it.
async fn tell(house: &House, week: u32) -> Result<()> {
    let catalog = &*house.running.catalog;
    let (from, until) = (house.at(7 * week, 0), house.at(7 * week + 7, 0));
    let counts = catalog.day_counts(CLASSIFIER, &from.day(), &until.plus_micros(-1).day()).await?;
    let ended = |name: &str| {
        let of = counts.iter().filter(|count| count.kind == CountKind::Disposition && count.name == name);
        of.map(|count| count.n_with).sum::<u64>()
    };
    let n_studies: u64 = counts.iter().filter(|c| c.kind == CountKind::Disposition).map(|c| c.n_with).sum();
    let (first, second) = (sensitivity(house, UPDATED, from).await?, sensitivity(house, OTHER, from).await?);
    println!(
        "week {:>2}  {} to {}  {n_studies:>3} studies {:>4} {:>4}   {UPDATED} {first:<26} {OTHER} {second}",
        week + 1,
        date(from),
        date(until.plus_seconds(-DAY)),
        ended("analysed"),
        ended("withheld")
    );
    let mut told = happened(catalog, from, until).await?;
    told.sort();
    let mut alike: Vec<(Timestamp, String, usize)> = Vec::new();
    for (at, text) in told {
        match alike.iter_mut().find(|(_, known, _)| *known == text) {
            Some((_, _, times)) => *times += 1,
            None => alike.push((at, text, 1)),
        }
    }
    for (at, text, times) in alike {
        let again = if 1 < times { format!(", {times} times this week") } else { String::new() };
        println!("  {}  {text}{again}", date(at));
    }
    Ok(())
}

/// Of the labels that came in since `from`: value, interval and n.
async fn sensitivity(house: &House, station: &str, from: Timestamp) -> Result<String> {
    let filter = ObservationFilter { deployment: CLASSIFIER.to_owned(), ..ObservationFilter::default() };
    let mut labelled = house.running.catalog.labelled_list(&filter, ROWS_MAX).await?;
    labelled.retain(|one| {
        let of = one.observation.attributes.get("station").map(String::as_str);
        from <= one.label.recorded_at && of == Some(station)
    });
    let input = FigureInput { observations: &[], labelled: &labelled, extractors: &[], as_of: house.clock.now() };
    let made = figure(&input, Metric::Sensitivity, "nodule", &[Independence::Unexposed])?;
    Ok(made.map_or("no label".to_owned(), |f| format!("{:.2} [{:.2}, {:.2}] n = {}", f.value, f.lower, f.upper, f.n)))
}

/// What was seen, what rules said and did, and the first study after a stop; all of it as the catalog has it.
async fn happened(catalog: &dyn Catalog, from: Timestamp, until: Timestamp) -> Result<Vec<(Timestamp, String)>> {
    let mut told = Vec::new();
    let within = |at: Timestamp| from <= at && at < until;
    let deployment = catalog.deployment_get(CLASSIFIER).await?.context("the classifier is deployed")?;
    for group in group_standings(catalog, &deployment).await? {
        if let Some(at) = group.first_seen_at.filter(|at| group.standing == Standing::New && within(*at)) {
            told.push((at, format!("first images of a group that the reference set lacks: {}", group.group)));
        }
    }
    for stored in catalog.signal_list(CLASSIFIER, Some(from), Some(until), ROWS_MAX).await? {
        let signal = &stored.signal;
        told.push((signal.at, format!("rule {}: {} -> {}", signal.rule, signal.text, stored.action)));
        if stored.action == "suspended" {
            told.extend(first_withheld(catalog, signal.at).await?);
        }
    }
    Ok(told)
}

async fn first_withheld(catalog: &dyn Catalog, since: Timestamp) -> Result<Option<(Timestamp, String)>> {
    let filter =
        ObservationFilter { deployment: CLASSIFIER.to_owned(), from: Some(since), ..ObservationFilter::default() };
    let observations = catalog.observation_list(&filter, ROWS_MAX).await?;
    let Some(first) = observations.first() else { return Ok(None) };
    let key: StudyKey = first.study_key.parse()?;
    let study = catalog.study_get(&key).await?.context("an observed study is held")?;
    let ended = study.dispositions.into_iter().find(|ended| ended.deployment == CLASSIFIER);
    Ok(ended.map(|ended| {
        // The figures behind it stand in the line above.
        let why = ended.disposition.reason().map(ToString::to_string).unwrap_or_default();
        let why = why.split(';').next().unwrap_or_default();
        (ended.decided_at, format!("the very next study is {}: {why} ...", ended.disposition.name()))
    }))
}
