//! What is measured of a study on its way: facts for the gate before release, and the observation that stays.

use crate::evaluate::job_subject;
use crate::runner::{Context, JobError};
use hilum_gate::{AcquisitionFacts, EnvelopeFacts, GroupFacts};
use hilum_monitor::embedding::{Embedding, EmbeddingError, vector_of};
use hilum_monitor::envelope::{EnvelopeCheck, EnvelopeRecord};
use hilum_monitor::group::{AcquisitionGroup, attributes};
use hilum_monitor::{Observation, output_facts};
use hilum_registry::{Deployment, EnvelopePlan, Manifest};
use hilum_store::Job;
use hilum_store::acquisition::envelope_of;
use hilum_types::{Digest, Finding, InstanceHeader, Reason, StudyFacts, Uid};
use std::collections::BTreeMap;

/// What was measured of one study for one deployment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acquisition {
    envelope: Option<EnvelopeFacts>,
    group: Option<GroupFacts>,
    outside: Option<Vec<String>>,
    embedded: BTreeMap<String, f64>,
    failure: Option<Reason>,
}

impl Acquisition {
    /// Why the run counts as failed although the model answered: its embedding is not one of those it was accepted with.
    pub(crate) fn failure(&self) -> Option<&Reason> {
        self.failure.as_ref()
    }

    /// As the gate takes it.
    pub(crate) fn facts(&self) -> AcquisitionFacts<'_> {
        AcquisitionFacts { envelope: self.envelope.as_ref(), group: self.group.as_ref() }
    }
}

/// Compare what was measured with the envelope of the package, and look up its acquisition group.
///
/// Where the deployment declares no envelope, one that is on file is compared with all the same, at the usual rate: the
/// observation keeps what came of it, and the gate does not ask.
pub(crate) async fn acquisition(
    context: &Context,
    deployment: &Deployment,
    package: &Digest,
    header: Option<&InstanceHeader>,
    features: &BTreeMap<String, f64>,
    embedding: &[Vec<f32>],
) -> Result<Acquisition, JobError> {
    let catalog = &*context.catalog;
    let declared = deployment.spec.envelope().cloned();
    let on_file = envelope_of(catalog, package).await?;
    if declared.is_none() && on_file.is_none() {
        return Ok(Acquisition::default());
    }
    let plan = declared.unwrap_or_default();
    let learned = on_file.as_ref().and_then(|(_, body)| body.as_ref()?.embedding.as_ref());
    let (embedded, wrong) = match embedded(learned, embedding) {
        Ok(embedded) => (embedded, None),
        Err(wrong) => (BTreeMap::new(), Some(wrong)),
    };
    let (envelope, outside) = match &wrong {
        Some(wrong) => (EnvelopeFacts::None(wrong.to_string()), None),
        None => {
            let all: BTreeMap<String, f64> =
                features.iter().chain(&embedded).map(|(name, value)| (name.clone(), *value)).collect();
            compare(&plan, package, on_file.as_ref(), &all)
        }
    };
    // Components that cannot be read are no fault of the model.
    let wrong = wrong.filter(|wrong| *wrong != EmbeddingError::Stored);
    let failure = wrong.map(|wrong| Reason::new("model.failed", wrong.to_string()));
    let group = match header.map(AcquisitionGroup::of) {
        None => None,
        Some(group) => {
            let key = group.key();
            let seen = catalog.acquisition_group_get(deployment.family(), package, &key).await?;
            let reference = on_file.as_ref().and_then(|(_, body)| body.as_ref());
            Some(GroupFacts {
                title: group.to_string(),
                in_reference: reference.is_some_and(|body| body.groups.contains_key(&key)),
                n_inside: seen.map_or(0, |seen| seen.n_inside),
                key,
            })
        }
    };
    Ok(Acquisition { envelope: Some(envelope), group, outside, embedded, failure })
}

/// The features that the vectors of a study's runs come to; none where the package has no embedding that was learned.
fn embedded(learned: Option<&Embedding>, runs: &[Vec<f32>]) -> Result<BTreeMap<String, f64>, EmbeddingError> {
    let Some(learned) = learned else { return Ok(BTreeMap::new()) };
    learned.features(&vector_of(runs)?.unwrap_or_default())
}

