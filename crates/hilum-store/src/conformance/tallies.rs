use super::material::{add_package, all_is_well, at, instance, open, spec, store};
use super::release::{must_take, outcome, run};
use crate::evidence_report::{EvidenceQuery, EvidenceReport, evidence_report};
use crate::inputs_report::{InputsQuery, MovedReport, MovedState, inputs_report, moved_report};
use crate::labels::NewLabel;
use crate::monitoring::ObservationFilter;
use crate::tallies::{SketchFilter, SketchGroups};
use crate::together_report::{TogetherQuery, TogetherState, together_report};
use crate::{Catalog, ErrorKind, JobKind, StudyKey};
use hilum_monitor::sketch::{Level, Sketch, Slice, parts};
use hilum_monitor::together::Method;
use hilum_monitor::{Agreement, LabelSource, Observation, OutputFact, Truth};
use hilum_registry::monitoring::AuditSamplePlan;
use hilum_registry::{DeploymentSpec, DeploymentState, MonitoringPlan};
use hilum_types::{Digest, Disposition, Reason, Timestamp};
use std::sync::Arc;

/// Any facts, the same ones every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n) as usize
    }
}

const HOUR: i64 = 3600;

fn watched() -> DeploymentSpec {
    let sample = AuditSamplePlan { seed: "seed".into(), positive: 1.0, negative: 0.5, indeterminate: None };
    let mut plan = MonitoringPlan::default();
    plan.labels.audit_sample = Some(sample);
    DeploymentSpec { monitoring: Some(plan), ..spec("cxr", DeploymentState::Active) }
}

/// A study complete `hours` after the first one, that ends somehow.
async fn study(
    catalog: &Arc<dyn Catalog>,
    chance: &mut Chance,
    number: i64,
    hours: i64,
    package: Digest,
) -> (StudyKey, Timestamp) {
    let arrived = at(hours * HOUR);
    let name = (100 + number).to_string();
    let outcome_of = store(catalog, instance(&name, 1, &format!("{name} bytes"), arrived)).await;
    let key = outcome_of.study_key().unwrap().clone();
    catalog.study_complete_due(arrived.plus_seconds(60), 10).await.unwrap();
    let now = arrived.plus_seconds(100);
    let job = must_take(catalog, JobKind::Evaluate, now).await;
    catalog.evaluation_record(&job.lease(), &run(&key, 1, "cxr"), now).await.unwrap();
    let job = must_take(catalog, JobKind::Infer, now.plus_seconds(1)).await;
    let mut observation = Observation::bare("cxr", package);
    observation.attributes.insert("station".to_owned(), format!("CT{}", chance.below(3)));
    if chance.below(4) != 0 {
        observation.attributes.insert("group".to_owned(), format!("{:016}", chance.below(2)));
    }
    observation.features.insert("noise".to_owned(), 10.0 + chance.below(1000) as f64 / 100.0);
    observation.features.insert("hu".to_owned(), chance.below(2000) as f64 - 1000.0);
    observation.seconds = Some(0.5);
    let end = now.plus_seconds(12);
    if chance.below(5) == 0 {
        let broken = Disposition::Failed(Reason::new("model.failed", "no"));
        catalog.inference_end(&job.lease(), None, &broken, Some(&observation), end).await.unwrap();
        return (key, arrived);
    }
    let present = [None, Some(true), Some(false), Some(false)][chance.below(4)];
    observation.outputs.insert("nodule".to_owned(), OutputFact { score: Some(0.125), present });
    observation.outside_envelope = (chance.below(2) == 0).then(|| vec!["noise".to_owned(); chance.below(2)]);
    let mut ended = outcome(&key, 1, "cxr", &["pacs"]);
    ended.record = serde_json::json!({ "format": 1, "output": { "findings": [{
        "label": "nodule", "presence": if present == Some(true) { "present" } else { "absent" }, "score": 0.1,
        "operating_point": 0.5, "location": null, "measurements": [], "images": [],
        "concept": { "value": "27925004", "scheme": "SCT", "meaning": "Nodule" },
    }], "segments": [], "inputs": [] } });
    (ended.package, ended.observation) = (package, Some(observation));
    catalog.inference_record(&job.lease(), &ended, end).await.unwrap();
    (key, arrived)
}

