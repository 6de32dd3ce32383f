//! Weeks of a made-up house: from the middle on a new scanner sends other images, a rule speaks, use is stopped and taken
//! up again.

use crate::house::House;
use crate::object::Object;
use hilum_monitor::{Observation, OutputFact, Severity, Signal};
use hilum_types::{Disposition, Presence, Reason, Timestamp};

const WEEK_MILLIS: i64 = 7 * 86_400_000;

/// Deployment that the story is about.
pub(crate) const NAME: &str = "chest-xr";

/// `n_weeks` weeks of `per_week` studies. Says when the change began.
pub(crate) async fn weeks(house: &House, n_weeks: u32, per_week: u32) -> Timestamp {
    house.deploy(&[(NAME, "active")]).await;
    let mut changed = house.now();
    let mut is_stopped = false;
    for week in 0..n_weeks {
        if week == n_weeks / 2 {
            changed = house.now();
        }
        if week + 4 == n_weeks {
            speak(house, changed).await;
            let reason = "sensitivity below 0.85 with 95 % confidence";
            house.catalog.deployment_suspend(NAME, "user:A. Person", reason, house.now()).await.unwrap();
            is_stopped = true;
        }
        if week + 2 == n_weeks {
            house
                .catalog
                .deployment_resume(NAME, "user:A. Person", "new threshold accepted", house.now())
                .await
                .unwrap();
            is_stopped = false;
        }
        for number in 0..per_week {
            study(house, week * per_week + number, n_weeks / 2 <= week, is_stopped).await;
            house.pass(WEEK_MILLIS / i64::from(per_week) - 62_000);
        }
    }
    changed
}

async fn study(house: &House, number: u32, is_changed: bool, is_stopped: bool) {
    house.stow(&[Object::new(number + 1, 1)]).await;
    house.complete().await;
    if is_stopped {
        let reason = Reason::new("suspension.in-force", "stopped by the rule sensitivity-floor");
        house.evaluate(&[(NAME, Some(Disposition::Withheld(reason)))]).await;
        return;
    }
    house.evaluate(&[(NAME, None)]).await;
    let is_new = is_changed && number % 5 < 2;
    // A fixed pattern in place of chance: 0 to 0.18 in steps.
    let score = 0.2 + f64::from(number * 7 % 10) * 0.02 + if is_new { 0.4 } else { 0.0 };
    let attributes = [
        ("station", if is_new { "CT3" } else { ["CT1", "CT2"][number as usize % 2] }),
        ("software", if is_new { "v9" } else { "v8" }),
        ("sex", ["F", "M"][(number / 2) as usize % 2]),
        ("protocol", ["routine", "emergency", "screening"][number as usize % 3]),
    ];
    let present = 0.35 < score;
    let mut observation = Observation::bare(NAME, house.package);
    observation.attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    observation.outputs.insert("nodule".to_owned(), OutputFact { score: Some(score), present: Some(present) });
    let presence = if present { Presence::Present } else { Presence::Absent };
    house.infer_observed(presence, Some(observation)).await;
}

/// What the monitor would say, in three rules of which two hold for the same cut.
async fn speak(house: &House, since: Timestamp) {
    let signal = |rule: &str, cut: &str, severity, value: f64, text: &str| Signal {
        deployment: NAME.into(),
        rule: rule.into(),
        severity,
        cut: cut.into(),
        at: house.now(),
        since: Some(since),
        value,
        threshold: 20.0,
        n: 85,
        method: "bernoulli_esr".into(),
        text: text.into(),
        studies: vec![],
    };
    let station = "station=CT3";
    let scores = "scores on station=CT3 are higher than those of the reference";
    let floor = "sensitivity is below 0.85 with 95 % confidence";
    for (rule, cut, severity, value, text) in [
        ("score-drift", station, Severity::Watch, 22.1, scores),
        ("nodule-rate", station, Severity::Review, 31.5, "nodules are called three times as often"),
        ("sensitivity-floor", "", Severity::Stop, 26.4, floor),
    ] {
        house.catalog.alarm_signal(&signal(rule, cut, severity, value, text), house.now()).await.unwrap();
    }
}
