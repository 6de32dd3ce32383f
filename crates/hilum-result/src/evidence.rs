//! References to objects that are there already: from the content tree, and from the evidence that lists them by series.

use crate::attribute as a;
use crate::common;
use crate::report::content::Value;
use hilum_dicom::DataSet;
use hilum_types::{InstanceHeader, Uid};

/// A content item has one value type for images and one for other composite objects.
pub(crate) fn pointer(header: &InstanceHeader) -> Value {
    let (sop_class_uid, sop_instance_uid) = (header.sop_class_uid.clone(), header.sop_instance_uid.clone());
    if is_image(&sop_class_uid) {
        Value::Image { sop_class_uid, sop_instance_uid, frame: None, segment: None }
    } else {
        Value::Composite { sop_class_uid, sop_instance_uid }
    }
}

/// Whether a storage class of PS3.4 section B.5 is an image: not a report, presentation state, encapsulated document
/// or raw data. A segmentation (66.4) is one.
fn is_image(sop_class_uid: &Uid) -> bool {
    const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
    let Some(rest) = sop_class_uid.as_str().strip_prefix(STORAGE) else { return false };
    rest == "66.4" || !["11.", "66", "88.", "104."].iter().any(|family| rest.starts_with(family))
}

/// Every object by its series (PS3.3 section C.17.2.3), all of the study of `first`.
pub(crate) fn evidence(objects: &[&InstanceHeader], first: &InstanceHeader) -> DataSet {
    let mut by_series: Vec<(&Uid, Vec<DataSet>)> = Vec::new();
    for header in objects {
        let reference = common::sop_reference(&header.sop_class_uid, &header.sop_instance_uid);
        match by_series.iter_mut().find(|(series, _)| *series == &header.series_instance_uid) {
            Some((_, references)) => references.push(reference),
            None => by_series.push((&header.series_instance_uid, vec![reference])),
        }
    }
    let series = by_series.into_iter().map(|(uid, references)| of_series(uid, references)).collect();
    of_study(&first.study_instance_uid, series)
}

/// Objects of one series.
pub(crate) fn of_series(series_instance_uid: &Uid, references: Vec<DataSet>) -> DataSet {
    let mut item = DataSet::new();
    item.put_uid(a::SERIES_INSTANCE_UID, series_instance_uid).put_sequence(a::REFERENCED_SOP_SEQUENCE, references);
    item
}

/// Series of one study: Hierarchical SOP Instance Reference Macro, PS3.3 section C.17.2.1.
pub(crate) fn of_study(study_instance_uid: &Uid, series: Vec<DataSet>) -> DataSet {
    let mut item = DataSet::new();
    item.put_uid(a::STUDY_INSTANCE_UID, study_instance_uid).put_sequence(a::REFERENCED_SERIES_SEQUENCE, series);
    item
}