fn label(chance: &mut Chance, number: usize, study: &StudyKey, decided_at: Timestamp) -> NewLabel {
    let source = [LabelSource::Assessment, LabelSource::Adjudication, LabelSource::Report, LabelSource::FollowUp];
    let source = source[chance.below(4)];
    let is_report = source == LabelSource::Report;
    NewLabel {
        origin: format!("test:{number}"),
        study_key: study.clone(),
        revision: None,
        deployment: "cxr".into(),
        finding: ["nodule", "nodule", "effusion"][chance.below(3)].into(),
        truth: [Truth::Present, Truth::Absent, Truth::Uncertain][chance.below(3)],
        agreement: [None, None, Some(Agreement::Agree), Some(Agreement::Disagree)][chance.below(4)],
        source,
        extractor: is_report.then(|| "words 1".to_owned()),
        extractor_measured: is_report && chance.below(2) == 0,
        decided_at,
        report: None,
        comment: None,
        by: if is_report { "extractor:words".into() } else { "user:anna".into() },
    }
}

/// Figures to the twelfth digit, with everything else that is told.
fn told(report: &EvidenceReport) -> Vec<String> {
    let mut lines = vec![format!("{} {} {}", report.n_observations, report.n_labels, report.complete)];
    for one in &report.figures {
        let figure = &one.figure;
        let numbers = [figure.value, figure.lower, figure.upper].map(|number| format!("{number:.12}")).join(" ");
        let (name, finding, cut, validated) = (one.name, &one.finding, &one.cut, one.validated);
        let (n, method, classes) = (figure.n, &figure.method, &figure.label_classes);
        lines.push(format!("{name:?} {finding} {cut} {validated} {numbers} {n} {method} {classes:?}"));
    }
    lines
}

/// The figures of now are those of the same moment told as of then, which are made from the rows.
async fn both_ways_agree(catalog: &Arc<dyn Catalog>, now: Timestamp) {
    let package = catalog.deployment_get("cxr").await.unwrap().unwrap().package_digest;
    assert!(catalog.tally("cxr", &package, at(0), None).await.unwrap().is_some(), "figures of now come from counts");
    // The third begins within a day.
    for (from, each) in
        [(None, None), (None, Some("station")), (Some(at(20 * HOUR)), Some("station")), (None, Some("group"))]
    {
        let query = |as_of| EvidenceQuery { as_of, from, each: each.map(str::to_owned) };
        let counted = evidence_report(&**catalog, "cxr", &query(None), now).await.unwrap();
        let read = evidence_report(&**catalog, "cxr", &query(Some(now)), now).await.unwrap();
        assert_eq!(told(&counted), told(&read), "from {from:?} each {each:?}");
        assert!(counted.figures.iter().any(|one| one.figure.method.contains("inverse-probability")) || each.is_some());
    }
}

/// What a sketch counted, without squares; the mean is right up to rounding.
fn counted(sketch: &Sketch) -> Vec<String> {
    let numbers = sketch.numbers().iter().map(|(name, numbers)| {
        let quantiles = [0.0, 0.1, 0.5, 0.9, 1.0].map(|share| numbers.quantile(share));
        format!(
            "{name} {} {} {:?} {quantiles:?} {:?}",
            numbers.n(),
            numbers.n_invalid(),
            numbers.range(),
            // In millionths, which no mean of these numbers lies halfway between.
            numbers.mean().map(|mean| (mean * 1e6).round())
        )
    });
    let rest = format!(
        "{} {:?} {:?} {:?} {:?}",
        sketch.n(),
        sketch.ended(),
        sketch.calls(),
        sketch.envelope(),
        sketch.outside()
    );
    numbers.chain([rest]).collect()
}

