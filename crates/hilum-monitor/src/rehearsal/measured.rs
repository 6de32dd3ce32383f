//! What a fault does, measured: every case of a reference set answered untouched and with the fault, to an [`Effect`] (MV-45).

use super::fault::Effect;
use super::figures::chance_figure;
use crate::{Figure, MonitorError};
use hilum_stats::PairedTable;
use hilum_stats::drift::Moments;
use hilum_types::{Digest, Independence, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest shift of a feature, in standard deviations: what moves although it never varies in the reference lies there.
pub const SHIFT_MAX: f64 = 100.0;

/// Standard normal quantile of an interval of 95 %.
const Z: f64 = 1.959_964;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseEnd {
    /// The model ran.
    Analysed,
    /// The gate found nothing to run it on.
    NotEligible,
    /// The model, or what prepares its images, failed.
    Failed,
}

/// What came of one case, once.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseAnswer {
    /// How it ended.
    pub ended: CaseEnd,
    /// What was measured of its images, by name.
    pub features: BTreeMap<String, f64>,
    /// Calibrated score of the finding.
    pub score: Option<f64>,
    /// Whether the model says that the finding is there.
    pub present: Option<bool>,
    /// Whether it lies outside the acquisition envelope; `None`: there is none to compare with.
    pub outside: Option<bool>,
}

impl CaseAnswer {
    /// A case that the model did not answer.
    pub fn ended(ended: CaseEnd) -> CaseAnswer {
        CaseAnswer { ended, features: BTreeMap::new(), score: None, present: None, outside: None }
    }
}

/// What is true of a case, told without the answer of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaseTruth {
    /// Whether the finding is there.
    pub present: bool,
    /// Class of the label; `None`: not recorded.
    pub class: Option<Independence>,
}

/// A case that was analysed untouched, and the same case with the fault.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultPair {
    /// `None`: nobody has said what is true of it, so that it counts for the images alone.
    pub truth: Option<CaseTruth>,
    /// Untouched.
    pub untouched: CaseAnswer,
    /// With the fault.
    pub faulty: CaseAnswer,
}

/// What was done to which cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// What was done to each case, in words.
    pub change: String,
    /// Record of the reference set.
    pub reference_set: Digest,
    /// The package whose answers are compared.
    pub package: Digest,
    /// The finding that answers are about.
    pub finding: String,
    /// Seed of what was drawn.
    pub seed: u64,
    /// Cases left out: not analysed although untouched, or of images to which this cannot be done.
    pub n_left_out: u64,
    /// Why the first of those of the second kind was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out_because: Option<String>,
}

/// What a fault did to the cases of a reference set. Intervals are of 95 % and take cases as independent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was done.
    #[serde(flatten)]
    pub experiment: Experiment,
    /// Cases answered both untouched and with the fault.
    pub n_cases: u64,
    /// Mean shift of each feature, in standard deviations of the untouched cases, -100 to 100.
    pub features: BTreeMap<String, Figure>,
    /// What the sensitivity loses at the operating point; `None`: no case shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity_loss: Option<Figure>,
    /// What the specificity loses at the operating point; `None`: no case shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specificity_loss: Option<Figure>,
    /// Slope of the calibrated scores with the fault on those without: what they are multiplied with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_gain: Option<Figure>,
    /// How far the scores move at the mean of the negatives, in standard deviations of the negatives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_offset: Option<Figure>,
    /// Share of the cases that the fault keeps from being eligible.
    pub not_eligible: Figure,
    /// Share of the eligible cases whose run fails; `None`: none was eligible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Figure>,
    /// Share outside the acquisition envelope with the fault; `None`: no case could be compared with one both times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_envelope: Option<Figure>,
    /// The same of the same cases without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_untouched: Option<Figure>,
}

