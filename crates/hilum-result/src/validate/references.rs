//! Every UID an object refers to belongs to the study: to a source image or to an object of the same result.

use super::{Findings, Scope};
use crate::attribute as a;
use hilum_dicom::{DataSet, Tag, Value};
use hilum_types::Uid;
use std::collections::{BTreeMap, BTreeSet};

struct Known<'a> {
    classes: BTreeMap<&'a Uid, &'a Uid>,
    series: BTreeSet<&'a Uid>,
    study: Option<&'a Uid>,
}

pub(super) fn check(data_set: &DataSet, scope: &Scope<'_>, found: &mut Findings) {
    let sources = scope.source.iter().map(|h| (&h.sop_instance_uid, &h.sop_class_uid, &h.series_instance_uid));
    let results = scope.results.iter().map(|r| (&r.sop_instance_uid, &r.sop_class_uid, &r.series_instance_uid));
    let all: Vec<_> = sources.chain(results).collect();
    let known = Known {
        classes: all.iter().map(|(instance, class, _)| (*instance, *class)).collect(),
        series: all.iter().map(|(.., series)| *series).collect(),
        study: scope.source.first().map(|header| &header.study_instance_uid),
    };
    for (tag, element) in data_set.iter() {
        if let Value::Sequence(items) = &element.value {
            items.iter().for_each(|item| nested(item, &mut vec![tag], &known, found));
        }
    }
    if !data_set.items(a::CONTENT_SEQUENCE).is_empty() {
        evidence(data_set, found);
    }
}

fn nested(item: &DataSet, path: &mut Vec<Tag>, known: &Known<'_>, found: &mut Findings) {
    for (tag, element) in item.iter() {
        path.push(tag);
        let uid = item.uid(tag);
        match tag {
            a::REFERENCED_SOP_INSTANCE_UID => {
                let class = uid.as_ref().and_then(|uid| known.classes.get(uid));
                found.require(class.is_some(), path, "is not of this study");
                let stated = item.uid(a::REFERENCED_SOP_CLASS_UID);
                let agrees = class.is_none() || class.copied() == stated.as_ref();
                found.require(agrees, path, "has another SOP class than stated beside it");
            }
            a::SERIES_INSTANCE_UID => {
                found.require(uid.as_ref().is_some_and(|uid| known.series.contains(uid)), path, "is not of this study");
            }
            a::STUDY_INSTANCE_UID => found.require(uid.as_ref() == known.study, path, "is another study"),
            _ => {}
        }
        if let Value::Sequence(items) = &element.value {
            items.iter().for_each(|item| nested(item, path, known, found));
        }
        path.pop();
    }
}

/// What the content tree refers to is listed as evidence (PS3.3 section C.17.2.3).
fn evidence(data_set: &DataSet, found: &mut Findings) {
    let listed: BTreeSet<String> = data_set
        .items(a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE)
        .iter()
        .flat_map(|study| study.items(a::REFERENCED_SERIES_SEQUENCE))
        .flat_map(|series| series.items(a::REFERENCED_SOP_SEQUENCE))
        .filter_map(|reference| reference.string(a::REFERENCED_SOP_INSTANCE_UID))
        .collect();
    let mut open: Vec<&DataSet> = data_set.items(a::CONTENT_SEQUENCE).iter().collect();
    while let Some(item) = open.pop() {
        for reference in item.items(a::REFERENCED_SOP_SEQUENCE) {
            let uid = reference.string(a::REFERENCED_SOP_INSTANCE_UID);
            let is_listed = uid.is_some_and(|uid| listed.contains(&uid));
            found.require(
                is_listed,
                &[a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE],
                "does not list an image of the content tree",
            );
        }
        open.extend(item.items(a::CONTENT_SEQUENCE));
    }
}
