//! The acquisition envelope of a package: every case of a reference set is measured as in production. Nothing is run, unless
//! the package exposes an embedding; then its vector is taken, and what the model says is not looked at.

use super::case::{CaseInput, ask_gate, instances_of, read};
use super::{Place, Progress, TrialError, deployment};
use crate::reference::find_set;
use crate::runner::describe;
use hilum_infer::{InferError, InferErrorKind, LoadedPackage, RunSettings, measure_series};
use hilum_monitor::embedding::{Embedding, EmbeddingError, ReferenceVectors, vector_of};
use hilum_monitor::envelope::{
    Envelope, EnvelopeError, EnvelopeRecord, FeatureQuantiles, ReferenceGroup, feature_quantiles, stratum_quantiles,
};
use hilum_monitor::group::{self, AcquisitionGroup};
use hilum_registry::manifest::OutputSpec;
use hilum_registry::monitoring::CUTS;
use hilum_registry::{Deployment, Manifest};
use hilum_sign::{NewRecord, Record, RecordKind};
use hilum_store::acquisition::envelope_of;
use hilum_store::records::Package;
use hilum_types::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What to learn an envelope from.
pub struct EnvelopeRequest {
    /// Name or digest of the reference set.
    pub reference_set: String,
    /// The package.
    pub model: Package,
    /// The deployment it is meant for; it narrows the intended use.
    pub used_in: Option<Deployment>,
    /// The rate that the set has to support.
    pub false_withhold_rate: f64,
    /// Attributes by which quantiles are told apart as well, for rules with `strata`; may be empty.
    pub strata: Vec<String>,
    /// Who asks: `user:<name>`.
    pub actor: String,
}

/// What was learned.
pub struct FittedEnvelope {
    /// The record it was entered as.
    pub record: Record,
    /// Its body.
    pub body: EnvelopeRecord,
    /// Whether the envelope is new; the same one may have been on file already.
    pub is_new: bool,
    /// Deciles of every feature over the measured cases, for stop rules about features.
    pub quantiles: BTreeMap<String, FeatureQuantiles>,
    /// The same within each stratum that has enough cases, by feature and stratum; empty where none were asked for.
    pub quantiles_of: BTreeMap<String, BTreeMap<String, FeatureQuantiles>>,
    /// Why the embedding that the package exposes is not part of the envelope, where it is not.
    pub embedding_left_out: Option<String>,
}

/// What came of one case.
enum Case {
    NotEligible,
    NotMeasured,
    Measured(Box<MeasuredCase>),
}

struct MeasuredCase {
    features: BTreeMap<String, f64>,
    attributes: BTreeMap<String, String>,
    group: AcquisitionGroup,
    vector: Result<Vec<f32>, EmbeddingError>,
}

