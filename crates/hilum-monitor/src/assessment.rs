//! What a reader answers to a result, as labels, and how far the reader was from what the model said.

use crate::{Agreement, Label, LabelSource, Truth};
use hilum_types::{Exposure, Independence, ModelOutput, Presence, Timestamp};

/// What somebody says of a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The finding it is about; `None`: all of them.
    pub finding: Option<String>,
    /// What they say of the model's answer; `None` when they did not answer it, as in a first impression.
    pub agreement: Option<Agreement>,
    /// What is true; `None`: it follows from `agreement`.
    pub truth: Option<Truth>,
    /// The findings that are there, by somebody who speaks of all at once: the others are not. Nothing else is said then.
    pub present: Option<Vec<String>>,
}

/// What an answer says of one finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Finding label within the package.
    pub finding: String,
    /// What is true.
    pub truth: Truth,
}

/// Why an answer says nothing that could be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The result has no such finding.
    #[error("the model looks for no finding {finding:?}; it looks for {known}")]
    UnknownFinding {
        /// What was named.
        finding: String,
        /// What there is.
        known: String,
    },
    /// Several findings, and the answer does not say which.
    #[error("the model looks for {0}; name the finding that the answer is about")]
    WhichFinding(String),
    /// Neither agreement nor truth.
    #[error("say what is true, or what you think of the model's answer")]
    Nothing,
    /// All findings at once, and one of them or the model's answer beside it.
    #[error("the findings that are there speak of all of them; leave out finding, agreement and truth")]
    OneOrAll,
    /// To agree and to say the opposite at once.
    #[error("{agreement} and {truth} contradict each other for {finding:?}; leave one of them out")]
    Contradiction {
        /// Finding.
        finding: String,
        /// `agree` or `disagree`.
        agreement: &'static str,
        /// `present` or `absent`.
        truth: &'static str,
    },
    /// Nobody can judge a study that is not there.
    #[error(
        "it was decided at {decided_at}, and the first image of the study came at {first_image_at}; state when it was decided"
    )]
    DecidedTooEarly {
        /// What was stated.
        decided_at: Timestamp,
        /// When the first image was received.
        first_image_at: Timestamp,
    },
    /// In the future.
    #[error("it was decided at {decided_at}, and it is {now} here; state when it was decided, or correct the clock")]
    DecidedLater {
        /// What was stated.
        decided_at: Timestamp,
        /// When the label is entered.
        now: Timestamp,
    },
    /// The extractor's declaration cannot be carried out.
    #[error("extractor {name}: {problem}")]
    Extractor {
        /// Its name.
        name: String,
        /// Cause and remedy.
        problem: String,
    },
}

/// What the model said of each of its findings, the more serious first where it said several things of one.
pub fn said(output: &ModelOutput) -> Vec<(String, Presence)> {
    let mut said: Vec<(String, Presence)> = Vec::new();
    let rank = |presence| match presence {
        Presence::Present => 2,
        Presence::Indeterminate => 1,
        Presence::Absent => 0,
    };
    for finding in &output.findings {
        match said.iter_mut().find(|(label, _)| *label == finding.label) {
            Some((_, presence)) if rank(*presence) < rank(finding.presence) => *presence = finding.presence,
            Some(_) => {}
            None => said.push((finding.label.clone(), finding.presence)),
        }
    }
    said
}

/// What is true according to an answer, for each finding it is about.
///
/// To agree without naming a finding speaks of every finding. To disagree or to correct needs the name, unless there is
/// only one. A correction leaves the model's answer standing unless it says what is true. Where the model abstained,
/// agreement leaves the truth uncertain. Who cannot judge the study says so of every finding at once.
///
/// # Errors
/// [`LabelError::UnknownFinding`], [`LabelError::WhichFinding`], [`LabelError::Nothing`], [`LabelError::Contradiction`],
/// [`LabelError::OneOrAll`].
pub fn truths(said: &[(String, Presence)], answer: &Answer) -> Result<Vec<Told>, LabelError> {
    if let Some(present) = &answer.present {
        return all_told(said, answer, present);
    }
    if answer.agreement.is_none() && answer.truth.is_none() {
        return Err(LabelError::Nothing);
    }
    let known = || said.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>().join(", ");
    let about: Vec<&(String, Presence)> = match &answer.finding {
        Some(name) => said.iter().filter(|(label, _)| label == name).collect(),
        None if said.len() == 1 => said.iter().collect(),
        None if answer.agreement == Some(Agreement::Agree) && answer.truth.is_none() => said.iter().collect(),
        None if answer.agreement.is_none() && answer.truth == Some(Truth::Uncertain) => said.iter().collect(),
        None => return Err(LabelError::WhichFinding(known())),
    };
    if about.is_empty() {
        let finding = answer.finding.clone().unwrap_or_default();
        return Err(LabelError::UnknownFinding { finding, known: known() });
    }
    about.into_iter().map(|(finding, presence)| told(finding, *presence, answer)).collect()
}

