use super::material::{all_is_well, at, deploy, open};
use super::release::{outcome, up_to_inference};
use crate::{Catalog, StudyKey};
use hilum_monitor::Observation;
use hilum_registry::DeploymentState;
use hilum_types::{Digest, Disposition, Reason};
use std::collections::BTreeMap;
use std::sync::Arc;

fn measured(group: &str, outside: Option<&[&str]>) -> Observation {
    let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Observation {
        attributes: text(&[("group", group), ("manufacturer", "Siemens"), ("software", "VB10")]),
        features: BTreeMap::from([("noise".to_owned(), 3.0)]),
        outside_envelope: outside.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        ..Observation::bare("cxr", Digest::of(b"package"))
    }
}

async fn end(catalog: &Arc<dyn Catalog>, study: &str, observation: Option<Observation>) -> StudyKey {
    let (key, job) = up_to_inference(catalog, study, "cxr").await;
    let mut ended = outcome(&key, 1, "cxr", &[]);
    ended.results.clear();
    ended.disposition = Disposition::Withheld(Reason::new("group.new", "a new acquisition group"));
    ended.observation = observation;
    catalog.inference_record(&job.lease(), &ended, at(113)).await.expect("it is recorded");
    key
}

/// MV-23: a group opens in the act that ends its first study, and counts what lay inside the envelope.
pub(super) async fn groups_open_and_count(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    let package = Digest::of(b"package");
    let get = async |key: &str| catalog.acquisition_group_get("cxr", &package, key).await.expect("the catalog answers");
    assert_eq!(get("a").await, None);
    end(&catalog, "1", Some(measured("a", Some(&["noise"])))).await;
    let first = get("a").await.expect("the group is open");
    assert_eq!((first.n_studies, first.n_inside, first.first_seen_at), (1, 0, at(113)));
    assert_eq!((first.group.manufacturer.as_str(), first.group.software.as_str()), ("Siemens", "VB10"));
    end(&catalog, "2", Some(measured("a", Some(&[])))).await;
    end(&catalog, "3", Some(measured("a", None))).await;
    // Nothing was measured, so nothing is known of where it came from.
    end(&catalog, "4", Some(Observation { features: BTreeMap::new(), ..measured("a", Some(&[])) })).await;
    end(&catalog, "5", None).await;
    end(&catalog, "6", Some(measured("b", Some(&[])))).await;
    let counted = get("a").await.expect("the group is open");
    assert_eq!((counted.n_studies, counted.n_inside), (3, 1), "what was not compared is not inside");
    let listed = catalog.acquisition_group_list("cxr", &package).await.expect("the catalog answers");
    let mut keys: Vec<&str> = listed.iter().map(|group| group.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["a", "b"]);
    let other = Digest::of(b"another package");
    assert_eq!(catalog.acquisition_group_list("cxr", &other).await.expect("the catalog answers"), []);
    all_is_well(&catalog).await;
}
