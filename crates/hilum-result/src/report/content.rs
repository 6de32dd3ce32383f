//! The content tree of PS3.3 section C.17.3: items, their value types and their relationships.

use crate::attribute as a;
use crate::code::Code;
use crate::common;
use hilum_dicom::DataSet;
use hilum_types::{CodedConcept, ImageReference, Timestamp, Uid};

/// Relationship of an item to its parent (PS3.3 section C.17.3.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relationship {
    Contains,
    HasObsContext,
    HasAcqContext,
    HasConceptMod,
    SelectedFrom,
}

impl Relationship {
    fn term(self) -> &'static str {
        match self {
            Relationship::Contains => "CONTAINS",
            Relationship::HasObsContext => "HAS OBS CONTEXT",
            Relationship::HasAcqContext => "HAS ACQ CONTEXT",
            Relationship::HasConceptMod => "HAS CONCEPT MOD",
            Relationship::SelectedFrom => "SELECTED FROM",
        }
    }
}

/// Value of an item (PS3.3 section C.17.3.2.1).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A container; the template it follows, when it is the root of one.
    Container(Option<&'static str>),
    Text(String),
    Code(CodedConcept),
    Num {
        value: f64,
        unit: CodedConcept,
    },
    UidRef(Uid),
    /// A person, as VR `PN` has the name.
    PersonName(String),
    /// An image, or some frames or one segment of it; frames and segment exclude each other (section C.17.3.2.6).
    Image {
        sop_class_uid: Uid,
        sop_instance_uid: Uid,
        frame: Option<u32>,
        segment: Option<u16>,
    },
    /// An object that is no image, such as a report.
    Composite {
        sop_class_uid: Uid,
        sop_instance_uid: Uid,
    },
    /// Closed outline in pixel coordinates of the image it is selected from: x, y, x, y, ...
    Polyline(Vec<f64>),
}

impl Value {
    pub(crate) fn image(reference: &ImageReference) -> Value {
        Value::Image {
            sop_class_uid: reference.sop_class_uid.clone(),
            sop_instance_uid: reference.sop_instance_uid.clone(),
            frame: reference.frame,
            segment: None,
        }
    }

    fn term(&self) -> &'static str {
        match self {
            Value::Container(_) => "CONTAINER",
            Value::Text(_) => "TEXT",
            Value::Code(_) => "CODE",
            Value::Num { .. } => "NUM",
            Value::UidRef(_) => "UIDREF",
            Value::PersonName(_) => "PNAME",
            Value::Image { .. } => "IMAGE",
            Value::Composite { .. } => "COMPOSITE",
            Value::Polyline(_) => "SCOORD",
        }
    }
}

/// One item of the tree with everything below it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ContentItem {
    /// `None` for the root only.
    pub(crate) relationship: Option<Relationship>,
    /// Concept name; an image in the image library has none.
    pub(crate) name: Option<CodedConcept>,
    /// When it was observed, in UTC, where that is another moment than the content of the document.
    pub(crate) observed_at: Option<Timestamp>,
    pub(crate) value: Value,
    pub(crate) children: Vec<ContentItem>,
}

impl ContentItem {
    pub(crate) fn new(relationship: Relationship, name: Code, value: Value) -> ContentItem {
        ContentItem { name: Some(name.concept()), ..ContentItem::unnamed(relationship, value) }
    }

    pub(crate) fn named(relationship: Relationship, name: &CodedConcept, value: Value) -> ContentItem {
        ContentItem { name: Some(name.clone()), ..ContentItem::unnamed(relationship, value) }
    }

    /// An item of a template whose row has no concept name.
    pub(crate) fn unnamed(relationship: Relationship, value: Value) -> ContentItem {
        ContentItem { relationship: Some(relationship), name: None, observed_at: None, value, children: Vec::new() }
    }

    /// The whole document; its name is the title.
    pub(crate) fn root(title: CodedConcept, value: Value, children: Vec<ContentItem>) -> ContentItem {
        ContentItem { relationship: None, name: Some(title), observed_at: None, value, children }
    }

