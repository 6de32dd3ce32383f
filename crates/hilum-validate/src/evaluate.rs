//! Protocol and outcomes to a report.

use crate::ValidateError;
use crate::case::Case;
use crate::conclude::conclude;
use crate::describe;
use crate::figures::Settings;
use crate::judge::{groups, judge_criterion, judge_subgroup};
use crate::plan::plan_of;
use crate::prepared::{Prepared, Stage};
use crate::protocol::{Comparator, FrozenProtocol, Metric, OnInsufficient, OperatingPoint};
use crate::report::{
    CriterionResult, ModelIdentity, ProtocolShown, REPORT_FORMAT, ReferenceSetIdentity, Report, RunFacts,
    SubgroupResult, SubgroupRule, Verdict, Waiver,
};
use hilum_types::{Digest, Timestamp};

/// Everything a report is made of. The same input gives the same report, byte for byte, in whatever order the cases come.
#[derive(Debug, Clone)]
pub struct EvaluationInput<'a> {
    /// What is asked.
    pub protocol: &'a FrozenProtocol,
    /// The record in which it was frozen.
    pub protocol_record: Digest,
    /// Who froze it.
    pub frozen_by: String,
    /// When.
    pub frozen_at: Timestamp,
    /// The model under test.
    pub model: ModelIdentity,
    /// The version it is compared with, where the cases hold its outcomes.
    pub champion: Option<ModelIdentity>,
    /// The cases' origin.
    pub reference_set: ReferenceSetIdentity,
    /// The cases with their outcomes.
    pub cases: &'a [Case],
    /// Waivers whose signatures the caller has checked.
    pub waivers: &'a [Waiver],
    /// Go on although the plan is underpowered; the report says so.
    pub knowingly: bool,
    /// How it was run.
    pub run: RunFacts,
}

/// Judge the outcomes by the protocol.
///
/// # Errors
/// [`ValidateError::Cases`] when the cases contradict themselves or the protocol (two of one id, one not run, a score that is
/// no number, another reference set, a column that no case has); [`ValidateError::NoChampion`];
/// [`ValidateError::Underpowered`] unless `knowingly`; [`ValidateError::Protocol`] when a criterion needs a threshold and none
/// is known.
pub fn evaluate(input: &EvaluationInput<'_>) -> Result<Report, ValidateError> {
    let protocol = &input.protocol.protocol;
    if input.reference_set.record != protocol.reference_set {
        return Err(ValidateError::Cases(vec![format!(
            "they are of reference set {}, the protocol asks for {}; run it on that, or freeze a protocol for this one",
            input.reference_set.record.short(),
            protocol.reference_set.short()
        )]));
    }
    let prepared = Prepared::new(protocol, input.cases, Stage::Evaluate)?;
    let settings = settings(input)?;
    check_champion(input)?;
    let plan = plan_of(&Prepared::new(protocol, input.cases, Stage::Before)?, settings.champion_threshold);
    plan.check(input.knowingly)?;

    let mut criteria: Vec<CriterionResult> =
        protocol.criteria.iter().map(|criterion| judge_criterion(criterion, &prepared, &settings)).collect();
    let mut subgroups = Vec::new();
    for subgroup in &protocol.subgroups {
        for group in groups(subgroup, &prepared) {
            subgroups.push(judge_subgroup(subgroup, group, &prepared, &settings));
        }
    }
    waive(input, &mut criteria, &mut subgroups);
    let underpowered_knowingly = input.knowingly && !plan.underpowered().is_empty();
    let conclusion = conclude(input, &criteria, &subgroups, underpowered_knowingly, &prepared.flow);
    let mut report = Report {
        format: REPORT_FORMAT,
        verdict: conclusion.verdict,
        sentence: conclusion.sentence,
        reasons: conclusion.reasons,
        post_hoc: input.protocol.post_hoc,
        underpowered_knowingly,
        protocol: ProtocolShown {
            record: input.protocol_record,
            content: input.protocol.content,
            frozen_by: input.frozen_by.clone(),
            frozen_at: input.frozen_at,
            supersedes: input.protocol.supersedes,
            document: protocol.clone(),
        },
        model: ModelIdentity { threshold: settings.threshold, ..input.model.clone() },
        champion: input
            .champion
            .as_ref()
            .map(|champion| ModelIdentity { threshold: settings.champion_threshold, ..champion.clone() }),
        reference_set: input.reference_set.clone(),
        run: input.run.clone(),
        flow: prepared.flow.clone(),
        notes: describe::notes(&prepared, &plan, &input.reference_set, &subgroups, input.champion.is_some()),
        plan,
        criteria,
        subgroups,
        waivers: input.waivers.to_vec(),
        classification: describe::classification(&prepared, &settings),
        measures: describe::measures(&prepared, &settings),
        comparison: input.champion.is_some().then(|| describe::comparison(&prepared, &settings)),
        failures: describe::failures(&prepared, &settings),
        methods: Vec::new(),
    };
    report.waivers.sort_by(|a, b| (&a.gap, &a.record).cmp(&(&b.gap, &b.record)));
    let written = serde_json::to_value(&report).map_err(|error| ValidateError::Page(error.to_string()))?;
    report.methods = describe::methods(&written);
    Ok(report)
}