impl Measurement {
    /// What the pairs come to. The order of the pairs is of no account but for rounding.
    ///
    /// # Errors
    /// [`MonitorError::Rehearsal`] without a pair.
    pub fn of(experiment: Experiment, pairs: &[FaultPair], as_of: Timestamp) -> Result<Measurement, MonitorError> {
        let count = |ended: CaseEnd| pairs.iter().filter(|pair| pair.faulty.ended == ended).count() as u64;
        let (n, n_not_eligible) = (pairs.len() as u64, count(CaseEnd::NotEligible));
        let Some(not_eligible) = share(n_not_eligible, n, as_of) else {
            let why = experiment.left_out_because.as_deref().unwrap_or("none was analysed untouched");
            let problem = format!("no case shows what {:?} does: {why}", experiment.change);
            return Err(MonitorError::Rehearsal { problems: vec![problem] });
        };
        // The same cases with the fault and without, as for what is lost.
        let compared: Vec<(bool, bool)> =
            pairs.iter().filter_map(|pair| Some((pair.untouched.outside?, pair.faulty.outside?))).collect();
        let outside = |of: fn(&(bool, bool)) -> bool| {
            share(compared.iter().filter(|pair| of(pair)).count() as u64, compared.len() as u64, as_of)
        };
        let (score_gain, score_offset) = score_line(pairs, as_of);
        Ok(Measurement {
            experiment,
            n_cases: n,
            features: feature_shifts(pairs, as_of),
            sensitivity_loss: loss(pairs, true, as_of),
            specificity_loss: loss(pairs, false, as_of),
            score_gain,
            score_offset,
            not_eligible,
            failures: share(count(CaseEnd::Failed), n - n_not_eligible, as_of),
            outside_envelope: outside(|(_, faulty)| *faulty),
            outside_untouched: outside(|(untouched, _)| *untouched),
        })
    }

    /// What it comes to in a rehearsal.
    ///
    /// Scores there follow from sensitivity and specificity, so that the loss of both says how they move; gain and offset are
    /// told for people and put at rest here, lest the same change count twice. Where no case shows a loss there is nothing
    /// that could count twice, and what is assumed of the scores stays.
    pub fn effect(&self) -> Effect {
        let value = |figure: &Figure| figure.value;
        let shifts: BTreeMap<_, _> = self.features.iter().map(|(name, shift)| (name.clone(), shift.value)).collect();
        let shows_loss = self.sensitivity_loss.is_some() || self.specificity_loss.is_some();
        Effect {
            features: (!shifts.is_empty()).then_some(shifts),
            sensitivity_loss: self.sensitivity_loss.as_ref().map(value),
            specificity_loss: self.specificity_loss.as_ref().map(value),
            score_gain: shows_loss.then_some(1.0),
            score_offset: shows_loss.then_some(0.0),
            not_eligible: Some(self.not_eligible.value),
            failures: self.failures.as_ref().map(value),
            outside_envelope: self.taken_outside(),
            ..Effect::default()
        }
    }

    /// Share of the cases inside the envelope that the fault takes out of it: what lies outside untouched is none of its
    /// doing, and would make a fault that nobody can see look as if it were found. `None` where no case shows it.
    fn taken_outside(&self) -> Option<f64> {
        let (faulty, untouched) = (self.outside_envelope.as_ref()?.value, self.outside_untouched.as_ref()?.value);
        (untouched < 1.0).then(|| ((faulty - untouched) / (1.0 - untouched)).clamp(0.0, 1.0))
    }
}

fn figure(value: f64, half_width: f64, n: usize, method: &str, as_of: Timestamp) -> Figure {
    let (lower, upper) = (value - half_width, value + half_width);
    Figure { value, lower, upper, n: n as u64, method: method.to_owned(), label_classes: Vec::new(), as_of }
}

/// A share with Wilson's interval; `None` of none.
fn share(happened: u64, n: u64, as_of: Timestamp) -> Option<Figure> {
    chance_figure(happened, n, as_of).ok()
}

/// Mean and standard deviation (n - 1), of two values or more.
fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let moments = Moments::of(values).ok()?;
    Some((moments.mean()?, moments.variance()?.sqrt()))
}

