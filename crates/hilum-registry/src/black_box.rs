//! What a product that is a DICOM node was asked, and whether what it sends back is an answer to that (AV-08).

use crate::manifest::DicomNodeRuntime;
use hilum_types::{InstanceHeader, Reason, Timestamp, attribute};
use serde::{Deserialize, Serialize};

/// Most result objects taken for one question; a product that sends more is out of order.
pub const ANSWERS_MAX: u32 = 1000;

/// How long a product may take, from its manifest; kept with the question, so that a later package changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerTerms {
    /// Seconds from the last image sent to the last result counted.
    pub deadline_seconds: u32,
    /// Seconds without a further result after which the answer is complete.
    pub quiet_seconds: u32,
    /// Fewest result objects.
    pub results_min: u32,
}

impl From<&DicomNodeRuntime> for AnswerTerms {
    fn from(node: &DicomNodeRuntime) -> AnswerTerms {
        AnswerTerms {
            deadline_seconds: node.deadline_seconds,
            quiet_seconds: node.quiet_seconds,
            results_min: node.results_min,
        }
    }
}

/// Where an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Look again at that moment, or when a result comes.
    Wait(Timestamp),
    /// Enough results came, and nothing more for the quiet time, or the deadline passed.
    Complete,
    /// The deadline passed with fewer results than the least; how many came.
    TooFew(u32),
}

impl AnswerTerms {
    /// Where the answer to a question sent at `sent_at` stands at `now`. Pure.
    pub fn progress(
        self,
        sent_at: Timestamp,
        last_answer_at: Option<Timestamp>,
        n_answers: u32,
        now: Timestamp,
    ) -> Progress {
        let deadline = sent_at.plus_seconds(self.deadline_seconds.into());
        let enough = self.results_min <= n_answers;
        let wait_until = match last_answer_at {
            Some(last) if enough => last.plus_seconds(self.quiet_seconds.into()).min(deadline),
            _ => deadline,
        };
        match (now < wait_until, enough) {
            (true, _) => Progress::Wait(wait_until),
            (false, true) => Progress::Complete,
            (false, false) => Progress::TooFew(n_answers),
        }
    }
}

/// Whether `answer` is about the patient and the order that `asked` is about. Pure.
///
/// Patient ID must be the same, absent and empty being one; Issuer, birth date, sex, accession number and name must
/// not contradict each other where both state them. Names are compared without case, trailing separators and repeated
/// spaces, because products rewrite them.
///
/// # Errors
/// The attribute that differs, without its values.
pub fn answer_is_about(asked: &InstanceHeader, answer: &InstanceHeader) -> Result<(), Reason> {
    let differs = |keyword: &str| {
        Err(Reason::about(
            "product.identity",
            format!("a result of the product differs from the study it was asked about in {keyword}"),
            keyword,
            "",
        ))
    };
    let plain = |header: &InstanceHeader, keyword| header.text(keyword).unwrap_or_default().trim().to_owned();
    if plain(asked, attribute::PATIENT_ID) != plain(answer, attribute::PATIENT_ID) {
        return differs(attribute::PATIENT_ID);
    }
    let both = [
        attribute::ISSUER_OF_PATIENT_ID,
        attribute::PATIENT_BIRTH_DATE,
        attribute::PATIENT_SEX,
        attribute::ACCESSION_NUMBER,
    ];
    for keyword in both {
        let (theirs, ours) = (plain(answer, keyword), plain(asked, keyword));
        if !theirs.is_empty() && !ours.is_empty() && theirs != ours {
            return differs(keyword);
        }
    }
    let name = |header| {
        let name = plain(header, attribute::PATIENT_NAME).to_uppercase();
        let words = name.split(|c: char| c == '^' || c == '=' || c.is_whitespace()).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let (theirs, ours) = (name(answer), name(asked));
    if !theirs.is_empty() && !ours.is_empty() && theirs != ours {
        return differs(attribute::PATIENT_NAME);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_types::Phi;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_795_435_200_000_000).plus_seconds(seconds)
    }

    fn header(attributes: &[(&str, &str)]) -> InstanceHeader {
        let uid = |text: &str| text.parse().unwrap();
        InstanceHeader {
            sop_instance_uid: uid("1.2.3"),
            sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.88.33"),
            transfer_syntax_uid: uid("1.2.840.10008.1.2.1"),
            study_instance_uid: uid("1.2"),
            series_instance_uid: uid("1.2.1"),
            attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), Phi::new(vec![(*v).to_owned()]))).collect(),
        }
    }

    /// Every way an answer can stand: state by state.
    #[test]
    fn an_answer_is_complete_when_quiet_or_at_the_deadline() {
        let terms = AnswerTerms { deadline_seconds: 600, quiet_seconds: 5, results_min: 2 };
        let at_moment = |n, last: Option<i64>, now| terms.progress(at(0), last.map(at), n, at(now));
        assert_eq!(at_moment(0, None, 0), Progress::Wait(at(600)));
        assert_eq!(at_moment(1, Some(10), 30), Progress::Wait(at(600)), "one of two is not enough, however quiet");
        assert_eq!(at_moment(2, Some(10), 12), Progress::Wait(at(15)));
        assert_eq!(at_moment(2, Some(10), 15), Progress::Complete);
        assert_eq!(at_moment(2, Some(598), 600), Progress::Complete, "the deadline ends the quiet time");
        assert_eq!(at_moment(1, Some(10), 600), Progress::TooFew(1));
        assert_eq!(at_moment(0, None, 601), Progress::TooFew(0));
    }

    #[test]
    fn another_patient_is_told_by_the_attribute_and_never_by_its_value() {
        let asked = header(&[("PatientID", "P1"), ("PatientName", "Doe^Jane^^"), ("PatientBirthDate", "19700101")]);
        let same = header(&[("PatientID", "P1 "), ("PatientName", "DOE^JANE"), ("PatientSex", "F")]);
        assert_eq!(answer_is_about(&asked, &same), Ok(()));
        for (keyword, value) in [("PatientID", "P2"), ("PatientName", "Roe^Jane"), ("PatientBirthDate", "19700102")] {
            let mut other = asked.clone();
            other.attributes.insert(keyword.to_owned(), Phi::new(vec![value.to_owned()]));
            let reason = answer_is_about(&asked, &other).unwrap_err();
            assert_eq!((reason.code.as_str(), reason.criterion.as_str()), ("product.identity", keyword));
            assert!(!reason.text.contains(value), "{reason}");
        }
        assert!(answer_is_about(&asked, &header(&[])).is_err(), "a result without Patient ID is nobody's");
        assert_eq!(answer_is_about(&header(&[]), &header(&[])), Ok(()), "empty stays empty");
    }
}
