//! Alarms, messages about them, and the daily look at the books.

use super::material::{add_package, all_is_well, at, complete_study, open, spec};
use super::release::{must_take, run};
use crate::alarms::{About, AlarmFilter, NotificationEvent, NotificationOutcome};
use crate::{Catalog, ErrorKind, JobKind};
use hilum_monitor::alarm::CauseCode;
use hilum_monitor::notice::{Notice, NoticeChange};
use hilum_monitor::{Severity, Signal};
use hilum_registry::{AlarmPlan, DeploymentSpec, DeploymentState, MonitoringPlan, ReadingMode};
use hilum_types::Timestamp;
use std::sync::Arc;

const HOUR: i64 = 3600;

fn signal(rule: &str, cut: &str, severity: Severity, at: Timestamp) -> Signal {
    Signal {
        deployment: "cxr".into(),
        rule: rule.into(),
        severity,
        cut: cut.into(),
        at,
        since: None,
        value: 21.5,
        threshold: 20.0,
        n: 85,
        method: "bernoulli_esr".into(),
        text: format!("{rule} left its bound"),
        studies: vec![],
    }
}

async fn deployed(catalog: &Arc<dyn Catalog>, plan: AlarmPlan) {
    let package = add_package(catalog).await;
    let mut declared = spec("cxr", DeploymentState::Shadow);
    declared.monitoring = Some(MonitoringPlan { alarms: plan, ..MonitoringPlan::default() });
    catalog.deployment_apply(&declared, package, "user:test", at(-900)).await.unwrap();
}

fn contacts() -> AlarmPlan {
    AlarmPlan { contacts: vec!["physics".into(), "lead".into()], weekly_budget: 2, ..AlarmPlan::default() }
}

