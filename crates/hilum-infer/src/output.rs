//! From raw output tensors to findings and segments, as the manifest declares.

mod heatmap;
mod segmentation;

use crate::InferError;
use crate::engine::Tensors;
use crate::prepare::{Grid, SourceSlice};
use hilum_registry::Tensor;
use hilum_registry::manifest::{
    Activation, Calibration, ClassificationOutput, Combine, FindingSpec, Manifest, OutputSpec, QuantityOutput,
    ScoreSource,
};
use hilum_types::{Finding, ImageReference, Location, Measurement, ModelOutput, Presence};
use std::collections::BTreeMap;

/// One run of the model: its raw outputs and what its first input was made from.
#[derive(Debug)]
pub(crate) struct RunOutput {
    pub(crate) raw: Tensors,
    pub(crate) grid: Grid,
    /// Along the first source axis of the grid.
    pub(crate) slices: Vec<SourceSlice>,
    /// Distance of slices in mm, for volumes.
    pub(crate) slice_step_mm: Option<f64>,
}

fn wrong(problem: impl Into<String>) -> InferError {
    InferError::Output(problem.into())
}

/// The final output of one or several runs.
pub(crate) fn interpret(
    manifest: &Manifest,
    runs: &[RunOutput],
    operating_points: &BTreeMap<String, f64>,
) -> Result<ModelOutput, InferError> {
    let mut output = ModelOutput::default();
    for spec in &manifest.outputs {
        match spec {
            OutputSpec::Classification(classification) => {
                for finding in &classification.findings {
                    output.findings.push(classify(manifest, classification, finding, runs, operating_points)?);
                }
            }
            OutputSpec::Segmentation(spec) => segmentation::segment(spec, runs, &mut output.segments)?,
            OutputSpec::Heatmap(_) | OutputSpec::Embedding(_) | OutputSpec::Quantity(_) => {}
        }
    }
    for spec in &manifest.outputs {
        if let OutputSpec::Quantity(quantity) = spec {
            measure(quantity, runs, &mut output.findings)?;
        }
    }
    for slice in runs.iter().flat_map(|run| &run.slices) {
        if !output.inputs.contains(&slice.reference) {
            output.inputs.push(slice.reference.clone());
        }
    }
    Ok(output)
}

fn raw<'a>(run: &'a RunOutput, tensor: &str) -> Result<&'a Tensor, InferError> {
    run.raw.get(tensor).ok_or_else(|| wrong(format!("tensor {tensor:?} is missing")))
}

/// Apply an activation to `values`, whose `classes` lie `stride` apart, in blocks.
fn activate(activation: Activation, values: &mut [f64], classes: usize, stride: usize) {
    match activation {
        Activation::None => {}
        Activation::Sigmoid => values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        Activation::Softmax => {
            for block in values.chunks_exact_mut(classes * stride) {
                for at in 0..stride {
                    let of = |class: usize| at + class * stride;
                    let most = (0..classes).map(|c| block[of(c)]).fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = (0..classes).map(|c| (block[of(c)] - most).exp()).sum();
                    (0..classes).for_each(|c| block[of(c)] = (block[of(c)] - most).exp() / sum);
                }
            }
        }
    }
}

/// The calibrated score of a finding in one run.
fn score(spec: &ClassificationOutput, finding: &FindingSpec, run: &RunOutput) -> Result<f64, InferError> {
    let mut values = raw(run, &spec.tensor)?.to_f64();
    let classes = values.len();
    if classes == 0 || 65_536 < classes {
        return Err(wrong(format!("tensor {:?} has {classes} values; 1 to 65536 scores are read", spec.tensor)));
    }
    activate(spec.activation, &mut values, classes, 1);
    let value = |index: usize| {
        values.get(index).copied().ok_or_else(|| {
            wrong(format!(
                "finding {:?} reads value {index} of tensor {:?}, which has {classes}",
                finding.label, spec.tensor
            ))
        })
    };
    let score = match &finding.score {
        ScoreSource::Index { index } => value(*index)?,
        ScoreSource::OneMinus { index } => 1.0 - value(*index)?,
        ScoreSource::Sum { indices } => {
            let values = indices.iter().map(|index| value(*index)).collect::<Result<Vec<f64>, _>>()?;
            values.iter().sum()
        }
    };
    // Single precision may leave the range by a hair; more than that is no probability.
    if !(-1e-3..=1.001).contains(&score) {
        let hint = "declare its activation";
        return Err(wrong(format!("score of {:?} is {score}, which is no probability; {hint}", finding.label)));
    }
    Ok(calibrate(finding.calibration, score.clamp(0.0, 1.0)))
}