/// Any stretch of hours is a merge of sketches, for all groups and for one.
async fn sketches_are_those_of_the_rows(
    catalog: &Arc<dyn Catalog>,
    package: Digest,
    from: Timestamp,
    until: Timestamp,
) {
    let filter =
        ObservationFilter { deployment: "cxr".into(), from: Some(from), until: Some(until), ..Default::default() };
    let observations = catalog.observation_list(&filter, 1000).await.unwrap();
    let groups = [
        SketchGroups::All,
        SketchGroups::Listed(vec!["0000000000000001".into()]),
        SketchGroups::Listed(vec!["-".into()]),
    ];
    for of in groups {
        let mut expected = Sketch::default();
        for one in &observations {
            let group = one.attributes.get("group").map_or("-", String::as_str);
            if matches!(&of, SketchGroups::Listed(listed) if listed[0] != group) {
                continue;
            }
            expected.add(one);
        }
        for coarsest in Level::ALL {
            let mut sketch = Sketch::default();
            for part in parts(from, until, coarsest) {
                let filter = SketchFilter { deployment: "cxr".into(), package, part, of: of.clone() };
                for stored in catalog.sketch_list(&filter, 1000).await.unwrap() {
                    stored.merge_into(&mut sketch, None).unwrap();
                }
            }
            assert_eq!(counted(&sketch), counted(&expected), "{from} {until} {of:?} {coarsest:?}");
        }
    }
}

/// Counts kept by the acts, and made again in steps from what was entered before there were any, are those of the rows.
pub(super) async fn counts_are_those_of_the_rows(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.deployment_apply(&watched(), package, "user:test", at(-900)).await.unwrap();
    let mut chance = Chance(7);
    let mut studies = Vec::new();
    for number in 0..24 {
        // Over eight days and the end of November.
        studies.push(study(&catalog, &mut chance, number, number * 8 + number % 3, package).await);
    }
    let entered = at(24 * 9 * HOUR);
    let (mut n_labels, mut n_refused) = (0, 0);
    let mut more_labels = async |chance: &mut Chance, n: usize| {
        for _ in 0..n {
            n_labels += 1;
            let now = entered.plus_seconds(n_labels as i64);
            let (study, arrived) = &studies[chance.below(24)];
            // Before the result was released, or when it was known.
            let decided = [arrived.plus_seconds(90), now][chance.below(2)];
            let new = label(chance, n_labels, study, decided);
            // A study that failed has no result to speak of.
            if let Err(error) = catalog.label_add(&new, now).await {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                n_refused += 1;
            }
        }
    };
    more_labels(&mut chance, 60).await;
    let now = entered.plus_seconds(10_000);
    both_ways_agree(&catalog, now).await;
    let hours = |n: i64| Level::Hour.start(at(n * HOUR));
    for (from, until) in [(0, 24 * 10), (5, 50), (7, 8), (30, 24 * 8 + 3)] {
        sketches_are_those_of_the_rows(&catalog, package, hours(from), hours(until)).await;
    }
    // As if all of it came from before: while a part is not counted, figures come from the rows.
    crate::testing::forget_tallies(&url).await.unwrap();
    assert_eq!(catalog.tally("cxr", &package, at(0), None).await.unwrap(), None);
    assert_eq!(catalog.tally_due(now, 20).await.unwrap(), 20);
    // What is entered meanwhile is counted by its own act.
    more_labels(&mut chance, 30).await;
    studies.push(study(&catalog, &mut chance, 24, 24 * 9 + 2, package).await);
    assert!(catalog.tally_left().await.unwrap());
    let deployment = catalog.deployment_get("cxr").await.unwrap().unwrap();
    assert_eq!(moved_report(&*catalog, &deployment, now).await.unwrap(), MovedState::Counting);
    match together_report(&*catalog, "cxr", &all_together(now), now).await.unwrap() {
        TogetherState::TooLittle(why) => assert!(why.contains("still being counted"), "{why}"),
        other => panic!("{other:?}"),
    }
    while catalog.tally_due(now, 7).await.unwrap() != 0 {}
    assert!(!catalog.tally_left().await.unwrap());
    both_ways_agree(&catalog, now).await;
    sketches_are_those_of_the_rows(&catalog, package, hours(0), hours(24 * 10)).await;
    windows_and_groups(&catalog, now).await;
    assert!(n_refused < 40, "{n_refused} of 90 labels speak of studies that failed");
    all_is_well(&catalog).await;
}