fn feature_shifts(pairs: &[FaultPair], as_of: Timestamp) -> BTreeMap<String, Figure> {
    let mut of_features: BTreeMap<&String, Vec<(f64, f64)>> = BTreeMap::new();
    for pair in pairs {
        for (name, before) in &pair.untouched.features {
            if let Some(after) = pair.faulty.features.get(name) {
                of_features.entry(name).or_default().push((*before, *after));
            }
        }
    }
    let shift = |(name, values): (&String, Vec<(f64, f64)>)| {
        let before: Vec<f64> = values.iter().map(|(before, _)| *before).collect();
        let moved: Vec<f64> = values.iter().map(|(before, after)| after - before).collect();
        let ((_, spread), (mean, error)) = (moments(&before)?, moments(&moved)?);
        // What never varies is told apart from what does by its bits: a mean of equal numbers may be off by one of them.
        let never_varies = before.iter().all(|value| *value == before[0]);
        let in_spreads = |change: f64| match never_varies {
            _ if change == 0.0 => 0.0,
            true => SHIFT_MAX.copysign(change),
            false => (change / spread).clamp(-SHIFT_MAX, SHIFT_MAX),
        };
        let half_width = Z * error / (values.len() as f64).sqrt();
        let mut told = figure(in_spreads(mean), 0.0, values.len(), "paired-mean/normal-95", as_of);
        (told.lower, told.upper) = (in_spreads(mean - half_width), in_spreads(mean + half_width));
        told.value.is_finite().then(|| (name.clone(), told))
    };
    of_features.into_iter().filter_map(shift).collect()
}

