//! Which version answers for a study while one of them is limited to a part of the studies (MV-18).

use hilum_registry::Deployment;
use hilum_types::{Digest, Reason, StudyFacts, attribute};
use serde::{Deserialize, Serialize};

/// Everything an assignment is made from.
#[derive(Debug, Clone, Copy)]
pub struct AssignmentInput<'a> {
    /// The study revision.
    pub study: &'a StudyFacts,
    /// The limited deployment.
    pub limited: &'a Deployment,
    /// What an earlier revision of the study was given, if any: a study does not change sides by a late image.
    pub earlier: Option<&'a Assignment>,
    /// The site's secret: without it nobody can foretell or recompute which patients fall where.
    pub site_key: &'a [u8; 32],
}

/// Which of the two sides answers for a study: the limited version, or what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Whether the limited version answers.
    pub to_limited: bool,
    /// Why; no patient data.
    pub reason: Reason,
}

impl Assignment {
    /// What it means for one deployment: whether its result is the one that is delivered.
    pub fn role(&self, is_limited: bool) -> Role {
        Role { delivers: self.to_limited == is_limited, reason: self.reason.clone() }
    }
}

/// What an assignment means for one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Whether its result is the one that is delivered; the other runs in shadow.
    pub delivers: bool,
    /// Why.
    pub reason: Reason,
}

/// Assign a study. The same patient, site key and rollout always give the same answer, also for prior and later
/// studies, and a larger share only adds patients.
pub fn assign(input: &AssignmentInput<'_>) -> Assignment {
    if let Some(earlier) = input.earlier {
        let text = format!("as an earlier revision of the study: {}", strip(&earlier.reason.text));
        let reason = Reason { code: "assignment.earlier".to_owned(), text, ..earlier.reason.clone() };
        return Assignment { to_limited: earlier.to_limited, reason };
    }
    match covers(input) {
        Ok(reason) => Assignment { to_limited: true, reason },
        Err(reason) => Assignment { to_limited: false, reason },
    }
}

fn strip(text: &str) -> &str {
    text.strip_prefix("as an earlier revision of the study: ").unwrap_or(text)
}

/// Whether the rollout gives the study to the limited version, with the value that decided.
fn covers(input: &AssignmentInput<'_>) -> Result<Reason, Reason> {
    let (rollout, name) = (&input.limited.spec.rollout, &input.limited.spec.name);
    let site = listed(input.study, &rollout.sites, &[attribute::INSTITUTION_NAME]);
    let site = site.map_err(|found| {
        let text = format!("{name} is limited to other sites than {found}");
        Reason::about("assignment.other-site", text, attribute::INSTITUTION_NAME, found)
    })?;
    let station = listed(input.study, &rollout.stations, &[attribute::STATION_NAME, attribute::DEVICE_SERIAL_NUMBER]);
    let station = station.map_err(|found| {
        let text = format!("{name} is limited to other stations than {found}");
        Reason::about("assignment.other-station", text, attribute::STATION_NAME, found)
    })?;
    let Some(place) = patient_place(input.study, input.limited.family(), input.site_key) else {
        let text = format!("no patient is identified, so the study is not given to {name}, which is limited");
        return Err(Reason::about("assignment.no-patient", text, attribute::PATIENT_ID, ""));
    };
    let share = rollout.share.unwrap_or(1.0);
    if share <= place {
        let text = format!("{name} is limited to a share of {share} of the patients, and this one is not among them");
        return Err(Reason::about("assignment.other-share", text, "share", share.to_string()));
    }
    let mut limits: Vec<String> = [site, station].into_iter().flatten().collect();
    if rollout.share.is_some() || limits.is_empty() {
        limits.push(format!("a share of {share} of the patients"));
    }
    let text = format!("{name} answers: it is limited to {}", limits.join(", "));
    Ok(Reason::about("assignment.limited", text, "share", share.to_string()))
}

/// The first value of the study that is listed, `None` when nothing is listed, or what was found instead.
fn listed(study: &StudyFacts, list: &[String], keywords: &[&str]) -> Result<Option<String>, String> {
    if list.is_empty() {
        return Ok(None);
    }
    let found: Vec<&str> = study
        .series
        .iter()
        .flat_map(|series| keywords.iter().filter_map(|keyword| series.first().text(keyword)))
        .collect();
    let same = |a: &str, b: &str| a.trim().to_lowercase() == b.trim().to_lowercase();
    match found.iter().find(|value| list.iter().any(|name| same(name, value))) {
        Some(value) => Ok(Some((*value).to_owned())),
        None => Err(found.first().map_or("one that states none", |value| value).to_owned()),
    }
}

/// Where the patient falls in 0 to 1, the same for every study of theirs; `None` without a Patient ID.
///
/// The keyed digest of family, issuer and Patient ID, as the first 53 bits of a binary fraction.
fn patient_place(study: &StudyFacts, family: &str, site_key: &[u8; 32]) -> Option<f64> {
    let patient = study.instances().find_map(|header| header.text(attribute::PATIENT_ID))?;
    let issuer = study.instances().find_map(|header| header.text(attribute::ISSUER_OF_PATIENT_ID)).unwrap_or_default();
    let mut bytes = b"hilum rollout 1".to_vec();
    for part in [family, issuer.trim(), patient.trim()] {
        bytes.push(0);
        bytes.extend_from_slice(part.as_bytes());
    }
    let digest = Digest::keyed(site_key, &bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    Some((u64::from_be_bytes(first) >> 11) as f64 / (1u64 << 53) as f64)
}

/// What became of a study with the limited version it was given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitedOutcome {
    /// It has not ended, and may still end well.
    Open,
    /// Its result was released.
    Answered,
    /// It ended, or went out of use, without a released result; how, in words.
    Silent(String),
}

/// The assignment after the limited version was asked, or has run: when it did not answer, the other side does after
/// all, so that a new version never leaves a study without its result.
pub fn settle(assignment: &Assignment, limited: &str, outcome: &LimitedOutcome) -> Assignment {
    match outcome {
        LimitedOutcome::Silent(how) if assignment.to_limited => {
            let text = format!("the study was given to {limited}, which does not answer: {how}");
            let reason = Reason::about("assignment.taken-back", text, "disposition", how.as_str());
            Assignment { to_limited: false, reason }
        }
        _ => assignment.clone(),
    }
}
