use crate::plan::Plan;
use crate::prepared::{Prepared, Row};
use crate::protocol::{Multiplicity, Unit};
use crate::report::{ReferenceSetIdentity, SubgroupResult, SubgroupRule};
use crate::text::{counted, percent};

/// What a reader must know to not misread the figures.
pub(crate) fn notes(
    prepared: &Prepared<'_>,
    plan: &Plan,
    reference_set: &ReferenceSetIdentity,
    subgroups: &[SubgroupResult],
    compared: bool,
) -> Vec<String> {
    let flow = &prepared.flow;
    let mut notes = Vec::new();
    let analysed: Vec<&Row<'_>> = prepared.rows.iter().filter(|row| row.ran).collect();
    let repeated = flow.patients < flow.analysed;
    if repeated && prepared.protocol.unit == Unit::Case {
        notes.push(format!(
            "{} are of {}; the protocol takes them as independent, so intervals may be too narrow.",
            counted(flow.analysed, "case"),
            counted(flow.patients, "patient")
        ));
    } else if prepared.clustered(&analysed) {
        notes.push(format!(
            "{} are of {}; intervals hold patients, not cases, to be independent{}.",
            counted(flow.analysed, "case"),
            counted(flow.patients, "patient"),
            by_case(prepared.classifies, compared)
        ));
    }
    if 0 < flow.exposed {
        notes.push(format!(
            "The labeller had seen a model's output on {}: left out of every figure of accuracy.",
            counted(flow.exposed, "case")
        ));
    }
    if 0 < flow.exposure_unknown {
        notes.push(format!(
            "Whether the labeller had seen a model's output is not recorded for {}; if so, the figures are too good.",
            counted(flow.exposure_unknown, "analysed case")
        ));
    }
    if flow.analysed < flow.eligible {
        notes.push(format!(
            "{} got no result and can be in no figure but completeness; the worst they could hide stands at the operating point.",
            counted(flow.eligible - flow.analysed, "eligible case")
        ));
    }
    if compared && 0 < flow.without_champion {
        notes.push(format!(
            "The champion gave no result on {}: in no comparison.",
            counted(flow.without_champion, "analysed case")
        ));
    }
    if 0 < reference_set.earlier_runs {
        notes.push(format!(
            "A gate had been run on these cases {} before; every look at the same cases makes the best of several models look better than it is.",
            counted(reference_set.earlier_runs, "time")
        ));
    }
    if prepared.classifies {
        notes.push(
            "Predictive values, average precision, Brier score and net benefit hold at the prevalence of these cases."
                .to_owned(),
        );
    }
    let judged = subgroups.iter().filter(|group| group.rule != SubgroupRule::NotJudged).count() as u64;
    let gates = prepared.protocol.criteria.len() as u64 + judged;
    notes.push(match prepared.protocol.multiplicity {
        Multiplicity::AllMustPass => format!(
            "All {gates} gates must pass, so each is tested at its full alpha (intersection-union test, Berger, Technometrics 24 (1982) 295-300); a good model's chance to pass them all is accordingly lower."
        ),
        Multiplicity::Bonferroni => "Each gate is tested at its alpha divided by the number of criteria and subgroup columns.".to_owned(),
    });
    if let Some(chance) = plan.all_pass_at_least {
        notes.push(format!(
            "By the power check a good model passes all gates of known power with a probability of at least {}.",
            percent((100.0 * chance).floor() / 100.0)
        ));
    }
    notes
}

/// What has no form for patients with several cases.
fn by_case(classifies: bool, compared: bool) -> &'static str {
    match (classifies, compared) {
        (false, _) => "",
        (true, false) => {
            "; only the bins of the reliability diagram (Wilson) and Spiegelhalter's test take cases as independent, so these may look surer than they are"
        }
        (true, true) => {
            "; only the bins of the reliability diagram (Wilson), Spiegelhalter's test and McNemar's tests take cases as independent, so these may look surer than they are"
        }
    }
}