/// Every finding, of which those named are there.
fn all_told(said: &[(String, Presence)], answer: &Answer, present: &[String]) -> Result<Vec<Told>, LabelError> {
    if answer.finding.is_some() || answer.agreement.is_some() || answer.truth.is_some() {
        return Err(LabelError::OneOrAll);
    }
    if let Some(unknown) = present.iter().find(|name| !said.iter().any(|(label, _)| label == *name)) {
        let known = said.iter().map(|(label, _)| label.as_str()).collect::<Vec<_>>().join(", ");
        return Err(LabelError::UnknownFinding { finding: unknown.clone(), known });
    }
    let truth = |label: &String| if present.contains(label) { Truth::Present } else { Truth::Absent };
    Ok(said.iter().map(|(label, _)| Told { finding: label.clone(), truth: truth(label) }).collect())
}

fn told(finding: &str, presence: Presence, answer: &Answer) -> Result<Told, LabelError> {
    let implied = match (answer.agreement, presence) {
        (None, _) | (_, Presence::Indeterminate) => Truth::Uncertain,
        (Some(Agreement::Agree | Agreement::Correct), Presence::Present) => Truth::Present,
        (Some(Agreement::Agree | Agreement::Correct), Presence::Absent) => Truth::Absent,
        (Some(Agreement::Disagree), Presence::Present) => Truth::Absent,
        (Some(Agreement::Disagree), Presence::Absent) => Truth::Present,
    };
    let word = match answer.agreement {
        Some(Agreement::Agree) => "agree",
        _ => "disagree",
    };
    let binding = matches!(answer.agreement, Some(Agreement::Agree | Agreement::Disagree));
    let decided = |truth| matches!(truth, Truth::Present | Truth::Absent);
    match answer.truth {
        Some(truth) if binding && decided(truth) && decided(implied) && truth != implied => {
            let truth = if truth == Truth::Present { "present" } else { "absent" };
            Err(LabelError::Contradiction { finding: finding.to_owned(), agreement: word, truth })
        }
        given => Ok(Told { finding: finding.to_owned(), truth: given.unwrap_or(implied) }),
    }
}

/// Whether a result about the same thing had reached the labeller, as far as is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// None had left, or all are hidden from this reader until a first impression is saved.
    No,
    /// One had left that is hidden until a first impression is saved, and nobody knows whether this labeller had.
    Perhaps,
    /// One was there to be seen.
    Yes,
}

/// Exposure and independence of a label: derived from what reached whom and when, never from what the labeller says
/// (MV-24).
///
/// Whoever answers the model's answer has it, whatever is recorded of how: what is true is then copied from the output, or
/// turned round, and would measure the model against itself.
pub fn independence(
    source: LabelSource,
    agreement: Option<Agreement>,
    shown: Shown,
) -> (Exposure, Option<Independence>) {
    if agreement.is_some() {
        return (Exposure::Exposed, Some(Independence::DirectlyExposed));
    }
    let exposed = match source {
        LabelSource::Assessment | LabelSource::Adjudication => Independence::DirectlyExposed,
        LabelSource::Report => Independence::IndirectlyExposed,
        LabelSource::FollowUp => Independence::PostAction,
    };
    match shown {
        Shown::No => (Exposure::Unexposed, Some(Independence::Unexposed)),
        Shown::Perhaps => (Exposure::Unknown, None),
        Shown::Yes => (Exposure::Exposed, Some(exposed)),
    }
}

/// Whether what somebody says of a result may be told in a report to those who hold the result (AV-19): the answer of a
/// person who is known here. What another system said came from there; a case of the audit sample is adjudicated by
/// several, and a report of the first answer would tell the others; and what was said while the result was hidden from
/// the reader, `was_hidden`, is a first impression and no answer to the result.
pub fn may_be_told(source: LabelSource, by: &str, was_hidden: bool) -> bool {
    source == LabelSource::Assessment && by.starts_with("user:") && !was_hidden
}

/// What a reader stands by of one finding, after all they said of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing<'l> {
    /// What they say of the model's answer.
    pub agreement: Agreement,
    /// What they say is true.
    pub truth: Truth,
    /// The label that says so; it names the finding.
    pub label: &'l Label,
}