/// What the share of right answers loses, among cases with the finding or among those without, that were answered both times.
fn loss(pairs: &[FaultPair], present: bool, as_of: Timestamp) -> Option<Figure> {
    let (mut before, mut after, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for pair in pairs {
        let (Some(truth), Some(untouched), Some(faulty)) = (pair.truth, pair.untouched.present, pair.faulty.present)
        else {
            continue;
        };
        if truth.present == present {
            before.push(untouched == present);
            after.push(faulty == present);
            if let Some(class) = truth.class.filter(|class| !classes.contains(class)) {
                classes.push(class);
            }
        }
    }
    let estimate = PairedTable::of(&before, &after).and_then(|table| table.newcombe(0.95)).ok()?;
    Some(Figure {
        value: estimate.value,
        lower: estimate.lower,
        upper: estimate.upper,
        n: estimate.n,
        method: estimate.method.to_string(),
        label_classes: classes,
        as_of,
    })
}

/// Least squares of the scores with the fault on those without: slope, and the move at the mean of the negatives.
fn score_line(pairs: &[FaultPair], as_of: Timestamp) -> (Option<Figure>, Option<Figure>) {
    let both = |pair: &FaultPair| Some((pair.untouched.score?, pair.faulty.score?));
    let scores: Vec<(f64, f64)> = pairs.iter().filter_map(both).collect();
    let n = scores.len() as f64;
    let mean_of = |of: fn(&(f64, f64)) -> f64| scores.iter().map(of).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean_of(|score| score.0), mean_of(|score| score.1));
    let sxx: f64 = scores.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if scores.len() < 3 || sxx <= 0.0 {
        return (None, None);
    }
    let sxy: f64 = scores.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = sxy / sxx;
    let residuals: f64 = scores.iter().map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2)).sum();
    let error = (residuals / (n - 2.0)).sqrt();
    let method = "least-squares/normal-95";
    let gain = figure(slope, Z * error / sxx.sqrt(), scores.len(), method, as_of);
    let is_negative = |pair: &&FaultPair| pair.truth.is_some_and(|truth| !truth.present);
    let negatives: Vec<f64> = pairs.iter().filter(is_negative).filter_map(|pair| pair.untouched.score).collect();
    let offset = moments(&negatives).filter(|(_, spread)| 0.0 < *spread).map(|(mean, spread)| {
        let move_there = mean_y + slope * (mean - mean_x) - mean;
        let half_width = Z * error * (n.recip() + (mean - mean_x).powi(2) / sxx).sqrt();
        figure(move_there / spread, half_width / spread, scores.len(), method, as_of)
    });
    (Some(gain), offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn experiment() -> Experiment {
        Experiment {
            change: "noise".to_owned(),
            reference_set: Digest::of(b"set"),
            package: Digest::of(b"package"),
            finding: "nodule".to_owned(),
            seed: 1,
            n_left_out: 0,
            left_out_because: None,
        }
    }

    fn answer(noise: f64, score: f64) -> CaseAnswer {
        let features = BTreeMap::from([("noise".to_owned(), noise), ("rows".to_owned(), 512.0)]);
        let (score, present) = (Some(score), Some(0.5 <= score));
        CaseAnswer { ended: CaseEnd::Analysed, features, score, present, outside: Some(4.5 < noise) }
    }

    fn pair(present: bool, before: (f64, f64), after: (f64, f64)) -> FaultPair {
        let truth = Some(CaseTruth { present, class: Some(Independence::Unexposed) });
        FaultPair { truth, untouched: answer(before.0, before.1), faulty: answer(after.0, after.1) }
    }

    /// MV-45. By hand: noise 1, 2, 3, 4, 5 has the standard deviation sqrt(2.5); every case moves by 3.
    #[test]
    fn shifts_are_in_standard_deviations_of_the_untouched_cases() {
        let pairs: Vec<FaultPair> =
            (1..=5).map(|n| pair(true, (f64::from(n), 0.9), (f64::from(n) + 3.0, 0.9))).collect();
        let told = Measurement::of(experiment(), &pairs, at()).unwrap();
        let shift = &told.features["noise"];
        assert!((shift.value - 3.0 / 2.5_f64.sqrt()).abs() < 1e-12 && shift.n == 5, "{shift:?}");
        assert!((shift.upper - shift.lower).abs() < 1e-12, "every case moved alike: {shift:?}");
        assert_eq!(told.features["rows"].value, 0.0, "what never varies and does not move has not moved");
        assert_eq!(told.outside_envelope.as_ref().map(|share| share.value), Some(0.8));
        assert_eq!(told.outside_untouched.as_ref().map(|share| share.value), Some(0.2));
        // Of the four that lie inside, it takes three out.
        assert!((told.effect().outside_envelope.unwrap() - 0.75).abs() < 1e-12, "{:?}", told.effect());

        let mut moved = pairs;
        moved.iter_mut().for_each(|pair| *pair.faulty.features.get_mut("rows").unwrap() = 256.0);
        let told = Measurement::of(experiment(), &moved, at()).unwrap();
        assert_eq!(told.features["rows"].value, -SHIFT_MAX);
    }

    /// By hand: of four cases with the finding all are found untouched and two with the fault; of two without it one is right
    /// untouched, and both are with the fault.
    #[test]
    fn what_is_lost_is_counted_on_the_same_cases() {
        let mut pairs = vec![
            pair(true, (1.0, 0.9), (1.0, 0.8)),
            pair(true, (2.0, 0.9), (2.0, 0.4)),
            pair(true, (3.0, 0.7), (3.0, 0.6)),
            pair(true, (4.0, 0.6), (4.0, 0.2)),
            pair(false, (5.0, 0.6), (5.0, 0.3)),
            pair(false, (6.0, 0.2), (6.0, 0.1)),
        ];
        let told = Measurement::of(experiment(), &pairs, at()).unwrap();
        let losses = (told.sensitivity_loss.clone(), told.specificity_loss.clone());
        let (sensitivity, specificity) = (losses.0.unwrap(), losses.1.unwrap());
        assert_eq!((sensitivity.value, sensitivity.n, specificity.value, specificity.n), (0.5, 4, -0.5, 2));
        assert!(sensitivity.lower < 0.5 && 0.5 < sensitivity.upper, "{sensitivity:?}");
        assert_eq!(sensitivity.label_classes, [Independence::Unexposed]);
        let effect = told.effect();
        assert_eq!((effect.sensitivity_loss, effect.specificity_loss), (Some(0.5), Some(-0.5)));
        assert_eq!((effect.score_gain, effect.score_offset), (Some(1.0), Some(0.0)), "told twice it would count twice");

        // A label whose labeller saw an answer counts for the images alone; and so does a case without a result.
        pairs[0].truth = None;
        pairs[1].faulty = CaseAnswer::ended(CaseEnd::Failed);
        pairs[2].faulty = CaseAnswer::ended(CaseEnd::NotEligible);
        let told = Measurement::of(experiment(), &pairs, at()).unwrap();
        let sensitivity = told.sensitivity_loss.unwrap();
        assert_eq!((sensitivity.value, sensitivity.n), (1.0, 1));
        let (not_eligible, failures) = (told.not_eligible, told.failures.unwrap());
        assert_eq!((not_eligible.value, not_eligible.n), (1.0 / 6.0, 6));
        assert_eq!((failures.value, failures.n), (0.2, 5));
    }

    /// By hand: scores 0.2, 0.4, 0.6, 0.8 become half of them plus 0.1; the negatives are 0.2 and 0.4, with mean 0.3 and
    /// standard deviation sqrt(0.02).
    #[test]
    fn scores_that_shrink_have_a_gain_and_an_offset() {
        let line = |present, score: f64| pair(present, (1.0, score), (1.0, 0.5 * score + 0.1));
        let pairs = [line(false, 0.2), line(false, 0.4), line(true, 0.6), line(true, 0.8)];
        let told = Measurement::of(experiment(), &pairs, at()).unwrap();
        let (gain, offset) = (told.score_gain.unwrap(), told.score_offset.unwrap());
        assert!((gain.value - 0.5).abs() < 1e-12 && (gain.upper - gain.lower).abs() < 1e-6, "{gain:?}");
        assert!((offset.value - (0.25 - 0.3) / 0.02_f64.sqrt()).abs() < 1e-9, "{offset:?}");
    }

    #[test]
    fn nothing_is_measured_of_nothing() {
        let mut none = experiment();
        none.left_out_because = Some("the image is colour".to_owned());
        let said = Measurement::of(none, &[], at()).unwrap_err().to_string();
        assert!(said.contains("the image is colour"), "{said}");
        let unanswered =
            FaultPair { faulty: CaseAnswer::ended(CaseEnd::NotEligible), ..pair(true, (1.0, 0.9), (1.0, 0.9)) };
        let told = Measurement::of(experiment(), &[unanswered], at()).unwrap();
        assert_eq!((told.not_eligible.value, &told.failures, &told.sensitivity_loss), (1.0, &None, &None));
        assert!(told.features.is_empty() && told.outside_envelope.is_none());
        // A fault that nobody could measure the loss of is not harmless: what is assumed of images and scores stays.
        assert_eq!(told.effect().features, None);
        assert_eq!((told.effect().score_gain, told.effect().score_offset), (None, None));
    }

    /// What lies outside untouched is no effect of a fault that moves nothing; and where all does, nothing is shown.
    #[test]
    fn what_lies_outside_anyway_is_no_effect() {
        let outside = |noise: &[f64]| {
            let pairs: Vec<FaultPair> = noise.iter().map(|noise| pair(true, (*noise, 0.9), (*noise, 0.8))).collect();
            let told = Measurement::of(experiment(), &pairs, at()).unwrap();
            (told.outside_envelope.as_ref().map(|share| share.value), told.effect().outside_envelope)
        };
        assert_eq!(outside(&[1.0, 2.0, 3.0, 4.0, 5.0]), (Some(0.2), Some(0.0)));
        assert_eq!(outside(&[5.0, 6.0, 7.0]), (Some(1.0), None));
    }

    /// What is kept reads back: it is part of a record that people sign.
    #[test]
    fn a_measurement_reads_back() {
        let pairs = [pair(true, (1.0, 0.9), (2.0, 0.8)), pair(false, (2.0, 0.1), (4.0, 0.3))];
        let told = Measurement::of(experiment(), &pairs, at()).unwrap();
        let text = serde_json::to_string(&told).unwrap();
        assert_eq!(serde_json::from_str::<Measurement>(&text).unwrap(), told);
        assert!(text.contains("\"reference_set\"") && text.contains("\"seed\":1"), "{text}");
    }
}
