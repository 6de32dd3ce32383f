//! Assessment reports: what a reader answered to a result, as an Enhanced SR for whoever holds the result (IHE RAD
//! AI Result Assessment, Trial Implementation June 2025; PS3.3 section A.35.2).
//!
//! The codes of that supplement are not public enough to rely on and DICOM has none that say accepted, modified or
//! rejected, so these three are codes of our own, whose meanings say what they are to whoever reads by meaning, as
//! [`crate::read_assessments`] does.

use crate::attribute as a;
use crate::code::{self, Code};
use crate::common;
use crate::evidence::{evidence, of_series, of_study, pointer};
use crate::read::Verdict;
use crate::report::content::{ContentItem, Relationship, Value};
use crate::report::presence;
use crate::request::{EncodedResult, ResultError, ResultKind, english};
use crate::validate::{Scope, validate};
use hilum_dicom::DataSet;
use hilum_types::{CodedConcept, ImageReference, InstanceHeader, Presence, Timestamp, Uid};

/// Longest Person Name component group (PS3.5 table 6.2-1).
const NAME_CHARS_MAX: usize = 64;

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader<'a> {
    /// Somebody who signed in.
    Proven {
        /// Name for people; when it is empty the login name is written.
        name: &'a str,
        /// Login name.
        login: &'a str,
    },
    /// A name that was typed and that nobody has proven; `unproven:` is written before it.
    Unproven(&'a str),
}

/// What a reader stands by of one finding.
#[derive(Debug, Clone, Copy)]
pub struct AssessedFinding<'a> {
    /// Finding label within the package.
    pub label: &'a str,
    /// What the label means.
    pub concept: &'a CodedConcept,
    /// Tracking Unique Identifiers under which the result has the finding; empty when it has none.
    pub tracking: &'a [Uid],
    /// What was said of the model's answer.
    pub verdict: Verdict,
    /// What the reader says is true; needed unless the answer was accepted.
    pub truth: Option<Presence>,
    /// Remark of the reader. Control characters other than line breaks and tabs become spaces.
    pub comment: Option<&'a str>,
    /// When the reader had made up their mind, in UTC.
    pub observed_at: Timestamp,
}

/// Everything an assessment report is written from. The same request gives the same bytes and the same UIDs, for ever.
#[derive(Debug, Clone, Copy)]
pub struct AssessmentRequest<'a> {
    /// Headers of the result objects, all of one study and each once; patient and study identity are copied from the
    /// first, which has them from the images it was made of.
    pub assessed: &'a [&'a InstanceHeader],
    /// What was answered, one entry for each finding; at least one.
    pub findings: &'a [AssessedFinding<'a>],
    /// Who answered.
    pub reader: Reader<'a>,
    /// The report whose place this one takes, of the same study.
    pub predecessor: Option<&'a ImageReference>,
    /// When the last answer was given, in UTC.
    pub now: Timestamp,
    /// Words that tell this report from every other one: study, revision, deployment, reader, number.
    pub seed: &'a [&'a str],
}

/// Write the report.
///
/// It is `UNVERIFIED`: the reader gave the answers, but has not read and attested this document.
///
/// # Errors
/// [`ResultError`]: nothing that was assessed or answered, several studies, an identity or name that DICOM cannot hold,
/// or a report that breaks a rule and stays here.
pub fn assess(request: &AssessmentRequest<'_>) -> Result<EncodedResult, ResultError> {
    let first = request.assessed.first().ok_or(ResultError::NoSource)?;
    if request.assessed.iter().any(|header| header.study_instance_uid != first.study_instance_uid) {
        return Err(ResultError::MixedStudies);
    }
    let refused = |what: &str, problem| Err(ResultError::BadValue { what: what.to_owned(), problem });
    if request.findings.is_empty() {
        return refused("assessment report", "needs at least one answer");
    }
    if request.findings.iter().any(|one| one.verdict != Verdict::Accepted && one.truth.is_none()) {
        return refused("assessment of a finding", "needs what the reader says is true, unless it accepts");
    }
    let name = person_name(request.reader);
    if name.is_empty() {
        return refused("name of the reader", "is empty");
    }
    common::check_identity(first)?;
    let result = crate::write(ResultKind::AssessmentReport, build(request, first, name))?;
    let predecessor: Vec<ImageReference> = request.predecessor.into_iter().cloned().collect();
    let scope = Scope { source: request.assessed, results: &predecessor };
    validate(&result.part10, &scope)
        .map_err(|violations| ResultError::Invalid { kind: ResultKind::AssessmentReport, violations })?;
    Ok(result)
}

impl Verdict {
    /// The verdict as it is written.
    pub(crate) fn code(self) -> Code {
        match self {
            Verdict::Accepted => code::ACCEPTED,
            Verdict::Modified => code::MODIFIED,
            Verdict::Rejected => code::REJECTED,
        }
    }
}