/// Thresholds of both versions, and a refusal where a gate needs one and there is none.
fn settings<'a>(input: &EvaluationInput<'a>) -> Result<Settings<'a>, ValidateError> {
    let protocol = &input.protocol.protocol;
    let stated = match protocol.operating_point {
        OperatingPoint::Stated { threshold } => Some(threshold),
        OperatingPoint::Package | OperatingPoint::Deployment => None,
    };
    let threshold = stated.or(input.model.threshold).filter(|threshold| threshold.is_finite());
    let champion_threshold =
        input.champion.as_ref().and_then(|champion| champion.threshold.or(stated)).filter(|t| t.is_finite());
    let at_threshold =
        |metric: Metric| matches!(metric, Metric::Sensitivity | Metric::Specificity | Metric::Ppv | Metric::Npv);
    let mut problems = Vec::new();
    let gates = protocol.criteria.iter().map(|c| (c.name.as_str(), c.metric, c.comparator));
    let groups = protocol.subgroups.iter().map(|s| (s.attribute.as_str(), s.metric, s.comparator));
    for (name, metric, comparator) in gates.chain(groups).filter(|(_, metric, _)| at_threshold(*metric)) {
        if threshold.is_none() {
            problems.push(format!(
                "{name:?} needs a threshold and the model has none; add an operating point to the package, or state one in [operating_point]"
            ));
        } else if comparator == Comparator::Champion && input.champion.is_some() && champion_threshold.is_none() {
            problems
                .push(format!("{name:?} compares {metric} and the champion has no threshold; add one to its package"));
        }
    }
    if problems.is_empty() {
        Ok(Settings { protocol, threshold, champion_threshold })
    } else {
        Err(ValidateError::Protocol(problems))
    }
}

fn check_champion(input: &EvaluationInput<'_>) -> Result<(), ValidateError> {
    let protocol = &input.protocol.protocol;
    let run = input.champion.is_some() && input.cases.iter().any(|case| case.champion.is_some());
    if !protocol.needs_champion() || run {
        return Ok(());
    }
    let criterion = protocol.criteria.iter().find(|c| c.comparator == Comparator::Champion).map(|c| c.name.clone());
    let group =
        || protocol.subgroups.iter().find(|s| s.comparator == Comparator::Champion).map(|s| s.attribute.clone());
    Err(ValidateError::NoChampion(criterion.or_else(group).unwrap_or_default()))
}

/// Writes down which waiver answers for which gap.
fn waive(input: &EvaluationInput<'_>, criteria: &mut [CriterionResult], subgroups: &mut [SubgroupResult]) {
    let protocol = &input.protocol.protocol;
    let waiver = |key: &str| {
        let of_gap = input.waivers.iter().filter(|waiver| waiver.gap == key);
        of_gap.map(|waiver| waiver.record).min()
    };
    for (criterion, result) in protocol.criteria.iter().zip(criteria) {
        if result.verdict == Verdict::Insufficient && criterion.on_insufficient == OnInsufficient::Waive {
            result.waived_by = waiver(&result.name);
        }
    }
    for result in subgroups.iter_mut().filter(|result| result.rule != SubgroupRule::NotJudged) {
        let asked = protocol
            .subgroups
            .iter()
            .find(|subgroup| subgroup.attribute == result.attribute && subgroup.metric == result.metric);
        let may = asked.is_some_and(|subgroup| subgroup.on_insufficient == OnInsufficient::Waive);
        if may && result.verdict == Verdict::Insufficient {
            result.waived_by = waiver(&result.key);
        }
    }
}
