//! An assessment report: a person as observer, and for each finding one verdict, the truth that goes with it, and every
//! assessed object once in the tree and once in the evidence.

use super::content::is_named;
use super::{Findings, Scope};
use crate::attribute as a;
use crate::code::{self, Code};
use crate::read::Verdict;
use hilum_dicom::{DataSet, Tag};
use std::collections::BTreeSet;

const CONTENT: &[Tag] = &[a::CONTENT_SEQUENCE];
const BELOW: &[Tag] = &[a::CONTENT_SEQUENCE, a::CONTENT_SEQUENCE];

pub(super) fn check(root: &DataSet, scope: &Scope<'_>, found: &mut Findings) {
    let is_assessment = is_named(root, code::AI_RESULT_ASSESSMENT);
    found.require(is_assessment, &[a::CONCEPT_NAME_CODE_SEQUENCE], "is not AI Result Assessment");
    found.require(root.get(a::RELATIONSHIP_TYPE).is_none(), &[a::RELATIONSHIP_TYPE], "is on the root of the tree");
    let items = root.items(a::CONTENT_SEQUENCE);
    found.require(one(items, code::LANGUAGE).is_some(), CONTENT, "holds no language (TID 1204)");
    let observer = one(items, code::OBSERVER_TYPE).and_then(|item| item.code(a::CONCEPT_CODE_SEQUENCE));
    found.require(observer == Some(code::PERSON.concept()), CONTENT, "holds no person as observer (TID 1001)");
    found.require(
        one(items, code::PERSON_OBSERVER_NAME).is_some(),
        CONTENT,
        "holds no name of the observer (TID 1003)",
    );
    let mut open: Vec<&DataSet> = items.iter().collect();
    while let Some(item) = open.pop() {
        node(item, found);
        open.extend(item.items(a::CONTENT_SEQUENCE));
    }
    let wanted: BTreeSet<String> = scope.source.iter().map(|h| h.sop_instance_uid.as_str().to_owned()).collect();
    let listed = root
        .items(a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE)
        .iter()
        .flat_map(|study| study.items(a::REFERENCED_SERIES_SEQUENCE))
        .flat_map(|series| series.items(a::REFERENCED_SOP_SEQUENCE));
    let evidence = [a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE];
    found.require(each_once(listed, &wanted), &evidence, "does not name each assessed object once");
    let mut n_findings = 0;
    for finding in items.iter().filter(|item| is_named(item, code::ASSESSMENT_OF_FINDING)) {
        n_findings += 1;
        self::finding(finding, &wanted, found);
    }
    found.require(0 < n_findings, CONTENT, "holds no assessment of a finding: an empty report says nothing");
}

/// The answer to one finding.
fn finding(container: &DataSet, wanted: &BTreeSet<String>, found: &mut Findings) {
    let items = container.items(a::CONTENT_SEQUENCE);
    found.require(container.string(a::OBSERVATION_DATE_TIME).is_some(), CONTENT, "holds no time of observation");
    found.require(one(items, code::TRACKING_IDENTIFIER).is_some(), BELOW, "holds no Tracking Identifier");
    found.require(one(items, code::FINDING).is_some(), BELOW, "holds no finding");
    let verdicts = [Verdict::Accepted, Verdict::Modified, Verdict::Rejected];
    let said = one(items, code::ASSESSMENT).and_then(|item| item.code(a::CONCEPT_CODE_SEQUENCE));
    let verdict = verdicts.into_iter().find(|verdict| said == Some(verdict.code().concept()));
    found.require(verdict.is_some(), BELOW, "is not accepted, modified or rejected");
    let has_truth = one(items, code::PRESENCE).is_some();
    let needs_truth = verdict.is_some_and(|verdict| verdict != Verdict::Accepted);
    found.require(has_truth || !needs_truth, BELOW, "does not say what is true instead");
    let assessed = items.iter().filter(|item| is_named(item, code::ASSESSED_RESULT));
    let references = assessed.flat_map(|item| item.items(a::REFERENCED_SOP_SEQUENCE));
    found.require(each_once(references, wanted), BELOW, "does not name each assessed object once");
}

/// The only item of that name.
fn one(items: &[DataSet], name: Code) -> Option<&DataSet> {
    let mut named = items.iter().filter(|item| is_named(item, name));
    named.next().filter(|_| named.next().is_none())
}

fn each_once<'d>(references: impl Iterator<Item = &'d DataSet>, wanted: &BTreeSet<String>) -> bool {
    let uids: Vec<String> = references.filter_map(|item| item.string(a::REFERENCED_SOP_INSTANCE_UID)).collect();
    uids.len() == wanted.len() && uids.into_iter().collect::<BTreeSet<String>>() == *wanted
}

/// One item below the root: its value type has its value, and its relationship is one of those used here, which
/// section A.35.2.3.1.2 allows.
fn node(item: &DataSet, found: &mut Findings) {
    let path = |tag: Tag| [a::CONTENT_SEQUENCE, tag];
    let relationship = item.string(a::RELATIONSHIP_TYPE).unwrap_or_default();
    let is_allowed = ["CONTAINS", "HAS OBS CONTEXT", "HAS CONCEPT MOD"].contains(&relationship.as_str());
    found.require(is_allowed, &path(a::RELATIONSHIP_TYPE), "is not a relationship of this document");
    let is_named = item.items(a::CONCEPT_NAME_CODE_SEQUENCE).len() == 1;
    found.require(is_named, &path(a::CONCEPT_NAME_CODE_SEQUENCE), "needs one item");
    let has = |tag| item.string(tag).is_some();
    let (tag, holds) = match item.string(a::VALUE_TYPE).unwrap_or_default().as_str() {
        "CONTAINER" => (a::CONTINUITY_OF_CONTENT, has(a::CONTINUITY_OF_CONTENT)),
        "TEXT" => (a::TEXT_VALUE, has(a::TEXT_VALUE)),
        "PNAME" => (a::PERSON_NAME, has(a::PERSON_NAME)),
        "CODE" => (a::CONCEPT_CODE_SEQUENCE, item.items(a::CONCEPT_CODE_SEQUENCE).len() == 1),
        "UIDREF" => (a::UID, item.uid(a::UID).is_some()),
        "IMAGE" | "COMPOSITE" => (a::REFERENCED_SOP_SEQUENCE, item.items(a::REFERENCED_SOP_SEQUENCE).len() == 1),
        _ => (a::VALUE_TYPE, false),
    };
    found.require(holds, &path(tag), "does not hold what its value type needs");
}