/// What is derived stops no act: a stored count that cannot be read is told, and everything is counted again.
pub(super) async fn a_damaged_count_stops_no_act(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.deployment_apply(&watched(), package, "user:test", at(-900)).await.unwrap();
    let mut chance = Chance(7);
    let mut studies = Vec::new();
    for number in 0..6 {
        studies.push(study(&catalog, &mut chance, number, number, package).await);
    }
    crate::sql::inside::damage_counts(&url, true).await.unwrap();
    studies.push(study(&catalog, &mut chance, 6, 6, package).await);
    assert!(catalog.tally_left().await.unwrap(), "the observation is entered, and the earlier ones are counted again");
    assert_eq!(catalog.tally("cxr", &package, at(0), None).await.unwrap(), None, "figures come from the rows");
    while catalog.tally_due(at(7 * HOUR), 4).await.unwrap() != 0 {}
    crate::sql::inside::damage_counts(&url, false).await.unwrap();
    let mut n_labels = 0;
    for (number, (study, _)) in studies.iter().enumerate() {
        let now = at(8 * HOUR + number as i64);
        let source = LabelSource::Adjudication;
        let new = label(&mut chance, number, study, now);
        let new = NewLabel { source, extractor: None, extractor_measured: false, by: "user:anna".into(), ..new };
        match catalog.label_add(&new, now).await {
            Ok(_) => n_labels += 1,
            // A study that failed has no result to speak of.
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
        }
    }
    assert!(0 < n_labels && catalog.tally_left().await.unwrap(), "{n_labels} labels are entered");
    let now = at(9 * HOUR);
    // Damaged while it is counted again.
    assert_eq!(catalog.tally_due(now, 2).await.unwrap(), 2);
    crate::sql::inside::damage_counts(&url, true).await.unwrap();
    while catalog.tally_left().await.unwrap() {
        catalog.tally_due(now, 5).await.unwrap();
    }
    let query = |as_of| EvidenceQuery { as_of, from: None, each: Some("station".to_owned()) };
    let counted = evidence_report(&*catalog, "cxr", &query(None), now).await.unwrap();
    let read = evidence_report(&*catalog, "cxr", &query(Some(now)), now).await.unwrap();
    assert_eq!((counted.n_observations, counted.n_labels, told(&counted)), (7, n_labels, told(&read)));
    sketches_are_those_of_the_rows(&catalog, package, Level::Hour.start(at(0)), Level::Hour.start(at(10 * HOUR))).await;
    let alarms = catalog.alarm_list(true, 50).await.unwrap();
    let [alarm] = &alarms.iter().filter(|alarm| alarm.code == "counts-damaged").collect::<Vec<_>>()[..] else {
        panic!("one alarm: {alarms:?}")
    };
    assert!(alarm.n_raised == 3 && alarm.text.contains("end too early"), "{alarm:?}");
    all_is_well(&catalog).await;
}

/// Everything until `now` against the first days of the version in use.
fn all_together(now: Timestamp) -> TogetherQuery {
    let reference = (None, None);
    TogetherQuery { from: None, until: now, package: None, group: None, reference, method: Method::Mmd, seed: 1 }
}

async fn compared(catalog: &Arc<dyn Catalog>, now: Timestamp) -> MovedReport {
    let deployment = catalog.deployment_get("cxr").await.unwrap().unwrap();
    match moved_report(&**catalog, &deployment, now).await.unwrap() {
        MovedState::Compared(report) => report,
        other => panic!("{other:?}"),
    }
}