fn build(request: &AssessmentRequest<'_>, first: &InstanceHeader, name: String) -> DataSet {
    let (instance, series) = (derived(request, "instance"), derived(request, "series"));
    let title = code::AI_RESULT_ASSESSMENT.concept();
    let kind = ResultKind::AssessmentReport;
    let mut item = common::document(kind, first, request.now, &instance, &series, &title.meaning);
    common::platform_equipment(&mut item);
    item.put_sequence(a::CODING_SCHEME_IDENTIFICATION_SEQUENCE, vec![common::own_coding_scheme()])
        .put(a::INSTANCE_NUMBER, "1")
        .put_sequence(a::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Vec::new())
        .put(a::COMPLETION_FLAG, "COMPLETE")
        .put(a::VERIFICATION_FLAG, "UNVERIFIED")
        .put_sequence(a::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new())
        .put_sequence(a::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![evidence(request.assessed, first)]);
    if let Some(earlier) = request.predecessor {
        let reference = common::sop_reference(&earlier.sop_class_uid, &earlier.sop_instance_uid);
        let series = of_series(&earlier.series_instance_uid, vec![reference]);
        let study = of_study(&first.study_instance_uid, vec![series]);
        item.put_sequence(a::PREDECESSOR_DOCUMENTS_SEQUENCE, vec![study]);
    }
    let mut children = vec![ContentItem::new(Relationship::HasConceptMod, code::LANGUAGE, Value::Code(english()))];
    children.extend(observer(request.reader, name));
    children.extend(request.findings.iter().map(|finding| of_finding(request, finding)));
    ContentItem::root(title, Value::Container(None), children).write(&mut item);
    item
}

/// TID 1001 and TID 1003: the reader is a person.
fn observer(reader: Reader<'_>, name: String) -> Vec<ContentItem> {
    let context = |name: Code, value| ContentItem::new(Relationship::HasObsContext, name, value);
    let mut items = vec![
        context(code::OBSERVER_TYPE, Value::Code(code::PERSON.concept())),
        context(code::PERSON_OBSERVER_NAME, Value::PersonName(name)),
    ];
    if let Reader::Proven { login, .. } = reader {
        items.push(context(code::PERSON_OBSERVER_LOGIN_NAME, Value::Text(one_line(login))));
    }
    items
}

/// One container for each finding, so that verdict, finding and objects stand beside each other.
fn of_finding(request: &AssessmentRequest<'_>, finding: &AssessedFinding<'_>) -> ContentItem {
    let contains = |name: Code, value| ContentItem::new(Relationship::Contains, name, value);
    let context = |name: Code, value| ContentItem::new(Relationship::HasObsContext, name, value);
    let mut children = vec![context(code::TRACKING_IDENTIFIER, Value::Text(one_line(finding.label)))];
    children.extend(
        finding.tracking.iter().map(|uid| context(code::TRACKING_UNIQUE_IDENTIFIER, Value::UidRef(uid.clone()))),
    );
    children.push(contains(code::FINDING, Value::Code(finding.concept.clone())));
    children.push(contains(code::ASSESSMENT, Value::Code(finding.verdict.code().concept())));
    children.extend(finding.truth.map(presence));
    let comment = finding.comment.map(remark).filter(|comment| !comment.is_empty());
    children.extend(comment.map(|comment| contains(code::COMMENT, Value::Text(comment))));
    children.extend(request.assessed.iter().map(|header| contains(code::ASSESSED_RESULT, pointer(header))));
    contains(code::ASSESSMENT_OF_FINDING, Value::Container(None)).with(children).observed_at(finding.observed_at)
}

fn derived(request: &AssessmentRequest<'_>, part: &str) -> Uid {
    // A count keeps the seed and the part apart whatever words they hold.
    let n_seed = request.seed.len().to_string();
    let words: Vec<&str> =
        ["assessment report", &n_seed].into_iter().chain(request.seed.iter().copied()).chain([part]).collect();
    Uid::derived(&words)
}

/// A name as VR `PN` can hold it: one component group. A name for people has no components; carets that somebody
/// entered as such are kept, up to the four that there may be.
fn person_name(reader: Reader<'_>) -> String {
    let text = match reader {
        Reader::Proven { name, login } if name.trim().is_empty() => login.to_owned(),
        Reader::Proven { name, .. } => name.to_owned(),
        Reader::Unproven(name) if name.trim().is_empty() => String::new(),
        Reader::Unproven(name) => format!("unproven:{}", name.trim()),
    };
    let separators = text.matches('^').count();
    let is_bad = |c: char| c.is_control() || matches!(c, '\\' | '=') || c == '^' && 4 < separators;
    common::shorten(text.replace(is_bad, " ").trim(), NAME_CHARS_MAX)
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}

fn remark(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t'), " ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_person_names() {
        let proven = |name| person_name(Reader::Proven { name, login: "anna" });
        let told = [
            proven("Dr. Anna Berger"),
            proven("Berger^Anna^^Dr."),
            proven(" "),
            proven("a=b\\c^^^^^d\n"),
            proven(&"x".repeat(70)).len().to_string(),
            person_name(Reader::Unproven(" A. Person ")),
            person_name(Reader::Unproven("")),
        ];
        assert_eq!(
            told,
            ["Dr. Anna Berger", "Berger^Anna^^Dr.", "anna", "a b c     d", "64", "unproven:A. Person", ""]
        );
    }
}
