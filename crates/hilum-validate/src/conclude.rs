//! From the gates to one answer.

use crate::evaluate::EvaluationInput;
use crate::report::{CriterionResult, Flow, SubgroupResult, SubgroupRule, Verdict};
use crate::text::counted;

/// The answer and its reasons.
pub(crate) struct Conclusion {
    pub(crate) verdict: Verdict,
    pub(crate) sentence: String,
    pub(crate) reasons: Vec<String>,
}

/// A gate, criterion or group, as the answer needs it.
struct Gate<'a> {
    name: &'a str,
    verdict: Verdict,
    waived: bool,
    sentence: &'a str,
}

/// Fail if anything fails, else insufficient if a gap is left that no waiver answers for, else pass.
pub(crate) fn conclude(
    input: &EvaluationInput<'_>,
    criteria: &[CriterionResult],
    subgroups: &[SubgroupResult],
    underpowered: bool,
    flow: &Flow,
) -> Conclusion {
    let of_criterion = |result: &'_ CriterionResult| (result.verdict, result.waived_by.is_some());
    let mut gates = Vec::new();
    for result in criteria {
        let (verdict, waived) = of_criterion(result);
        gates.push(Gate { name: &result.name, verdict, waived, sentence: &result.sentence });
    }
    for result in subgroups.iter().filter(|result| result.rule != SubgroupRule::NotJudged) {
        let (verdict, waived) = (result.verdict, result.waived_by.is_some());
        gates.push(Gate { name: &result.key, verdict, waived, sentence: &result.sentence });
    }
    let with = |verdict: Verdict, waived: bool| -> Vec<&Gate<'_>> {
        gates.iter().filter(|gate| gate.verdict == verdict && gate.waived == waived).collect()
    };
    let (failed, open, waived) =
        (with(Verdict::Fail, false), with(Verdict::Insufficient, false), with(Verdict::Insufficient, true));
    let verdict = match (failed.is_empty(), open.is_empty()) {
        (false, _) => Verdict::Fail,
        (true, false) => Verdict::Insufficient,
        (true, true) => Verdict::Pass,
    };
    let mut sentence = headline(input, verdict, gates.len() - waived.len(), &failed, &open, flow);
    if !waived.is_empty() {
        sentence.push_str(&format!(" {} answered for by signed waivers.", of_gaps(waived.len())));
    }
    let mut reasons = Vec::new();
    if input.protocol.post_hoc {
        sentence.push_str(" Post-hoc: the protocol was written after results on these cases had been seen, so this explores and confirms nothing.");
    }
    if underpowered {
        reasons.push("The run went on knowingly although the power check had found gates that a good model would often miss: a \"fail\" may be owed to too few cases.".to_owned());
    }
    let told =
        |gates: &[&Gate<'_>]| gates.iter().map(|gate| format!("{}: {}", gate.name, gate.sentence)).collect::<Vec<_>>();
    reasons.extend(told(&failed));
    reasons.extend(told(&open));
    reasons.extend(told(&waived).into_iter().map(|reason| format!("{reason} A signed waiver answers for it.")));
    if verdict == Verdict::Pass {
        reasons.extend(told(&with(Verdict::Pass, false)));
    }
    Conclusion { verdict, sentence, reasons }
}

fn headline(
    input: &EvaluationInput<'_>,
    verdict: Verdict,
    n_gates: usize,
    failed: &[&Gate<'_>],
    open: &[&Gate<'_>],
    flow: &Flow,
) -> String {
    let model = format!("{} {}", input.model.name, input.model.version);
    let on = format!("on {} of {}", counted(flow.analysed, "case"), counted(flow.patients, "patient"));
    let all = counted(n_gates as u64, "gate");
    match verdict {
        Verdict::Pass if open.is_empty() => format!("Pass: {model} meets what was asked at {all}, {on}."),
        Verdict::Fail => format!("Fail: {model} misses {} of {all}, {on}: {}.", failed.len(), names(failed)),
        _ => format!(
            "Insufficient: nothing failed, but {} of {all} cannot be answered for {model} {on}: {}.",
            open.len(),
            names(open)
        ),
    }
}

fn of_gaps(n: usize) -> String {
    if n == 1 { "1 gap is".to_owned() } else { format!("{n} gaps are") }
}

/// The first few names, and how many more.
fn names(gates: &[&Gate<'_>]) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<String> = gates.iter().take(SHOWN).map(|gate| gate.name.to_owned()).collect();
    if SHOWN < gates.len() {
        names.push(format!("and {} more", gates.len() - SHOWN));
    }
    names.join(", ")
}
