//! The columns of both tables, as Parquet knows them and as they are filled.

use crate::cell::Cell;
use crate::sealed::Sealed;
use hilum_monitor::{Agreement, Label, LabelSource, Observation, Truth};
use hilum_types::{Exposure, Independence};

impl Sealed for Observation {
    const SCHEMA: &'static str = "
        message inferences {
            required binary study_key (STRING);
            required int64 revision;
            required binary deployment (STRING);
            required binary package (STRING);
            required int64 event_at (TIMESTAMP(MICROS,true));
            required int64 recorded_at (TIMESTAMP(MICROS,true));
            required binary disposition (STRING);
            optional binary reason_code (STRING);
            required boolean visible;
            optional double seconds;
            required group attributes (MAP) {
                repeated group key_value {
                    required binary key (STRING);
                    required binary value (STRING);
                }
            }
            required group features (MAP) {
                repeated group key_value {
                    required binary key (STRING);
                    required double value;
                }
            }
            required group outputs (MAP) {
                repeated group key_value {
                    required binary key (STRING);
                    required group value {
                        optional double score;
                        optional boolean present;
                    }
                }
            }
            optional group outside_envelope (LIST) {
                repeated group list {
                    required binary element (STRING);
                }
            }
        }";

    const COLUMNS: &'static [&'static str] = &[
        "study_key",
        "revision",
        "deployment",
        "package",
        "event_at",
        "recorded_at",
        "disposition",
        "reason_code",
        "visible",
        "seconds",
        "attributes",
        "features",
        "outputs",
        "outside_envelope",
    ];

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::Text(&self.study_key),
            Cell::Whole(self.revision.into()),
            Cell::Text(&self.deployment),
            Cell::Digest(self.package),
            Cell::Time(self.event_at),
            Cell::Time(self.recorded_at),
            Cell::Text(&self.disposition),
            Cell::MaybeText(Some(self.reason_code.as_str()).filter(|code| !code.is_empty())),
            Cell::Flag(self.visible),
            Cell::MaybeNumber(self.seconds),
            Cell::TextMap(&self.attributes),
            Cell::NumberMap(&self.features),
            Cell::Outputs(&self.outputs),
            Cell::MaybeTexts(self.outside_envelope.as_deref()),
        ]
    }
}

impl Sealed for Label {
    const SCHEMA: &'static str = "
        message labels {
            required binary label_key (STRING);
            required binary study_key (STRING);
            required int64 revision;
            required binary deployment (STRING);
            required binary finding (STRING);
            required binary truth (STRING);
            optional binary agreement (STRING);
            required binary source (STRING);
            required binary class (STRING);
            required binary exposure (STRING);
            optional binary independence (STRING);
            optional binary extractor (STRING);
            required boolean extractor_measured;
            optional double inclusion_probability;
            required int64 event_at (TIMESTAMP(MICROS,true));
            required int64 recorded_at (TIMESTAMP(MICROS,true));
        }";

    const COLUMNS: &'static [&'static str] = &[
        "label_key",
        "study_key",
        "revision",
        "deployment",
        "finding",
        "truth",
        "agreement",
        "source",
        "class",
        "exposure",
        "independence",
        "extractor",
        "extractor_measured",
        "inclusion_probability",
        "event_at",
        "recorded_at",
    ];

    // Who gave it stays in the catalog, and so does the remark: neither is needed to analyse, and both name people.
    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            Cell::Text(&self.key),
            Cell::Text(&self.study_key),
            Cell::Whole(self.revision.into()),
            Cell::Text(&self.deployment),
            Cell::Text(&self.finding),
            Cell::Text(truth(self.truth)),
            Cell::MaybeText(self.agreement.map(agreement)),
            Cell::Text(source(self.source)),
            Cell::Text(self.class().name()),
            Cell::Text(exposure(self.exposure)),
            Cell::MaybeText(self.independence.map(Independence::name)),
            Cell::MaybeText(self.extractor.as_deref()),
            Cell::Flag(self.extractor_measured),
            Cell::MaybeNumber(self.inclusion_probability),
            Cell::Time(self.event_at),
            Cell::Time(self.recorded_at),
        ]
    }
}

// The names of the API.

fn truth(truth: Truth) -> &'static str {
    match truth {
        Truth::Present => "present",
        Truth::Absent => "absent",
        Truth::Uncertain => "uncertain",
    }
}

fn agreement(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::Agree => "agree",
        Agreement::Disagree => "disagree",
        Agreement::Correct => "correct",
    }
}

fn source(source: LabelSource) -> &'static str {
    match source {
        LabelSource::Assessment => "assessment",
        LabelSource::Report => "report",
        LabelSource::Adjudication => "adjudication",
        LabelSource::FollowUp => "follow_up",
    }
}

fn exposure(exposure: Exposure) -> &'static str {
    match exposure {
        Exposure::Unexposed => "unexposed",
        Exposure::Exposed => "exposed",
        Exposure::Unknown => "unknown",
    }
}
