use super::material::{add_package, all_is_well, at, open, spec};
use crate::inputs_report::{MovedState, moved_report};
use crate::together_report::{TogetherQuery, TogetherReport, TogetherState, together_report};
use crate::{Catalog, ErrorKind};
use hilum_monitor::together::{DRAWN_MAX, Method};
use hilum_monitor::{Observation, OutputFact};
use hilum_registry::DeploymentState;
use hilum_types::{Digest, Timestamp};
use std::sync::Arc;

/// Studies of a side.
const N: usize = 199;

fn days(n: i64) -> Timestamp {
    at(n * 86_400)
}

/// Studies with two numbers and a score; each number takes the values 0 to 198 once. Which belong to one study is as if
/// by chance, or they are the same.
fn measured(package: Digest, side: &str, are_the_same: bool, event_at: Timestamp) -> Vec<Observation> {
    let one = |i: usize| {
        let other = if are_the_same { i } else { (i * 61 + 17) % N };
        let mut observation = Observation { event_at, recorded_at: event_at, ..Observation::bare("cxr", package) };
        (observation.study_key, observation.revision) = (format!("{side}{i}"), 1);
        observation.attributes.insert("group".to_owned(), "old".to_owned());
        observation.features = [("contrast".to_owned(), i as f64), ("noise".to_owned(), other as f64)].into();
        let score = Some((i * 29 % N) as f64 / N as f64);
        observation.outputs.insert("nodule".to_owned(), OutputFact { score, present: None });
        observation
    };
    (0..N).map(one).collect()
}

fn asked() -> TogetherQuery {
    let reference = (None, None);
    TogetherQuery { from: None, until: days(40), package: None, group: None, reference, method: Method::Mmd, seed: 1 }
}

async fn state(catalog: &Arc<dyn Catalog>, query: &TogetherQuery) -> TogetherState {
    together_report(&**catalog, "cxr", query, days(40)).await.unwrap()
}

async fn compared(catalog: &Arc<dyn Catalog>, query: &TogetherQuery) -> TogetherReport {
    match state(catalog, query).await {
        TogetherState::Compared(report) => *report,
        other => panic!("{other:?}"),
    }
}

async fn too_little(catalog: &Arc<dyn Catalog>, query: &TogetherQuery) -> String {
    match state(catalog, query).await {
        TogetherState::TooLittle(why) => why,
        other => panic!("{other:?}"),
    }
}

/// MV-21: no number moved, but they hang together otherwise; input and output are compared apart, with the reference
/// that is declared everywhere else.
pub(super) async fn all_numbers_are_compared_together(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    let declared = spec("cxr", DeploymentState::Active);
    let deployment = catalog.deployment_apply(&declared, package, "user:test", at(-900)).await.unwrap();
    assert_eq!(too_little(&catalog, &asked()).await, "nothing was observed of this version");
    let before = measured(package, "r", false, days(1));
    let mut since = measured(package, "c", true, days(30));
    // What is not measured is no study of a comparison, a later revision is no study more, and what became known
    // later is not known yet.
    since.push(Observation { study_key: "empty".into(), event_at: days(30), ..Observation::bare("cxr", package) });
    since.push(Observation { revision: 2, ..since[5].clone() });
    since.push(Observation { study_key: "late".into(), recorded_at: days(41), ..since[5].clone() });
    crate::sql::inside::enter_observations(&url, &[before, since].concat()).await.unwrap();

    let report = compared(&catalog, &asked()).await;
    let sides = [report.reference, report.current].map(|side| (side.span, side.n_studies, side.n_drawn));
    let [(reference, n_before, _), (current, n_since, n_drawn)] = sides;
    assert_eq!((n_before, n_since, n_drawn), (199, 199, 199));
    assert_eq!((current.from, current.until, report.as_of), (reference.until, days(40), days(40)));
    assert_eq!(reference.until.micros_since(reference.from), 28 * 86_400_000_000);
    let inputs = report.together.inputs.clone().unwrap();
    assert!(inputs.names == ["contrast", "noise"] && inputs.p <= 0.004, "{inputs:?}");
    let outputs = report.together.outputs.clone().unwrap();
    assert!(outputs.names == ["score:nodule"] && 0.05 < outputs.p, "{outputs:?}");
    assert_eq!(inputs.p_adjusted, 2.0 * inputs.p, "of two comparisons");
    assert_eq!(compared(&catalog, &asked()).await, report, "the same question has the same answer");
    match moved_report(&*catalog, &deployment, days(40)).await.unwrap() {
        MovedState::Compared(moved) => assert_eq!((moved.n_moved, moved.n_within_chance), (0, 3)),
        other => panic!("{other:?}"),
    }

    let one_group = TogetherQuery { group: Some("old".into()), ..asked() };
    assert_eq!(compared(&catalog, &one_group).await.current.n_studies, 199);
    let other_group = TogetherQuery { group: Some("-".into()), ..asked() };
    assert!(too_little(&catalog, &other_group).await.starts_with("0 studies of the reference and 0 of the period"));
    let early = TogetherQuery { until: days(20), ..asked() };
    assert!(too_little(&catalog, &early).await.contains("must begin after the reference"));
    let other_version = TogetherQuery { package: Some(Digest::of(b"another")), ..asked() };
    assert_eq!(too_little(&catalog, &other_version).await, "nothing was observed of this version");
    // A reference may be given that is after the period.
    let turned = TogetherQuery { from: Some(days(0)), until: days(2), reference: (Some(days(29)), None), ..asked() };
    assert!(compared(&catalog, &turned).await.together.inputs.unwrap().p <= 0.004);
    for (from, reference) in [(Some(days(2)), (None, None)), (None, (Some(days(20)), Some(days(19))))] {
        let query = TogetherQuery { from, reference, ..asked() };
        let refused = together_report(&*catalog, "cxr", &query, days(40)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    }
    let unknown = together_report(&*catalog, "none", &asked(), days(40)).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    all_is_well(&catalog).await;
}

/// Of many studies so many are drawn, and it says of how many.
pub(super) async fn many_studies_are_drawn_by_lot(url: String) {
    let catalog = open(&url).await;
    let package = add_package(&catalog).await;
    catalog.deployment_apply(&spec("cxr", DeploymentState::Active), package, "user:test", at(-900)).await.unwrap();
    let many = (0..11).flat_map(|n| measured(package, &format!("{n}c"), false, days(30)));
    let before = measured(package, "r", false, days(1));
    crate::sql::inside::enter_observations(&url, &before.into_iter().chain(many).collect::<Vec<_>>()).await.unwrap();
    let report = compared(&catalog, &TogetherQuery { seed: 7, ..asked() }).await;
    assert_eq!((report.current.n_studies, report.current.n_drawn), (11 * 199, DRAWN_MAX as u64));
    let inputs = report.together.inputs.unwrap();
    assert_eq!((inputs.n_reference, inputs.n_current, report.options.seed), (199, DRAWN_MAX as u64, 7));
    assert!(0.05 < inputs.p, "{inputs:?}");
}