/// Studies of a group: ten numbers with ten values each, of which `n_moved` in five are of a new value; one that stays.
fn measured(package: Digest, group: &str, n: usize, n_moved: usize, event_at: Timestamp) -> Vec<Observation> {
    let one = |i: usize| {
        let value = 10.0 * (i % 10 + 1) as f64;
        let now = if i / 10 % 5 < n_moved { 1000.0 } else { value };
        let mut observation = Observation { event_at, ..Observation::bare("cxr", package) };
        observation.attributes.insert("group".to_owned(), group.to_owned());
        observation.features = (0..10).map(|number| (format!("number_{number}"), now)).collect();
        observation.features.insert("steady".to_owned(), value);
        observation
    };
    (0..n).map(one).collect()
}

/// What moved is counted whole and listed in part. The group is the one farthest beyond chance: in a small one chance
/// alone makes a larger distance.
pub(super) async fn what_moved_is_found_with_its_group(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.deployment_apply(&watched(), package, "user:test", at(-900)).await.unwrap();
    let days = |n: i64| at(n * 24 * HOUR);
    let before = [measured(package, "large", 300, 0, days(0)), measured(package, "small", 50, 0, days(0))];
    let since = [measured(package, "large", 300, 1, days(30)), measured(package, "small", 50, 2, days(30))];
    crate::sql::inside::count_observations(&url, &[before.concat(), since.concat()].concat()).await.unwrap();
    let report = compared(&catalog, days(31)).await;
    assert_eq!((report.reference.n, report.current.n), (350, 350));
    assert_eq!((report.n_moved, report.moved.len(), report.n_within_chance, report.n_thin), (10, 8, 1, 0));
    assert!(report.complete);
    for number in &report.moved {
        let group = number.group.as_ref().unwrap();
        assert_eq!((group.key.as_str(), group.moved.distance.n), ("large", 300), "{number:?}");
    }
    all_is_well(&catalog).await;
}

async fn windows_and_groups(catalog: &Arc<dyn Catalog>, now: Timestamp) {
    let query = |slice, reference| InputsQuery { from: at(0), until: now, slice, package: None, reference };
    let n_of =
        |windows: &[crate::inputs_report::InputsWindow]| -> u64 { windows.iter().map(|one| one.summary.n).sum() };
    for slice in Slice::ALL {
        let report = inputs_report(&**catalog, "cxr", &query(slice, (None, None)), now).await.unwrap();
        assert_eq!((n_of(&report.windows), report.complete, report.n_groups_left_out), (25, true, 0), "{slice:?}");
        let reference = report.reference.unwrap();
        assert_eq!((reference.span.from, reference.n), (Level::Day.start(at(0)), 25));
        assert!(report.windows.iter().all(|one| one.summary.numbers.iter().all(|number| number.distance.is_none())));
    }
    let days = inputs_report(&**catalog, "cxr", &query(Slice::Day, (None, Some(at(24 * HOUR)))), now).await.unwrap();
    assert_eq!(days.windows.len(), 10);
    for share in days.windows.iter().flat_map(|window| &window.summary.shares) {
        assert!(0 < share.figure.n && share.figure.lower < share.figure.upper, "{share:?}");
    }
    let turned = inputs_report(&**catalog, "cxr", &query(Slice::Day, (Some(now), Some(at(0)))), now).await;
    assert_eq!(turned.unwrap_err().kind(), ErrorKind::Conflict);
    let none = InputsQuery { package: Some(Digest::of(b"another")), ..query(Slice::Month, (None, None)) };
    let none = inputs_report(&**catalog, "cxr", &none, now).await.unwrap();
    assert_eq!((none.reference, n_of(&none.windows)), (None, 0));
    let long = InputsQuery { from: at(-400 * 24 * HOUR), ..query(Slice::Day, (None, None)) };
    assert_eq!(inputs_report(&**catalog, "cxr", &long, now).await.unwrap_err().kind(), ErrorKind::Conflict);
    let deployment = catalog.deployment_get("cxr").await.unwrap().unwrap();
    let early = moved_report(&**catalog, &deployment, now).await.unwrap();
    assert_eq!(early, MovedState::NothingYet, "the reference is not over");
    let later = compared(catalog, at(29 * 24 * HOUR)).await;
    assert_eq!((later.reference.n, later.current.n, later.moved.len(), later.n_thin), (25, 0, 0, 0));
}
