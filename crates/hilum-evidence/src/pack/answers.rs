//! Which record or file answers an item, and what would fill a gap.

use super::{folder, record_path, shown_folder};
use crate::EvidenceError;
use crate::card_text::{CardText, TEXT_FIELDS};
use crate::facts::{DeploymentFacts, PackageFacts, SiteFacts};
use crate::figure::ValidationFacts;
use crate::law::{Item, Wanted};
use crate::words;
use hilum_sign::{Record, RecordKind, approvals};
use hilum_types::Digest;
use serde::Serialize;

/// How far an item is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything wanted is in the pack.
    Evidence,
    /// Some of it is.
    Partial,
    /// Nothing is.
    Missing,
}

impl Status {
    /// The word that stands on the page.
    pub fn name(self) -> &'static str {
        match self {
            Status::Evidence => "evidence",
            Status::Partial => "partial",
            Status::Missing => "missing",
        }
    }
}

/// A file of the pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// What it is.
    pub label: String,
    /// Path within the pack.
    pub path: String,
}

/// One piece of wanted evidence about one package or deployment: links, or what is missing and what would fill it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// Stable name of the evidence.
    pub wanted: String,
    /// What it is about: `NAME@VERSION`, a deployment, or the site.
    pub about: String,
    /// Where it is; empty when it is missing.
    pub links: Vec<Link>,
    /// What is missing, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// What would fill it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// An item with its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemAnswer {
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// What is asked, in our words.
    pub asks: String,
    /// How far it is answered.
    pub status: Status,
    /// The answers.
    pub answers: Vec<Answered>,
}

/// What is looked up for one package over and over.
struct Known<'a> {
    package: &'a PackageFacts,
    text: Option<(&'a Record, CardText)>,
    validations: Vec<(&'a Record, ValidationFacts)>,
}

/// The answers to the items, in order.
///
/// # Errors
/// [`EvidenceError::Record`] when the text of a card cannot be read.
pub(super) fn answer<'a>(
    site: &SiteFacts,
    items: impl Iterator<Item = &'a Item>,
) -> Result<Vec<ItemAnswer>, EvidenceError> {
    let mut known = Vec::new();
    for package in &site.packages {
        let subject = package.digest.to_string();
        let text = match site.records_about(RecordKind::CardText, &subject).first() {
            Some(record) => Some((*record, CardText::from_record(record)?)),
            None => None,
        };
        let validations = site.records_about(RecordKind::Validation, &subject);
        let validations = validations.into_iter().map(|record| (record, ValidationFacts::read(record))).collect();
        known.push(Known { package, text, validations });
    }
    let mut answers = Vec::new();
    for item in items {
        let found: Vec<Answered> = item.wanted.iter().flat_map(|wanted| look_up(site, &known, wanted)).collect();
        let n_missing = found.iter().filter(|answer| answer.links.is_empty()).count();
        let status = match n_missing {
            0 => Status::Evidence,
            n if n == found.len() => Status::Missing,
            _ => Status::Partial,
        };
        let Item { number, title, asks, .. } = item.clone();
        answers.push(ItemAnswer { number, title, asks, status, answers: found });
    }
    Ok(answers)
}

fn look_up(site: &SiteFacts, known: &[Known<'_>], wanted: &Wanted) -> Vec<Answered> {
    let name = String::from(wanted.clone());
    let answered = |about: &str, links: Vec<Link>, missing: &str, remedy: String| {
        let gap = links.is_empty();
        Answered {
            wanted: name.clone(),
            about: about.to_owned(),
            links,
            missing: gap.then(|| missing.to_owned()),
            remedy: gap.then_some(remedy),
        }
    };
    match wanted {
        Wanted::AuditChain => {
            let link = Link { label: "Audit chain".to_owned(), path: super::CHAIN_PATH.to_owned() };
            vec![answered("the site", vec![link], "", String::new())]
        }
        Wanted::History | Wanted::Change | Wanted::Monitoring | Wanted::PeriodicReport => {
            let of_deployment = |deployment: &DeploymentFacts| {
                let (links, missing, remedy) = about_deployment(site, deployment, wanted);
                answered(&deployment.name, links, missing, remedy)
            };
            let found: Vec<Answered> = site.deployments.iter().map(of_deployment).collect();
            if found.is_empty() {
                let remedy = "declare a deployment and put it in force with `hilum apply`".to_owned();
                return vec![answered("the site", vec![], "no deployment is declared", remedy)];
            }
            found
        }
        _ => {
            let of_package = |known: &Known<'_>| {
                let (links, missing, remedy) = about_package(site, known, wanted);
                answered(&known.package.label(), links, missing, remedy)
            };
            let found: Vec<Answered> = known.iter().map(of_package).collect();
            if found.is_empty() {
                let remedy = "import one with `hilum model import DIR`".to_owned();
                return vec![answered("the site", vec![], "no package is imported", remedy)];
            }
            found
        }
    }
}