fn calibrate(calibration: Option<Calibration>, p: f64) -> f64 {
    let p = p.clamp(1e-12, 1.0 - 1e-12);
    let logit = (p / (1.0 - p)).ln();
    match calibration {
        None => p,
        Some(Calibration::Temperature { temperature }) => 1.0 / (1.0 + (-logit / temperature).exp()),
        Some(Calibration::Platt { slope, intercept }) => 1.0 / (1.0 + (-(slope * logit + intercept)).exp()),
    }
}

fn presence(spec: &FindingSpec, score: f64, operating_point: f64) -> Presence {
    if spec.indeterminate.is_some_and(|band| (band.low..band.high).contains(&score)) {
        Presence::Indeterminate
    } else if operating_point <= score {
        Presence::Present
    } else {
        Presence::Absent
    }
}

fn classify(
    manifest: &Manifest,
    spec: &ClassificationOutput,
    finding: &FindingSpec,
    runs: &[RunOutput],
    operating_points: &BTreeMap<String, f64>,
) -> Result<Finding, InferError> {
    let scores = runs.iter().map(|run| score(spec, finding, run)).collect::<Result<Vec<f64>, _>>()?;
    let highest = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let highest = highest.ok_or_else(|| wrong("the model did not run"))?;
    let combined = match spec.combine {
        Combine::Max => scores[highest],
        Combine::Mean => scores.iter().sum::<f64>() / scores.len() as f64,
    };
    let operating_point = operating_points.get(&finding.label).copied().unwrap_or(finding.operating_point);
    let presence = presence(finding, combined, operating_point);
    let mut location = None;
    let mut images: Vec<ImageReference> = Vec::new();
    if presence == Presence::Present {
        location = locate(manifest, &finding.label, &runs[highest])?;
        // A volume is seen as a whole; single images count when they reach the operating point themselves.
        let seen = |run: usize| scores[run] >= operating_point || run == highest;
        let single = runs.iter().enumerate().filter(|(n, run)| seen(*n) && run.slices.len() == 1);
        images = single.map(|(_, run)| run.slices[0].reference.clone()).collect();
    }
    Ok(Finding {
        label: finding.label.clone(),
        concept: finding.concept.clone(),
        presence,
        score: Some(combined),
        operating_point: Some(operating_point),
        location,
        measurements: Vec::new(),
        images,
    })
}

fn locate(manifest: &Manifest, label: &str, run: &RunOutput) -> Result<Option<Location>, InferError> {
    for output in &manifest.outputs {
        if let OutputSpec::Heatmap(spec) = output
            && spec.finding == label
        {
            return heatmap::locate(spec, run);
        }
    }
    Ok(None)
}

fn measure(spec: &QuantityOutput, runs: &[RunOutput], findings: &mut Vec<Finding>) -> Result<(), InferError> {
    let mut values = Vec::with_capacity(runs.len());
    for run in runs {
        let tensor = raw(run, &spec.tensor)?.to_f64();
        let value = tensor.get(spec.index).map(|value| spec.scale * value + spec.offset).filter(|v| v.is_finite());
        values.push(value.ok_or_else(|| wrong(format!("quantity {:?} is no number", spec.label)))?);
    }
    let value = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let measurement = Measurement { concept: spec.concept.clone(), value, unit: spec.unit.clone() };
    let owner = spec.finding.as_deref();
    if let Some(finding) = findings.iter_mut().find(|finding| Some(finding.label.as_str()) == owner) {
        finding.measurements.push(measurement);
        return Ok(());
    }
    findings.push(Finding {
        label: spec.label.clone(),
        concept: spec.concept.clone(),
        presence: Presence::Present,
        score: None,
        operating_point: None,
        location: None,
        measurements: vec![measurement],
        images: Vec::new(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Temperature 2 on p = 0.9: logit ln 9 halves to ln 3, so p = 3/4. Platt 1, 0 changes nothing.
    #[test]
    fn calibration_by_hand() {
        let t = calibrate(Some(Calibration::Temperature { temperature: 2.0 }), 0.9);
        let p = calibrate(Some(Calibration::Platt { slope: 1.0, intercept: 0.0 }), 0.3);
        let shifted = calibrate(Some(Calibration::Platt { slope: 1.0, intercept: 3f64.ln() }), 0.5);
        assert!((t - 0.75).abs() < 1e-12 && (p - 0.3).abs() < 1e-12 && (shifted - 0.75).abs() < 1e-12);
    }

    #[test]
    fn softmax_runs_over_the_classes() {
        let mut values = [1f64.ln(), 5.0, 3f64.ln(), 5.0];
        activate(Activation::Softmax, &mut values, 2, 2);
        for (found, expected) in values.iter().zip([0.25, 0.5, 0.75, 0.5]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }
}