/// Facts for the gate, and what lies outside; `None` where nothing could be compared.
fn compare(
    plan: &EnvelopePlan,
    package: &Digest,
    on_file: Option<&(Digest, Option<EnvelopeRecord>)>,
    features: &BTreeMap<String, f64>,
) -> (EnvelopeFacts, Option<Vec<String>>) {
    let (record, body) = match on_file {
        Some((record, Some(body))) => (record.short(), body),
        Some((record, None)) => {
            let why = format!("record {} is of another version of Hilum; fit the envelope again", record.short());
            return (EnvelopeFacts::None(why), None);
        }
        None => {
            let why = format!(
                "none is on file for package {}; `hilum monitor envelope --reference SET --model NAME@VERSION` makes one",
                package.short()
            );
            return (EnvelopeFacts::None(why), None);
        }
    };
    match body.envelope.check(features, plan.false_withhold_rate) {
        Err(error) => (EnvelopeFacts::None(error.to_string()), None),
        Ok(check) if check.is_inside() => {
            let EnvelopeCheck { percentile, n_cases, .. } = check;
            (EnvelopeFacts::Inside { record, percentile, n_cases }, Some(Vec::new()))
        }
        Ok(check) => {
            let (sentence, names) = (check.sentence(), check.names());
            (EnvelopeFacts::Outside { record, sentence, names: names.clone() }, Some(names))
        }
    }
}

/// A finished run, as far as the observation keeps it.
pub(crate) struct Measured<'a> {
    pub(crate) features: &'a BTreeMap<String, f64>,
    pub(crate) findings: &'a [Finding],
    pub(crate) seconds: f64,
    pub(crate) acquisition: &'a Acquisition,
}

/// The observation of a study revision that ended for a deployment. Who, when and how it ended the catalog writes itself.
///
/// `header` is of the first image of the series that was read, or would have been; `measured` is `None` for a study that
/// ended without a run.
pub(crate) fn observe(
    deployment: &str,
    package: Digest,
    header: Option<&InstanceHeader>,
    measured: Option<&Measured<'_>>,
) -> Observation {
    let mut observation = Observation::bare(deployment, package);
    observation.attributes = header.map(attributes).unwrap_or_default();
    if let Some(measured) = measured {
        let features = measured.features.iter().chain(&measured.acquisition.embedded);
        observation.features = features.filter(|(_, v)| v.is_finite()).map(|(k, v)| (k.clone(), *v)).collect();
        observation.outputs = output_facts(measured.findings);
        observation.seconds = Some(measured.seconds);
        observation.outside_envelope = measured.acquisition.outside.clone();
    }
    observation
}

/// The first image of the series that is read: the chosen one, else the first that the package would take, else the first.
pub(crate) fn header_of<'a>(
    facts: &'a StudyFacts,
    chosen: Option<&Uid>,
    manifest: Option<&Manifest>,
) -> Option<&'a InstanceHeader> {
    let by_uid = |uid: &Uid| facts.series.iter().find(|series| series.series_instance_uid == *uid);
    let candidate = || {
        let candidates = manifest?.candidate_series(facts).ok()?;
        facts.series.get(*candidates.first()?)
    };
    let series = chosen.and_then(by_uid).or_else(candidate).or_else(|| facts.series.first())?;
    series.instances.first()
}

/// The observation of a job that ended without a result, with the version that was tried.
pub(crate) async fn observe_end(context: &Context, job: &Job, tried: &Deployment) -> Result<Observation, JobError> {
    let (study_key, revision) = job_subject(job)?;
    let (name, digest) = (tried.spec.name.as_str(), tried.package_digest);
    let facts = match context.catalog.study_facts(&study_key, revision).await {
        Ok(facts) => facts,
        Err(error) if error.kind() == hilum_store::ErrorKind::Unavailable => return Err(error.into()),
        // The study ends without attributes rather than not at all.
        Err(_) => return Ok(Observation::bare(name, digest)),
    };
    let package = context.catalog.package_get(&digest.to_string()).await.ok();
    let manifest = package.and_then(|package| serde_json::from_value::<Manifest>(package.manifest).ok());
    Ok(observe_unread(&facts, tried, manifest.as_ref()))
}