    pub(crate) fn observed_at(mut self, moment: Timestamp) -> ContentItem {
        self.observed_at = Some(moment);
        self
    }

    pub(crate) fn with(mut self, children: Vec<ContentItem>) -> ContentItem {
        self.children = children;
        self
    }

    /// Write this item and everything below into `item`.
    pub(crate) fn write(self, item: &mut DataSet) {
        if let Some(relationship) = self.relationship {
            item.put(a::RELATIONSHIP_TYPE, relationship.term());
        }
        if let Some(moment) = self.observed_at {
            let (date, time) = moment.dicom_date_time();
            item.put(a::OBSERVATION_DATE_TIME, format!("{date}{time}+0000"));
        }
        item.put(a::VALUE_TYPE, self.value.term());
        if let Some(name) = &self.name {
            item.put_code(a::CONCEPT_NAME_CODE_SEQUENCE, name);
        }
        write_value(self.value, item);
        if !self.children.is_empty() {
            let children = self.children.into_iter().map(|child| {
                let mut inner = DataSet::new();
                child.write(&mut inner);
                inner
            });
            item.put_sequence(a::CONTENT_SEQUENCE, children.collect());
        }
    }
}

fn write_value(value: Value, item: &mut DataSet) {
    match value {
        Value::Container(template) => {
            item.put(a::CONTINUITY_OF_CONTENT, "SEPARATE");
            if let Some(identifier) = template {
                let mut inner = DataSet::new();
                inner.put(a::MAPPING_RESOURCE, "DCMR");
                inner.put(a::TEMPLATE_IDENTIFIER, identifier);
                item.put_sequence(a::CONTENT_TEMPLATE_SEQUENCE, vec![inner]);
            }
        }
        Value::Text(text) => {
            item.put(a::TEXT_VALUE, &text);
        }
        Value::Code(code) => {
            item.put_code(a::CONCEPT_CODE_SEQUENCE, &code);
        }
        Value::Num { value, unit } => {
            let mut measured = DataSet::new();
            measured.put_number(a::NUMERIC_VALUE, value);
            // Floating Point Value is required when Numeric Value has not enough precision (section C.18.1).
            if measured.number(a::NUMERIC_VALUE) != Some(value) {
                measured.put_number(a::FLOATING_POINT_VALUE, value);
            }
            measured.put_code(a::MEASUREMENT_UNITS_CODE_SEQUENCE, &unit);
            item.put_sequence(a::MEASURED_VALUE_SEQUENCE, vec![measured]);
        }
        Value::UidRef(uid) => {
            item.put_uid(a::UID, &uid);
        }
        Value::PersonName(name) => {
            item.put(a::PERSON_NAME, &name);
        }
        Value::Image { sop_class_uid, sop_instance_uid, frame, segment } => {
            let mut reference = DataSet::new();
            reference.put(a::REFERENCED_SOP_CLASS_UID, sop_class_uid.as_str());
            reference.put(a::REFERENCED_SOP_INSTANCE_UID, sop_instance_uid.as_str());
            if let Some(frame) = frame {
                reference.put(a::REFERENCED_FRAME_NUMBER, frame.to_string());
            }
            if let Some(segment) = segment {
                reference.put_number(a::REFERENCED_SEGMENT_NUMBER, segment);
            }
            item.put_sequence(a::REFERENCED_SOP_SEQUENCE, vec![reference]);
        }
        Value::Composite { sop_class_uid, sop_instance_uid } => {
            let reference = common::sop_reference(&sop_class_uid, &sop_instance_uid);
            item.put_sequence(a::REFERENCED_SOP_SEQUENCE, vec![reference]);
        }
        Value::Polyline(points) => {
            item.put(a::GRAPHIC_TYPE, "POLYLINE");
            item.put_numbers(a::GRAPHIC_DATA, &points);
        }
    }
}
