use serde::{Deserialize, Serialize};

macro_rules! causes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $words:literal;)*) => {
        /// Why an alarm happened, said by whoever closes it (MV-31): a closed list, so that causes can be counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum CauseCode { $($(#[doc = $doc])* $variant),* }

        impl CauseCode {
            /// Every cause, in the order they are offered.
            pub const ALL: &[CauseCode] = &[$(CauseCode::$variant),*];

            /// Stable name.
            pub fn name(self) -> &'static str {
                match self { $(CauseCode::$variant => $name),* }
            }

            /// Plain words.
            pub fn words(self) -> &'static str {
                match self { $(CauseCode::$variant => $words),* }
            }
        }
    };
}

causes! {
    /// Scanner, its software or its settings changed.
    AcquisitionChange = "acquisition_change", "scanner, software or protocol changed";
    /// Other patients or another mix of examinations.
    PopulationChange = "population_change", "other patients or case mix";
    /// The model itself is at fault.
    ModelFault = "model_fault", "the model is at fault";
    /// Another version, threshold or setting of the model was put to use.
    ModelChange = "model_change", "a change of the model or its settings";
    /// Labels or reports were wrong or came in wrongly.
    LabelFault = "label_fault", "labels or reports were wrong";
    /// Network, disk, engine, archive or another part of the house failed.
    Infrastructure = "infrastructure", "network, disk, archive or another part failed";
    /// Somebody handled it wrongly.
    Handling = "handling", "handled wrongly";
    /// Announced beforehand, such as a test or maintenance.
    Planned = "planned", "announced beforehand";
    /// Nothing was wrong: chance, or a rule that is too strict.
    FalseAlarm = "false_alarm", "nothing was wrong";
    /// Looked into, and not found.
    NotFound = "not_found", "looked into, not found";
}

impl CauseCode {
    /// The cause of that stable name.
    pub fn from_name(name: &str) -> Option<CauseCode> {
        CauseCode::ALL.iter().copied().find(|cause| cause.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        for cause in CauseCode::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
            assert_eq!(CauseCode::from_name(cause.name()), Some(*cause));
        }
        assert_eq!(CauseCode::from_name("whatever"), None);
    }
}
