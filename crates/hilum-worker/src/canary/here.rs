//! Fixed cases through a model that this process prepares and interprets: a graph of the package, or a server.

use super::cases::{FixedCase, FixedCases};
use super::{Subject, unanswered};
use crate::runner::{Context, JobError, describe};
use hilum_infer::{InferError, InstanceInput, LoadedPackage, RunSettings};
use hilum_registry::canary::CanaryCase;
use hilum_types::{Measurement, ModelOutput, StatedValue, StudyFacts};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Run every case, one after the other. A case that fails says so and does not stop the others.
pub(super) async fn run(context: &Context, subject: &Subject, cases: &FixedCases) -> Result<Vec<CanaryCase>, JobError> {
    let (models, digest) = (context.models.clone(), subject.deployment.package_digest);
    let loading = tokio::task::spawn_blocking(move || models.load(digest));
    let package = loading.await.unwrap_or_else(|_| Err(InferError::Defect("loading the package panicked".to_owned())));
    let mut answers = Vec::with_capacity(cases.cases.len());
    for (index, case) in cases.cases.iter().enumerate() {
        let values = match &package {
            Ok(package) => run_case(subject, package.clone(), case).await,
            Err(error) => Err(describe(error)),
        };
        answers.push(match values {
            Ok(values) => CanaryCase { case: case.name.clone(), values: Some(values), problem: None },
            Err(problem) => unanswered(cases, index, problem),
        });
    }
    Ok(answers)
}

async fn run_case(
    subject: &Subject,
    package: Arc<LoadedPackage>,
    case: &FixedCase,
) -> Result<BTreeMap<String, StatedValue>, String> {
    let headers = case.objects.iter().map(|(header, _)| header.clone()).collect();
    let facts = StudyFacts::from_headers(1, headers).ok_or("the case is empty")?;
    let candidates = subject.manifest.candidate_series(&facts).map_err(|reason| reason.text)?;
    let series = candidates.first().and_then(|index| facts.series.get(*index)).ok_or("no series fits")?;
    let input = |header: &hilum_types::InstanceHeader| {
        let object = case.objects.iter().find(|(known, _)| known.sop_instance_uid == header.sop_instance_uid)?;
        Some(InstanceInput { header: header.clone(), part10: object.1.as_ref().into() })
    };
    let inputs: Vec<InstanceInput> = series.instances.iter().filter_map(input).collect();
    let points = subject.deployment.spec.operating_points.clone();
    let settings = RunSettings { deadline: None, operating_points: points };
    let running = tokio::task::spawn_blocking(move || hilum_infer::run(&package, inputs, &settings));
    match running.await {
        Ok(Ok(outcome)) => Ok(values(&outcome.output)),
        Ok(Err(error)) => Err(describe(&error)),
        Err(_panicked) => Err("the inference thread panicked; please report it".to_owned()),
    }
}

/// Everything a model says, by name.
fn values(output: &ModelOutput) -> BTreeMap<String, StatedValue> {
    let mut values = BTreeMap::new();
    let number = |value: f64, unit: &str| StatedValue::Number { value, unit: unit.to_owned() };
    let measured = |values: &mut BTreeMap<_, _>, of: &str, measurements: &[Measurement]| {
        for measurement in measurements {
            let name = format!("{of} {} ({})", measurement.concept.meaning, measurement.concept.value);
            values.insert(name, number(measurement.value, &measurement.unit.value));
        }
    };
    for (index, finding) in output.findings.iter().enumerate() {
        let of = format!("finding {} {}", index + 1, finding.label);
        if let Some(score) = finding.score {
            values.insert(format!("{of} probability"), number(score, "1"));
        }
        values.insert(format!("{of} presence"), StatedValue::Code(format!("{:?}", finding.presence).to_lowercase()));
        measured(&mut values, &of, &finding.measurements);
    }
    for (index, segment) in output.segments.iter().enumerate() {
        let of = format!("segment {} {}", index + 1, segment.label);
        let voxels: usize = segment.masks.iter().map(|m| m.pixels.iter().filter(|p| **p != 0).count()).sum();
        values.insert(format!("{of} voxels"), number(voxels as f64, "{voxels}"));
        measured(&mut values, &of, &segment.measurements);
    }
    values
}