/// What one reader stands by, of everything they said of one result, oldest first: the last answer to each finding that
/// they answered, in the order of the first answers. Whoever says later that something else is true corrects the answer.
pub fn standing(labels: &[Label]) -> Vec<Standing<'_>> {
    let mut all: Vec<Standing<'_>> = Vec::new();
    for label in labels.iter().filter(|label| label.source == LabelSource::Assessment) {
        let truth = label.truth;
        let earlier = all.iter_mut().find(|one| one.label.finding == label.finding);
        match (label.agreement, earlier) {
            (Some(agreement), Some(earlier)) => *earlier = Standing { agreement, truth, label },
            (Some(agreement), None) => all.push(Standing { agreement, truth, label }),
            (None, Some(earlier)) if earlier.truth != truth => {
                *earlier = Standing { agreement: Agreement::Correct, truth, label };
            }
            // The same again, or a first impression.
            (None, _) => {}
        }
    }
    all
}

/// Whether somebody can have made up their mind at `decided_at`: what is stated for it decides whether the label counts as
/// independent. A report states when it was written, on a clock of its own, and is not asked.
///
/// # Errors
/// [`LabelError::DecidedTooEarly`] before the first image of the study came in; [`LabelError::DecidedLater`] after `now`.
pub fn decided_in_time(
    source: LabelSource,
    decided_at: Timestamp,
    first_image_at: Timestamp,
    now: Timestamp,
) -> Result<(), LabelError> {
    match source {
        LabelSource::Report => Ok(()),
        _ if decided_at < first_image_at => Err(LabelError::DecidedTooEarly { decided_at, first_image_at }),
        _ if now < decided_at => Err(LabelError::DecidedLater { decided_at, now }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(finding: &str, agreement: Option<Agreement>, truth: Option<Truth>) -> Answer {
        let finding = Some(finding.to_owned()).filter(|name| !name.is_empty());
        Answer { finding, agreement, truth, present: None }
    }

    #[test]
    fn answers_become_truths() {
        let said = [("pneumonia".to_owned(), Presence::Present), ("effusion".to_owned(), Presence::Absent)];
        let of = |finding: &str, agreement, truth| match truths(&said, &answer(finding, agreement, truth)) {
            Ok(told) => told.iter().map(|t| format!("{}={:?}", t.finding, t.truth)).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        let (agree, disagree, correct) = (Some(Agreement::Agree), Some(Agreement::Disagree), Some(Agreement::Correct));
        let cases = [
            of("", agree, None),
            of("pneumonia", disagree, None),
            of("effusion", disagree, None),
            of("pneumonia", correct, None),
            of("pneumonia", correct, Some(Truth::Absent)),
            of("effusion", None, Some(Truth::Present)),
            of("", disagree, None),
            of("", None, None),
            of("nodule", agree, None),
            of("pneumonia", agree, Some(Truth::Absent)),
            of("pneumonia", disagree, Some(Truth::Uncertain)),
            of("", None, Some(Truth::Uncertain)),
            of("", None, Some(Truth::Absent)),
        ];
        insta::assert_snapshot!(cases.join("\n"), @r#"
        pneumonia=Present effusion=Absent
        pneumonia=Absent
        effusion=Present
        pneumonia=Present
        pneumonia=Absent
        effusion=Present
        the model looks for pneumonia, effusion; name the finding that the answer is about
        say what is true, or what you think of the model's answer
        the model looks for no finding "nodule"; it looks for pneumonia, effusion
        agree and absent contradict each other for "pneumonia"; leave one of them out
        pneumonia=Uncertain
        pneumonia=Uncertain effusion=Uncertain
        the model looks for pneumonia, effusion; name the finding that the answer is about
        "#);
        let all = |present: &[&str], finding: &str| {
            let present = Some(present.iter().map(|name| (*name).to_owned()).collect());
            match truths(&said, &Answer { present, ..answer(finding, None, None) }) {
                Ok(told) => told.iter().map(|t| format!("{}={:?}", t.finding, t.truth)).collect::<Vec<_>>().join(" "),
                Err(error) => error.to_string(),
            }
        };
        assert_eq!(all(&["effusion"], ""), "pneumonia=Absent effusion=Present");
        assert_eq!(all(&[], ""), "pneumonia=Absent effusion=Absent");
        assert!(
            all(&["nodule"], "").contains("no finding \"nodule\"") && all(&[], "effusion").contains("speak of all")
        );
        let abstained = [("nodule".to_owned(), Presence::Indeterminate)];
        assert_eq!(truths(&abstained, &answer("", agree, None)).unwrap()[0].truth, Truth::Uncertain);
    }

    /// MV-24: a report was written by somebody who may have seen the result; what nobody knows counts as seen.
    #[test]
    fn independence_follows_what_was_shown() {
        use LabelSource::{Adjudication, Assessment, FollowUp, Report};
        let class = |source, shown| independence(source, None, shown);
        assert_eq!(class(Assessment, Shown::Yes).1, Some(Independence::DirectlyExposed));
        assert_eq!(class(Report, Shown::Yes).1, Some(Independence::IndirectlyExposed));
        assert_eq!(class(FollowUp, Shown::Yes).1, Some(Independence::PostAction));
        assert_eq!(class(Adjudication, Shown::No), (Exposure::Unexposed, Some(Independence::Unexposed)));
        assert_eq!(class(Report, Shown::Perhaps), (Exposure::Unknown, None));
        for agreement in [Agreement::Agree, Agreement::Disagree, Agreement::Correct] {
            let answered = independence(Assessment, Some(agreement), Shown::No);
            assert_eq!(answered, (Exposure::Exposed, Some(Independence::DirectlyExposed)), "who answers it knows it");
        }
    }

    /// AV-19: what leaves is what a person here answered to a result they saw, and no case of the audit sample.
    #[test]
    fn only_answers_of_people_here_are_told() {
        use LabelSource::{Adjudication, Assessment, FollowUp, Report};
        assert!(may_be_told(Assessment, "user:anna", false));
        assert!(!may_be_told(Assessment, "user:anna", true), "a first impression");
        assert!(!may_be_told(Assessment, "peer:PACS", false) && !may_be_told(Assessment, "unproven:anna", false));
        assert!([Adjudication, FollowUp, Report].into_iter().all(|source| !may_be_told(source, "user:anna", false)));
    }

    #[test]
    fn the_last_word_of_a_reader_stands() {
        let now = Timestamp::from_micros(0);
        let label = |finding: &str, agreement, truth| Label {
            key: String::new(),
            study_key: "s".to_owned(),
            revision: 1,
            deployment: "cxr".to_owned(),
            finding: finding.to_owned(),
            truth,
            agreement,
            source: LabelSource::Assessment,
            extractor: None,
            extractor_measured: false,
            exposure: Exposure::Exposed,
            independence: None,
            inclusion_probability: None,
            event_at: now,
            recorded_at: now,
            decided_at: Some(now),
            by: "user:anna".to_owned(),
        };
        let told = |labels: &[Label]| -> Vec<String> {
            let line = |one: &Standing<'_>| format!("{} {:?} {:?}", one.label.finding, one.agreement, one.truth);
            standing(labels).iter().map(line).collect()
        };
        let (agree, disagree) = (Some(Agreement::Agree), Some(Agreement::Disagree));
        let mut said = vec![label("nodule", None, Truth::Absent), label("nodule", agree, Truth::Present)];
        assert_eq!(told(&said[..1]), [""; 0], "a first impression answers nothing");
        said.push(label("effusion", disagree, Truth::Present));
        assert_eq!(told(&said), ["nodule Agree Present", "effusion Disagree Present"]);
        said.push(label("nodule", None, Truth::Present));
        assert_eq!(told(&said)[0], "nodule Agree Present", "the same in other words");
        said.push(label("nodule", None, Truth::Uncertain));
        assert_eq!(told(&said)[0], "nodule Correct Uncertain");
        said.push(label("nodule", disagree, Truth::Absent));
        said.push(Label { source: LabelSource::Report, ..label("effusion", agree, Truth::Absent) });
        assert_eq!(told(&said), ["nodule Disagree Absent", "effusion Disagree Present"]);
    }

    #[test]
    fn a_mind_is_made_up_between_the_first_image_and_now() {
        let at = |seconds| Timestamp::from_micros(0).plus_seconds(seconds);
        let told = |source, decided_at| decided_in_time(source, at(decided_at), at(10), at(20));
        assert!([10, 15, 20].into_iter().all(|second| told(LabelSource::Adjudication, second).is_ok()));
        for source in [LabelSource::Assessment, LabelSource::Adjudication, LabelSource::FollowUp] {
            assert!(matches!(told(source, 9), Err(LabelError::DecidedTooEarly { .. })));
            assert!(matches!(told(source, 21), Err(LabelError::DecidedLater { .. })));
        }
        assert!([9, 21].into_iter().all(|second| told(LabelSource::Report, second).is_ok()), "by a clock of its own");
    }
}