type Found = (Vec<Link>, &'static str, String);

fn about_deployment(site: &SiteFacts, deployment: &DeploymentFacts, wanted: &Wanted) -> Found {
    let name = &deployment.name;
    let own = || Link { label: format!("Deployment {name}"), path: format!("deployments/{name}.json") };
    match wanted {
        Wanted::History => {
            let links = if deployment.events.is_empty() { vec![] } else { vec![own()] };
            (links, "the audit chain of this pack holds no act on it", "export without --from".to_owned())
        }
        Wanted::Change => {
            let links = links_of(site.records_about(RecordKind::Change, name));
            let remedy = "changes that need signatures are entered by `hilum deploy promote`".to_owned();
            (links, "no signed change is on record; it was declared by file", remedy)
        }
        Wanted::Monitoring => {
            let declared = deployment
                .stated("monitoring")
                .is_some_and(|value| value.as_object().is_none_or(|members| !members.is_empty()) && value != "");
            let links = if declared { vec![own()] } else { vec![] };
            (links, "it declares no monitoring", format!("declare `monitoring` for deployment {name}"))
        }
        _ => {
            let links = site
                .records_about(RecordKind::PeriodicReport, name)
                .into_iter()
                .map(|record| Link {
                    label: format!("Periodic report entered {}", record.created_at.day()),
                    path: format!("{}/index.html", shown_folder(record)),
                })
                .collect();
            let remedy = format!("`hilum evidence report --deployment {name} --from DAY --to DAY --out DIR`");
            (links, "no periodic report is on record", remedy)
        }
    }
}

fn about_package(site: &SiteFacts, known: &Known<'_>, wanted: &Wanted) -> Found {
    let Known { package, text, validations } = known;
    let (label, digest) = (package.label(), package.digest);
    let validate = || format!("`hilum validate --model {label} --protocol FILE --out DIR`");
    let named = |key: &str| {
        let digests = validations.iter().filter_map(|(record, _)| record.body[key].as_str()?.parse::<Digest>().ok());
        let mut records: Vec<&Record> = digests.filter_map(|digest| site.record(&digest)).collect();
        records.dedup_by_key(|record| record.digest);
        links_of(records)
    };
    match wanted {
        Wanted::Manifest => {
            let path = format!("packages/{}/package.json", folder(package));
            (vec![Link { label: "Manifest".to_owned(), path }], "", String::new())
        }
        Wanted::Card => {
            let path = format!("cards/{}/index.html", folder(package));
            (vec![Link { label: "Model card".to_owned(), path }], "", String::new())
        }
        Wanted::Text(key) => {
            let title = TEXT_FIELDS.iter().find(|field| field.key == key).map_or(key.as_str(), |field| field.title);
            let link = text.as_ref().filter(|(_, text)| text.get(key).is_some()).map(|(record, _)| Link {
                label: format!("{title}, as {} wrote it", record.author.trim_start_matches("user:")),
                path: record_path(record),
            });
            let remedy = format!("write \"{title}\" with `hilum model card-text {label} FILE`");
            (link.into_iter().collect(), "nobody has written it", remedy)
        }
        Wanted::Deployment => {
            let using = site.deployments.iter().filter(|deployment| deployment.packages().contains(&digest));
            let link = |deployment: &DeploymentFacts| Link {
                label: format!("Deployment {}", deployment.name),
                path: format!("deployments/{}.json", deployment.name),
            };
            let remedy = "declare a deployment, or leave the package out".to_owned();
            (using.map(link).collect(), "no deployment has used it", remedy)
        }
        Wanted::Validation => {
            let link = |(record, facts): &(&Record, ValidationFacts)| Link {
                label: format!("Acceptance test of {}: {}", facts.at.day(), facts.verdict),
                path: if facts.problem.is_none() {
                    format!("{}/report.html", shown_folder(record))
                } else {
                    record_path(record)
                },
            };
            (validations.iter().map(link).collect(), "no acceptance test of it is on record", validate())
        }
        Wanted::SignedValidation => {
            let signed = validations.iter().filter(|(record, _)| approvals(record).complete());
            let link = |(record, _): &(&Record, ValidationFacts)| Link {
                label: format!("Report {}", words::approval(record)),
                path: record_path(record),
            };
            let remedy = match validations.first() {
                Some((record, _)) => format!("two people sign it: `hilum record sign {}`", record.digest.short()),
                None => validate(),
            };
            (signed.map(link).collect(), "no acceptance test of it is approved by two people", remedy)
        }
        Wanted::Subgroups => {
            let with_groups =
                validations.iter().filter(|(_, facts)| facts.figures.iter().any(crate::Figure::is_subgroup));
            let link = |(record, _): &(&Record, ValidationFacts)| Link {
                label: "Figures in groups".to_owned(),
                path: format!("{}/report.html", shown_folder(record)),
            };
            let remedy = format!("name groups in the protocol as [[subgroup]], then {}", validate());
            (with_groups.map(link).collect(), "no figure in groups of patients is on record", remedy)
        }
        Wanted::Protocol => (named("protocol"), "no frozen protocol stands behind it", validate()),
        Wanted::ReferenceSet => (named("reference_set"), "no reference set it was tested on is on record", validate()),
        Wanted::TrainingSet => {
            let links = links_of(site.records_about(RecordKind::TrainingSet, &package.name));
            let remedy = format!("`hilum reference training {}` with the case list of its maker", package.name);
            (links, "what it was trained on is not on record", remedy)
        }
        Wanted::Replay => {
            let mut records = site.records_naming(RecordKind::Replay, &["to", "package"], &digest);
            records.extend(site.records_about(RecordKind::Comparison, &digest.to_string()));
            let remedy = format!("`hilum model compare OLD {label} --reference SET --for DEPLOYMENT`");
            (links_of(records), "it was not replayed against another version", remedy)
        }
        _ => {
            let records = site.records_naming(RecordKind::UserTraining, &["package"], &digest);
            let remedy = format!("`hilum user trained USER --model {label} --what TEXT`");
            (links_of(records), "nobody is on record as trained for it", remedy)
        }
    }
}

fn links_of(records: Vec<&Record>) -> Vec<Link> {
    let link = |record: &Record| Link {
        label: format!(
            "{} {} of {}",
            record.kind.name().replace('_', " "),
            record.digest.short(),
            record.created_at.day()
        ),
        path: record_path(record),
    };
    records.into_iter().map(link).collect()
}