/// The observation of a study that ends before a model has read it: where the images come from that it would have read,
/// which is not where the first series of the study comes from when that is a scout.
pub(crate) fn observe_unread(facts: &StudyFacts, deployment: &Deployment, manifest: Option<&Manifest>) -> Observation {
    observe(&deployment.spec.name, deployment.package_digest, header_of(facts, None, manifest), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_types::{Phi, attribute};
    use serde_json::json;

    fn facts(series: &[(&str, &str)]) -> StudyFacts {
        let uid = |text: &str| text.parse::<Uid>().unwrap();
        let header = |(series, station): &(&str, &str)| InstanceHeader {
            sop_instance_uid: uid(&format!("{series}.1")),
            sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.1"),
            transfer_syntax_uid: uid("1.2.840.10008.1.2.1"),
            study_instance_uid: uid("1.2"),
            series_instance_uid: uid(series),
            attributes: [(attribute::STATION_NAME.to_owned(), Phi::new(vec![(*station).to_owned()]))].into(),
        };
        StudyFacts::from_headers(1, series.iter().map(header).collect()).unwrap()
    }

    #[test]
    fn the_chosen_series_says_where_a_study_came_from() {
        let study = facts(&[("1.3", "DX1"), ("1.4", "DX2")]);
        let station = |chosen: Option<&str>| {
            let chosen = chosen.map(|text| text.parse::<Uid>().unwrap());
            header_of(&study, chosen.as_ref(), None).and_then(|h| h.text(attribute::STATION_NAME)).map(str::to_owned)
        };
        assert_eq!(station(Some("1.4")).as_deref(), Some("DX2"));
        assert_eq!(station(None).as_deref(), Some("DX1"));
        assert_eq!(station(Some("1.99")).as_deref(), Some("DX1"));
    }

    /// A study that ends at the gate comes from where the images come from that the model would have read.
    #[test]
    fn a_scout_does_not_say_where_a_study_came_from() {
        let mut study = facts(&[("1.3", "SCOUT"), ("1.4", "CT2")]);
        for (name, value) in [(attribute::MODALITY, "CT"), (attribute::ROWS, "512")] {
            study.series[1].instances[0].attributes.insert(name.to_owned(), Phi::new(vec![value.to_owned()]));
        }
        let manifest: Manifest = serde_json::from_value(json!({
            "schema": 1,
            "package": { "name": "v", "version": "1", "title": "V", "manufacturer": "M", "license": "MIT", "description": "d" },
            "input": [{ "tensor": "image", "images": "each", "layout": "NCHW", "preprocess": [],
                        "select": { "modality": ["CT"] } }],
            "output": [{ "kind": "embedding", "tensor": "embedding" }],
        }))
        .unwrap();
        let spec = serde_json::from_value(json!({ "name": "cxr", "package": "0123456789ab" })).unwrap();
        let package = Digest::of(b"package");
        let at = hilum_types::Timestamp::from_micros(0);
        let deployment = Deployment::declared(spec, package, hilum_registry::DeploymentState::Active, at);
        let station = |manifest| observe_unread(&study, &deployment, manifest).attributes["station"].clone();
        assert_eq!((station(Some(&manifest)), station(None)), ("CT2".to_owned(), "SCOUT".to_owned()));
    }

    #[test]
    fn an_observation_holds_what_was_measured_and_nothing_that_is_no_number() {
        let study = facts(&[("1.3", "DX1")]);
        let features = BTreeMap::from([("noise".to_owned(), 3.5), ("sharpness".to_owned(), f64::NAN)]);
        let embedded = BTreeMap::from([("embedding_1".to_owned(), -0.5)]);
        let acquisition = Acquisition { outside: Some(vec!["noise".to_owned()]), embedded, ..Acquisition::default() };
        let measured = Measured { features: &features, findings: &[], seconds: 0.25, acquisition: &acquisition };
        let package = Digest::of(b"package");
        let made = observe("cxr", package, header_of(&study, None, None), Some(&measured));
        assert_eq!((made.attributes["station"].as_str(), made.features.len()), ("DX1", 2));
        assert_eq!((made.outside_envelope, made.seconds), (Some(vec!["noise".to_owned()]), Some(0.25)));
        assert_eq!(observe("cxr", package, None, None).outside_envelope, None);
    }

    /// A vector that cannot be compared is an error with its reason, and a package without one has no such feature.
    #[test]
    fn an_embedding_becomes_features() {
        use hilum_monitor::embedding::ReferenceVectors;
        let mut reference = ReferenceVectors::default();
        (0..40).for_each(|n| reference.add(&[n as f32, (n % 7) as f32, (n % 3) as f32]).unwrap());
        let (learned, of_cases) = Embedding::fit(&reference).unwrap();
        let of = |runs: &[Vec<f32>]| embedded(Some(&learned), runs);
        assert_eq!(of(&[vec![4.0, 4.0, 1.0]]).unwrap()["embedding_1"], of_cases[4]["embedding_1"]);
        assert_eq!(embedded(None, &[vec![1.0]]), Ok(BTreeMap::new()));
        assert_eq!(of(&[]), Err(EmbeddingError::Length { found: 0, expected: 3 }));
        let told = of(&[vec![1.0; 4]]).unwrap_err().to_string();
        assert_eq!(told, "the model's embedding has 4 numbers, that of the reference cases 3");
        assert_eq!(of(&[vec![1.0, f32::NAN, 0.0]]), Err(EmbeddingError::NotFinite(2)));
    }

    /// MV-04: whatever keeps a comparison from being made is said with its remedy, and is not taken for inside.
    #[test]
    fn without_an_envelope_nothing_is_inside() {
        let (plan, package) = (EnvelopePlan::default(), Digest::of(b"package"));
        let features = BTreeMap::from([("noise".to_owned(), 1.0)]);
        let (facts, outside) = compare(&plan, &package, None, &features);
        assert!(matches!(&facts, EnvelopeFacts::None(why) if why.contains("hilum monitor envelope")), "{facts:?}");
        assert_eq!(outside, None);
    }
}
