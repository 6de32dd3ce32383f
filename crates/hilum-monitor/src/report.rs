//! Final reports: which version counts, and what they say of a finding (AV-20, MV-28).

mod extract;
mod words;

pub use extract::{Extractor, Reading, declaration_digest};

use serde::{Deserialize, Serialize};

/// Where a report stands in its life: HL7 v2 table 0085 and FHIR `DiagnosticReport.status`, in four words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// Not signed off; it is kept and never read.
    Preliminary,
    /// Signed off.
    Final,
    /// Changed after it was signed off.
    Corrected,
    /// Taken back: what was read out of it counts no more.
    Cancelled,
}

impl ReportStatus {
    /// Every status.
    pub const ALL: [ReportStatus; 4] = [Self::Preliminary, Self::Final, Self::Corrected, Self::Cancelled];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            ReportStatus::Preliminary => "preliminary",
            ReportStatus::Final => "final",
            ReportStatus::Corrected => "corrected",
            ReportStatus::Cancelled => "cancelled",
        }
    }

    /// The status of that stable name.
    pub fn from_name(name: &str) -> Option<ReportStatus> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// OBR-25 (table 0123) or OBX-11 (table 0085). What is ordered, scheduled or in work is no report: `None`.
    pub fn from_hl7(code: &str) -> Option<ReportStatus> {
        match code {
            "F" | "U" => Some(ReportStatus::Final),
            "C" | "A" => Some(ReportStatus::Corrected),
            "P" | "R" | "S" => Some(ReportStatus::Preliminary),
            "X" | "D" | "W" => Some(ReportStatus::Cancelled),
            _ => None,
        }
    }

    /// `DiagnosticReport.status` (FHIR R4). `None` for `registered` and `unknown`: there is nothing to read.
    pub fn from_fhir(code: &str) -> Option<ReportStatus> {
        match code {
            "final" => Some(ReportStatus::Final),
            "amended" | "corrected" | "appended" => Some(ReportStatus::Corrected),
            "preliminary" | "partial" => Some(ReportStatus::Preliminary),
            "cancelled" | "entered-in-error" => Some(ReportStatus::Cancelled),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes_of_both_standards() {
        let hl7 = ["F", "C", "A", "P", "X", "O", ""].map(ReportStatus::from_hl7);
        let fhir = ["final", "amended", "corrected", "preliminary", "entered-in-error", "registered", ""]
            .map(ReportStatus::from_fhir);
        use ReportStatus::{Cancelled, Corrected, Final, Preliminary};
        let wanted = [Some(Final), Some(Corrected), Some(Corrected), Some(Preliminary), Some(Cancelled), None, None];
        assert_eq!((hl7, fhir), (wanted, wanted));
        assert!(ReportStatus::ALL.iter().all(|status| ReportStatus::from_name(status.name()) == Some(*status)));
    }
}