/// Learn the envelope of a package from a reference set, and enter it. It is in force for every deployment of the package
/// that declares one, from the next study on.
///
/// # Errors
/// [`TrialError::Envelope`] when the set is too small for the rate, with how many cases it needs; [`TrialError::Reference`],
/// [`TrialError::Case`], [`TrialError::Store`].
pub async fn fit_envelope(
    place: &Place,
    request: &EnvelopeRequest,
    progress: &Arc<dyn Progress>,
) -> Result<FittedEnvelope, TrialError> {
    if let Some(unknown) = request.strata.iter().find(|name| !CUTS.contains(&name.as_str())) {
        let why = format!("{unknown:?} is no attribute of a study; there are {}", CUTS.join(", "));
        return Err(TrialError::Refused(why));
    }
    let (set, list) = find_set(&*place.catalog, &request.reference_set).await?;
    let manifest: Manifest = serde_json::from_value(request.model.manifest.clone()).map_err(|_| TrialError::Defect)?;
    let now = place.clock.now();
    let gate = Arc::new((manifest, deployment(&request.model, request.used_in.as_ref(), &BTreeMap::new(), now)?));
    let model = match gate.0.outputs.iter().any(|output| matches!(output, OutputSpec::Embedding(_))) {
        false => None,
        true => {
            let (models, digest) = (place.models.clone(), request.model.digest);
            let loading = tokio::task::spawn_blocking(move || models.load(digest)).await;
            Some(loading.map_err(|_panicked| TrialError::Defect)?.map_err(TrialError::Package)?)
        }
    };
    let mut vectors: Result<_, EmbeddingError> = Ok(ReferenceVectors::default());
    progress.begin(&format!("measure {}", list.name), list.cases.len());
    let (mut measured, mut attributes, mut n_not_eligible, mut n_not_measured) = (Vec::new(), Vec::new(), 0, 0);
    let mut groups = BTreeMap::<String, ReferenceGroup>::new();
    for case in &list.cases {
        match one(place, &gate, model.as_ref(), &CaseInput::of(case)?, now).await? {
            Case::NotEligible => n_not_eligible += 1,
            Case::NotMeasured => n_not_measured += 1,
            Case::Measured(case) => {
                let MeasuredCase { features, attributes: of_case, group, vector } = *case;
                let entry = groups.entry(group.key()).or_insert(ReferenceGroup { group, n_cases: 0 });
                entry.n_cases += 1;
                vectors = vectors.and_then(|mut vectors| vectors.add(&vector?).map(|()| vectors));
                measured.push(features);
                attributes.push(of_case);
            }
        }
        progress.done();
    }
    let rate = request.false_withhold_rate;
    let needed = hilum_monitor::envelope::cases_needed(rate)?;
    if measured.len() < needed {
        return Err(EnvelopeError::Insufficient { n: measured.len(), needed, rate }.into());
    }
    let (mut embedding, mut embedding_left_out) = (None, None);
    if model.is_some() {
        let fitting = tokio::task::spawn_blocking(move || vectors.and_then(|vectors| Embedding::fit(&vectors)));
        match fitting.await.map_err(|_panicked| TrialError::Defect)? {
            Ok((found, features)) => {
                measured.iter_mut().zip(features).for_each(|(case, features)| case.extend(features));
                embedding = Some(found);
            }
            Err(error) => embedding_left_out = Some(error.to_string()),
        }
    }
    let (envelope, quantiles) = (Envelope::fit(&measured)?, feature_quantiles(&measured));
    let quantiles_of = match request.strata.as_slice() {
        [] => BTreeMap::new(),
        strata => stratum_quantiles(strata, &attributes, &measured),
    };
    let learned = EnvelopeRecord {
        format: 1,
        package: request.model.digest,
        model: request.model.name.clone(),
        version: request.model.version.clone(),
        reference_set: set.digest,
        supersedes: None,
        n_not_eligible,
        n_not_measured,
        groups,
        envelope,
        embedding,
    };
    let in_force = envelope_of(&*place.catalog, &request.model.digest).await?;
    let before = in_force.as_ref().map(|(record, held)| (*record, held.as_ref()));
    let Some(body) = learned.clone().after(before) else {
        let record = before.map(|(record, _)| record).ok_or(TrialError::Defect)?;
        let record = place.catalog.record_get(&record.to_string()).await?;
        return Ok(FittedEnvelope {
            record,
            body: learned,
            is_new: false,
            quantiles,
            quantiles_of,
            embedding_left_out,
        });
    };
    let new = NewRecord {
        kind: RecordKind::Envelope,
        subject: request.model.digest.to_string(),
        body: json!(body),
        author: request.actor.clone(),
    };
    let added = place.catalog.record_add(&new, place.clock.now()).await?;
    Ok(FittedEnvelope { record: added.record, body, is_new: added.is_new, quantiles, quantiles_of, embedding_left_out })
}

async fn one(
    place: &Place,
    gate: &Arc<(Manifest, Deployment)>,
    model: Option<&Arc<LoadedPackage>>,
    input: &CaseInput,
    now: Timestamp,
) -> Result<Case, TrialError> {
    let (facts, parts) = read(input, &*place.blobs).await?;
    let Ok(series) = ask_gate(&gate.0, &gate.1, &facts, now) else { return Ok(Case::NotEligible) };
    let instances = instances_of(&facts, &series, &parts);
    let Some(header) = instances.first().map(|instance| instance.header.clone()) else { return Ok(Case::NotEligible) };
    let (shared, model) = (gate.clone(), model.cloned());
    let measuring = tokio::task::spawn_blocking(move || match model {
        None => Ok((measure_series(&shared.0, &instances), Ok(None))),
        Some(model) => {
            let outcome = hilum_infer::run(&model, instances, &RunSettings::default())?;
            let vector = vector_of(outcome.first_embedding());
            Ok::<_, InferError>((outcome.features, vector))
        }
    });
    let (features, vector) = match measuring.await.map_err(|_panicked| TrialError::Defect)? {
        Ok(measured) => measured,
        Err(error) if matches!(error.kind(), InferErrorKind::Study | InferErrorKind::Limit) => {
            return Ok(Case::NotMeasured);
        }
        Err(error) => {
            let (id, why) = (&input.id, describe(&error));
            return Err(TrialError::Refused(format!("the model gives no embedding of case {id:?}: {why}")));
        }
    };
    let vector = vector.and_then(|vector| vector.ok_or(EmbeddingError::TooFew(0)));
    if features.is_empty() {
        return Ok(Case::NotMeasured);
    }
    let (attributes, group) = (group::attributes(&header), AcquisitionGroup::of(&header));
    Ok(Case::Measured(Box::new(MeasuredCase { features, attributes, group, vector })))
}