/// MV-31, UX-13: signals of a deployment and cut are one alarm until it is closed, and for a while after.
pub(super) async fn signals_of_one_incident_are_one_alarm(url: String) {
    let catalog = open(&url).await;
    deployed(&catalog, contacts()).await;
    for (i, rule) in ["ppv", "drift", "ppv"].into_iter().enumerate() {
        catalog.alarm_signal(&signal(rule, "station=CT2", Severity::Watch, at(0)), at(i as i64)).await.unwrap();
    }
    let [alarm] = &catalog.alarm_list(true, 10).await.unwrap()[..] else { panic!("one alarm") };
    assert_eq!((alarm.n_raised, alarm.severity, alarm.cut.as_str()), (3, Severity::Watch, "station=CT2"));
    assert_eq!(
        (alarm.rules.as_slice(), alarm.owner.as_str()),
        (&["ppv".to_owned(), "drift".to_owned()][..], "radiology")
    );
    assert_eq!(alarm.due_at, Some(at(120 * HOUR)));
    catalog.alarm_acknowledge(&alarm.key, "user:anna", at(10)).await.unwrap();
    catalog.alarm_signal(&signal("ppv", "station=CT2", Severity::Watch, at(0)), at(11)).await.unwrap();
    assert_eq!(catalog.alarm_list(true, 10).await.unwrap(), [], "acknowledged, and it goes on");
    // Worse than what was acknowledged: told again.
    catalog.alarm_signal(&signal("sens", "station=CT2", Severity::Stop, at(0)), at(12)).await.unwrap();
    let worse = catalog.alarm_get(&alarm.key).await.unwrap().unwrap();
    assert_eq!((worse.severity, worse.acknowledged_at, worse.n_raised), (Severity::Stop, None, 5));
    assert_eq!(worse.signal.as_ref().map(|signal| signal.rule.as_str()), Some("sens"));
    let events: Vec<NotificationEvent> =
        catalog.notification_list(&alarm.key).await.unwrap().iter().map(|n| n.event).collect();
    assert_eq!(events, [NotificationEvent::Raised, NotificationEvent::Worse]);
    // Stopped, answered, resumed, and stopped again: whoever answered the first stop is told.
    catalog.alarm_signal(&signal("sens", "station=CT2", Severity::Stop, at(0)), at(13)).await.unwrap();
    catalog.alarm_acknowledge(&alarm.key, "user:anna", at(14)).await.unwrap();
    catalog.alarm_signal(&signal("sens", "station=CT2", Severity::Stop, at(0)), at(15)).await.unwrap();
    let again = catalog.alarm_get(&alarm.key).await.unwrap().unwrap();
    assert_eq!((again.acknowledged_at, again.due_at, again.n_raised), (None, Some(at(15 + 4 * HOUR)), 7));
    let last = catalog.notification_list(&alarm.key).await.unwrap().pop().unwrap();
    assert_eq!(last.event, NotificationEvent::StoppedAgain);
    catalog.alarm_close(&alarm.key, CauseCode::AcquisitionChange, "new kernel", "user:anna", at(20)).await.unwrap();
    let again = catalog.alarm_close(&alarm.key, CauseCode::NotFound, "", "user:anna", at(21)).await;
    assert_eq!(again.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    catalog.alarm_signal(&signal("ppv", "station=CT2", Severity::Review, at(0)), at(30)).await.unwrap();
    let held = catalog.alarm_get(&alarm.key).await.unwrap().unwrap();
    assert_eq!(
        (held.n_raised, held.closing.as_ref().map(|closing| closing.cause)),
        (8, Some(CauseCode::AcquisitionChange))
    );
    catalog.alarm_signal(&signal("ppv", "", Severity::Review, at(0)), at(30)).await.unwrap();
    catalog.alarm_signal(&signal("ppv", "station=CT2", Severity::Review, at(0)), at(25 * HOUR)).await.unwrap();
    let unclosed = AlarmFilter { only_unclosed: true, deployment: Some("cxr".into()), ..AlarmFilter::default() };
    let left = catalog.alarm_find(&unclosed, 10).await.unwrap();
    let n_of_signals = left.iter().filter(|alarm| alarm.signal.is_some()).count();
    assert_eq!(n_of_signals, 2, "another cut, and after the hold-off");
    all_is_well(&catalog).await;
}

/// UX-13: the excess of the weekly budget is one alarm; a stop is announced all the same.
pub(super) async fn a_spent_budget_is_reported_once(url: String) {
    let catalog = open(&url).await;
    deployed(&catalog, contacts()).await;
    for i in 0..6 {
        let cut = format!("station=CT{i}");
        catalog.alarm_signal(&signal("ppv", &cut, Severity::Watch, at(0)), at(i)).await.unwrap();
    }
    let open = catalog.alarm_list(true, 20).await.unwrap();
    let announced = open.iter().filter(|alarm| alarm.announced && alarm.signal.is_some()).count();
    assert_eq!((open.len(), announced), (7, 2));
    let excess: Vec<_> = open.iter().filter(|alarm| alarm.code == "alarm-budget").collect();
    assert!(matches!(excess[..], [alarm] if alarm.n_raised == 4 && alarm.announced), "{excess:?}");
    catalog.alarm_signal(&signal("ppv", "station=CT9", Severity::Stop, at(0)), at(50)).await.unwrap();
    assert!(catalog.alarm_list(true, 1).await.unwrap()[0].announced);
    let later = at(8 * 24 * HOUR);
    catalog.alarm_signal(&signal("ppv", "station=CT10", Severity::Watch, at(0)), later).await.unwrap();
    assert!(catalog.alarm_list(true, 1).await.unwrap()[0].announced, "a new week");
}

/// MV-31: who does not answer is passed over, by the clock and from stored state.
pub(super) async fn what_nobody_answers_is_passed_on(url: String) {
    let catalog = open(&url).await;
    deployed(&catalog, contacts()).await;
    catalog.alarm_signal(&signal("ppv", "", Severity::Watch, at(0)), at(0)).await.unwrap();
    let key = catalog.alarm_list(true, 1).await.unwrap()[0].key.clone();
    assert_eq!(catalog.alarm_escalate_due(at(120 * HOUR - 1), 10).await.unwrap(), 0);
    drop(catalog);
    let catalog = super::material::open(&url).await;
    assert_eq!(catalog.alarm_escalate_due(at(120 * HOUR), 10).await.unwrap(), 1);
    assert_eq!(catalog.alarm_escalate_due(at(120 * HOUR), 10).await.unwrap(), 0, "once");
    let alarm = catalog.alarm_get(&key).await.unwrap().unwrap();
    assert_eq!((alarm.severity, alarm.level, alarm.due_at), (Severity::Review, 1, Some(at(144 * HOUR))));
    catalog.alarm_assign(&key, "dr.lead", "user:anna", at(130 * HOUR)).await.unwrap();
    catalog.alarm_acknowledge(&key, "user:lead", at(131 * HOUR)).await.unwrap();
    assert_eq!(catalog.alarm_escalate_due(at(999 * HOUR), 10).await.unwrap(), 0, "somebody answered");
    let sent = catalog.notification_list(&key).await.unwrap();
    assert_eq!(
        sent.iter().map(|n| (n.event, n.level)).collect::<Vec<_>>(),
        [(NotificationEvent::Raised, 0), (NotificationEvent::Escalated, 1)]
    );
    let alarm = catalog.alarm_get(&key).await.unwrap().unwrap();
    assert_eq!((alarm.owner.as_str(), alarm.acknowledged_by.as_deref()), ("dr.lead", Some("user:lead")));
    all_is_well(&catalog).await;
}

/// A message is held by one sender at a time, comes back when that one dies, and ends once.
pub(super) async fn messages_are_sent_until_they_end(url: String) {
    let catalog = open(&url).await;
    deployed(&catalog, contacts()).await;
    catalog.alarm_signal(&signal("ppv", "", Severity::Review, at(0)), at(0)).await.unwrap();
    let taken = catalog.notification_take(at(1), 60, 10).await.unwrap();
    let [first] = &taken[..] else { panic!("one message") };
    assert_eq!(
        (first.attempts, first.contacts.as_slice(), first.state.as_str()),
        (1, &contacts().contacts[..], "queued")
    );
    assert_eq!(catalog.notification_take(at(2), 60, 10).await.unwrap(), [], "held");
    catalog.notification_channel_done(&first.key, "email").await.unwrap();
    catalog.notification_hold(&first.key, 60, at(50)).await.unwrap();
    assert_eq!(catalog.notification_take(at(109), 60, 10).await.unwrap(), [], "its sender lives");
    let again = catalog.notification_take(at(110), 60, 10).await.unwrap();
    assert_eq!((again[0].attempts, again[0].channels_done.as_slice()), (2, &["email".to_owned()][..]));
    let retry = NotificationOutcome::Retry { due_at: at(300), error: "refused".into() };
    catalog.notification_end(&first.key, &retry, at(111)).await.unwrap();
    assert_eq!(catalog.notification_take(at(299), 60, 10).await.unwrap(), []);
    assert_eq!(catalog.notification_take(at(300), 60, 10).await.unwrap()[0].last_error.as_deref(), Some("refused"));
    let dead = NotificationOutcome::Dead { error: "refused for good".into() };
    catalog.notification_end(&first.key, &dead, at(301)).await.unwrap();
    let ended = catalog.notification_end(&first.key, &NotificationOutcome::Sent, at(302)).await;
    assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    catalog.notification_hold(&first.key, 60, at(303)).await.unwrap();
    let alarms = catalog.alarm_list(true, 10).await.unwrap();
    let failed = alarms.iter().find(|alarm| alarm.code == "notification-dead").unwrap();
    assert!(!failed.announced, "a failed message is not announced by a message");
    assert_eq!(catalog.notification_take(at(9999), 60, 10).await.unwrap(), []);
    all_is_well(&catalog).await;
}

/// What destinations wait to be told at `now`, oldest first; what is taken is not there for the next look.
pub(super) async fn notices(catalog: &Arc<dyn Catalog>, now: Timestamp) -> Vec<Notice> {
    let taken = catalog.notification_take(now, 60, 100).await.expect("messages are taken");
    let change = |about| match about {
        About::Change(notice) => Some(*notice),
        About::Alarm(_) => None,
    };
    taken.into_iter().filter_map(|notification| change(notification.about)).collect()
}

/// MV-05: who receives results is told in the act that stops them or lets them come again, whoever does it; a message that
/// was not taken by everybody is an alarm, and none is lost.
pub(super) async fn destinations_are_told_of_changes(url: String) {
    let catalog = open(&url).await;
    super::material::deploy(&catalog, "cxr", DeploymentState::Active).await;
    let package = catalog.deployment_get("cxr").await.unwrap().unwrap().package_digest;
    let trial = spec("trial", DeploymentState::Shadow);
    catalog.deployment_apply(&trial, package, "user:test", at(-900)).await.unwrap();
    assert_eq!(notices(&catalog, at(1)).await, [], "a declaration is no change");
    catalog.deployment_suspend("trial", "user:anna", "odd", at(2)).await.unwrap();
    catalog.deployment_suspend("cxr", "user:anna", "SECRET^PATIENT was missed", at(3)).await.unwrap();
    catalog.deployment_suspend("cxr", "user:anna", "again", at(4)).await.unwrap();
    let taken = catalog.notification_take(at(5), 60, 10).await.unwrap();
    let [message] = &taken[..] else { panic!("one change of what is delivered: {taken:?}") };
    let About::Change(told) = &message.about else { panic!("{message:?}") };
    assert_eq!(
        (told.change, told.at, told.destinations.as_slice(), told.version.as_str(), &told.rule),
        (NoticeChange::Suspended, at(3), &["pacs".to_owned()][..], "cxr 1.0.0", &None)
    );
    assert!(!format!("{told:?}").contains("SECRET"), "free text left the house");
    // Its sender dies, the process too; another one takes it.
    drop(catalog);
    let catalog = super::material::open(&url).await;
    assert_eq!(catalog.notification_take(at(6), 60, 10).await.unwrap(), [], "held");
    let again = catalog.notification_take(at(66), 60, 10).await.unwrap();
    assert_eq!((&again[0].key, again[0].attempts), (&message.key, 2));
    let (email, webhook) = tokio::join!(
        catalog.notification_channel_done(&message.key, "physics/email"),
        catalog.notification_channel_done(&message.key, "lead/webhook")
    );
    email.unwrap();
    webhook.unwrap();
    let mut done = catalog.notification_take(at(126), 1, 10).await.unwrap().remove(0).channels_done;
    done.sort();
    assert_eq!(done, ["lead/webhook", "physics/email"], "neither answer took the other away");
    let dead = NotificationOutcome::Dead { error: "lead/email: refused".into() };
    catalog.notification_end(&message.key, &dead, at(127)).await.unwrap();
    let alarms = catalog.alarm_list(true, 10).await.unwrap();
    let [failed] = &alarms[..] else { panic!("one alarm: {alarms:?}") };
    assert_eq!((failed.code.as_str(), failed.deployment.as_deref()), ("notification-dead", Some("cxr")));
    catalog.deployment_resume("cxr", "user:anna", "fixed", at(130)).await.unwrap();
    let taken = catalog.notification_take(at(131), 60, 10).await.unwrap();
    assert!(matches!(&taken[0].about, About::Change(told) if told.change == NoticeChange::Resumed), "{taken:?}");
    catalog.notification_end(&taken[0].key, &NotificationOutcome::Nobody, at(132)).await.unwrap();
    assert_eq!(catalog.notification_take(at(999), 60, 10).await.unwrap(), []);
    all_is_well(&catalog).await;
}

/// MV-05: a file that changes whether, from which version or whereto results are delivered tells those who receive them;
/// one that changes something else tells nobody.
pub(super) async fn a_file_tells_destinations_as_an_act_does(url: String) {
    let catalog = open(&url).await;
    super::material::deploy(&catalog, "cxr", DeploymentState::Active).await;
    let package = catalog.deployment_get("cxr").await.unwrap().unwrap().package_digest;
    let waiting = complete_study(&catalog, "7").await;
    let job = must_take(&catalog, JobKind::Evaluate, at(140)).await;
    catalog.evaluation_record(&job.lease(), &run(&waiting, 1, "cxr"), at(140)).await.unwrap();
    let active = spec("cxr", DeploymentState::Active);
    let owned = DeploymentSpec { owner: "cardiology".into(), ..active.clone() };
    let moved = DeploymentSpec { destinations: vec!["vna".into()], ..owned.clone() };
    let hidden = DeploymentSpec { reading_mode: ReadingMode::Shadow, ..moved.clone() };
    let shadow = DeploymentSpec { state: DeploymentState::Shadow, ..moved.clone() };
    let retired = DeploymentSpec { state: DeploymentState::Retired, ..moved.clone() };
    let mut told = String::new();
    for (second, declared) in [owned, moved.clone(), hidden, moved.clone(), shadow, moved, retired].iter().enumerate() {
        let now = at(200 + second as i64);
        catalog.deployment_apply(declared, package, "user:test", now).await.unwrap();
        for notice in notices(&catalog, now).await {
            let (change, n_runs) = (notice.change.name(), notice.withheld.n_runs);
            told += &format!("{second}: {change} {} -{:?} {n_runs}\n", notice.state, notice.no_more);
        }
    }
    let expected = [
        "1: redirected active -[\"pacs\"] 0\n",
        "2: redirected active -[\"vna\"] 0\n",
        "3: redirected active -[] 0\n",
        "4: promoted shadow -[] 0\n",
        "5: promoted active -[] 0\n",
        "6: ended retired -[] 1\n",
    ];
    assert_eq!(told, expected.concat());
    all_is_well(&catalog).await;
}

/// MV-20: every day that is over is looked at once, and a gap in its books is an alarm.
pub(super) async fn books_are_looked_at_daily(url: String) {
    let catalog = open(&url).await;
    deployed(&catalog, AlarmPlan::default()).await;
    complete_study(&catalog, "7").await;
    assert_eq!(catalog.books_check_due(at(HOUR), 31).await.unwrap(), 0, "the day is not over");
    let evening_after = at(30 * HOUR);
    assert_eq!(catalog.books_check_due(evening_after, 31).await.unwrap(), 1);
    assert_eq!(catalog.books_check_due(evening_after, 31).await.unwrap(), 0, "once a day");
    assert_eq!(catalog.alarm_list(true, 10).await.unwrap(), [], "on its way is no gap");
    // The study is still open, so its day is looked at again, with those that passed while nothing ran.
    assert_eq!(catalog.books_check_due(at(4 * 24 * HOUR), 31).await.unwrap(), 4);
    all_is_well(&catalog).await;
}
