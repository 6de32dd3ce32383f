//! What the reader who is signed in may answer on the page of a study, and has answered.

use super::view::Moment;
use crate::api::assessments::READERS;
use crate::sessions::{permitted, person};
use crate::state::AppState;
use crate::{Problem, ProblemCode};
use axum::http::HeaderMap;
use hilum_monitor::{Agreement, Label, Truth};
use hilum_store::StudyKey;
use hilum_store::governance::User;
use hilum_store::labels::{FirstRead, LabelFilter};

/// Labels of one study that are looked through for those of the reader.
const LABELS_MAX: u32 = 1000;

/// A reader, what they have answered, and which results they may see since their first impression.
pub(super) struct Reader {
    pub(super) user: User,
    labels: Vec<Label>,
    pub(super) first_reads: Vec<FirstRead>,
}

/// The buttons for one finding.
pub(super) struct AnswerCell {
    pub(super) deployment: String,
    /// Revision whose result is on the page.
    pub(super) revision: u32,
    pub(super) finding: String,
    /// What is answered, for those who do not see the row.
    pub(super) about: String,
    /// Names the press.
    pub(super) key: String,
    /// Whether the model's answer can be agreed with; else only what is true can be said.
    pub(super) to_model: bool,
    /// What the reader said last.
    pub(super) given: String,
}

impl Reader {
    /// The person who is signed in and whose answers count; `None`: nobody.
    pub(super) async fn of(state: &AppState, headers: &HeaderMap, study: &StudyKey) -> Result<Option<Reader>, Problem> {
        let user = match person(state, headers).await {
            Ok(Some(user)) => user,
            Ok(None) => return Ok(None),
            // A session that has ended must not keep anybody from the page.
            Err(problem) if problem.code == ProblemCode::NotSignedIn => return Ok(None),
            Err(problem) => return Err(problem),
        };
        let Ok(user) = permitted(user, &READERS) else { return Ok(None) };
        let by = format!("user:{}", user.name);
        let filter = LabelFilter { study_key: Some(study.clone()), ..LabelFilter::default() };
        let mut labels = state.catalog.label_list(&filter, LABELS_MAX).await?;
        // What others said is not shown: it would make the next answer depend on it.
        labels.retain(|label| label.by == by);
        let mut first_reads = state.catalog.first_read_list(study).await?;
        first_reads.retain(|first| first.reader == by);
        Ok(Some(Reader { user, labels, first_reads }))
    }

    /// The buttons for a finding of a result.
    pub(super) fn cell(
        &self,
        study: &str,
        deployment: &str,
        revision: u32,
        finding: &str,
        meaning: &str,
        to_model: bool,
    ) -> AnswerCell {
        let own = |label: &&Label| label.deployment == deployment && label.finding == finding;
        let last = self.labels.iter().find(own);
        let n_given = self.labels.iter().filter(own).count();
        AnswerCell {
            deployment: deployment.to_owned(),
            revision,
            finding: finding.to_owned(),
            about: format!("{meaning}, {deployment}"),
            key: format!("page:{study}:{revision}:{deployment}:{finding}:{n_given}"),
            to_model,
            given: last.map(given).unwrap_or_default(),
        }
    }
}

fn given(label: &Label) -> String {
    let truth = match label.truth {
        Truth::Present => "it is there",
        Truth::Absent => "it is not there",
        Truth::Uncertain => "it cannot be said",
    };
    let said = match label.agreement {
        Some(Agreement::Agree) => "you agreed".to_owned(),
        Some(Agreement::Disagree) => "you disagreed".to_owned(),
        Some(Agreement::Correct) => format!("you corrected: {truth}"),
        None => format!("you said: {truth}"),
    };
    let at = Moment::of(label.recorded_at);
    format!("{} {}: {said}", at.day, at.time)
}
