//! All numbers of the studies of a period beside those of a reference, compared together, for whoever asks (MV-21):
//! from rows, because a sketch keeps each number for itself.

use crate::inputs_report::{MOVED_DAYS, off_thread, reference_span};
use crate::monitoring::ObservationFilter;
use crate::{Catalog, StoreError};
use hilum_monitor::Observation;
use hilum_monitor::sketch::Span;
use hilum_monitor::together::{Method, StudyDraw, Together, TogetherOptions, compare};
use hilum_types::{Digest, Timestamp};
use tokio::sync::Semaphore;

/// Study revisions of one side that are read at most.
const ROWS_MAX: usize = 200_000;

/// Read at once.
const PAGE: u32 = 500;

const DAY_SECONDS: i64 = 86_400;

const WHAT: &str = "compare all numbers together";

/// One comparison holds up to 100 MB and every processor for seconds, so that whoever asks meanwhile waits for it.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// What to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TogetherQuery {
    /// Studies complete at or after this; `None`: 28 days before the end, or the end of the reference when that is
    /// later.
    pub from: Option<Timestamp>,
    /// Studies complete before this.
    pub until: Timestamp,
    /// The version; `None`: the one in use.
    pub package: Option<Digest>,
    /// Studies of this acquisition group alone, on both sides; `-`: of those that state none.
    pub group: Option<String>,
    /// Begin and end of the reference; what is `None` follows from the first 28 days of the version.
    pub reference: (Option<Timestamp>, Option<Timestamp>),
    /// How.
    pub method: Method,
    /// What is drawn and dealt by lot follows from it.
    pub seed: u64,
}

/// One side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TogetherSide {
    /// Begin and end.
    pub span: Span,
    /// Studies that something was measured of.
    pub n_studies: u64,
    /// Those of them that were drawn.
    pub n_drawn: u64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct TogetherReport {
    /// Deployment.
    pub deployment: String,
    /// Version.
    pub package: Digest,
    /// Acquisition group, when only one was looked at.
    pub group: Option<String>,
    /// How it was compared.
    pub options: TogetherOptions,
    /// Everything entered until then is in it.
    pub as_of: Timestamp,
    /// What it is compared with.
    pub reference: TogetherSide,
    /// What is compared.
    pub current: TogetherSide,
    /// Of what went in, and of what came out; at least one was compared.
    pub together: Together,
}

/// What can be said of all numbers together.
#[derive(Debug, Clone, PartialEq)]
pub enum TogetherState {
    /// There is too little to compare; a sentence for people says of what.
    TooLittle(String),
    /// It was compared.
    Compared(Box<TogetherReport>),
}

/// Compare. It takes seconds, off the thread of the caller; only one comparison is made at a time.
///
/// # Errors
/// [`StoreError::NotFound`] without such a deployment; [`StoreError::Refused`] for a reference that ends before it
/// begins or overlaps the period, and for more study revisions than are read.
pub async fn together_report(
    catalog: &dyn Catalog,
    name: &str,
    query: &TogetherQuery,
    now: Timestamp,
) -> Result<TogetherState, StoreError> {
    let missing = StoreError::NotFound("deployment; `hilum deployments` shows them");
    let deployment = catalog.deployment_get(name).await?.ok_or(missing)?;
    let package = query.package.unwrap_or(deployment.package_digest);
    if query.reference.0.is_none() && catalog.tally_left().await? {
        let why = "what was observed is still being counted, so the first day of the version is not known yet; give \
                   the begin of the reference, or ask again later";
        return Ok(TogetherState::TooLittle(why.to_owned()));
    }
    let Some(reference_span) = reference_span(catalog, name, &package, query.reference).await? else {
        return Ok(TogetherState::TooLittle("nothing was observed of this version".to_owned()));
    };
    let days_ago = query.until.plus_seconds(-MOVED_DAYS * DAY_SECONDS);
    let from = query.from.unwrap_or_else(|| days_ago.max(reference_span.until));
    let current_span = Span { from, until: query.until };
    if reference_span.until <= reference_span.from {
        return Err(refused("the reference must begin before it ends"));
    }
    if current_span.until <= current_span.from {
        let why = format!("the period must begin after the reference, which ends on {}", reference_span.until.day());
        return Ok(TogetherState::TooLittle(why));
    }
    if current_span.from < reference_span.until && reference_span.from < current_span.until {
        let Span { from, until } = reference_span;
        let why = format!("the period overlaps the reference, {from} to {until}; give another begin of one of them");
        return Err(refused(why));
    }
    let turn = ONE_AT_A_TIME.acquire().await.map_err(|_| StoreError::ShuttingDown)?;
    let reader = Reader { catalog, deployment: name, package, query, now };
    let (reference, before) = reader.side(reference_span).await?;
    let (current, during) = reader.side(current_span).await?;
    let options = TogetherOptions::new(query.method, query.seed);
    let compared = off_thread(move || {
        // Kept until the work is done, even when nobody waits for the answer any more.
        let _turn = turn;
        Ok(compare(&before, &during, &options))
    });
    let together = compared.await?;
    if let (Err(inputs), Err(outputs)) = (&together.inputs, &together.outputs) {
        return Ok(TogetherState::TooLittle(format!("{inputs}; {outputs}")));
    }
    Ok(TogetherState::Compared(Box::new(TogetherReport {
        deployment: name.to_owned(),
        package,
        group: query.group.clone(),
        options,
        as_of: now,
        reference,
        current,
        together,
    })))
}

fn refused(why: impl Into<String>) -> StoreError {
    StoreError::Refused { what: WHAT, why: why.into() }
}

struct Reader<'a> {
    catalog: &'a dyn Catalog,
    deployment: &'a str,
    package: Digest,
    query: &'a TogetherQuery,
    now: Timestamp,
}

impl Reader<'_> {
    /// The studies of a side, page by page, so that no more than those drawn are held.
    async fn side(&self, span: Span) -> Result<(TogetherSide, Vec<Observation>), StoreError> {
        let filter = ObservationFilter {
            deployment: self.deployment.to_owned(),
            package: Some(self.package),
            from: Some(span.from),
            until: Some(span.until),
            as_of: Some(self.now),
            ..ObservationFilter::default()
        };
        let mut draw = StudyDraw::new(self.query.seed);
        let mut last: Option<Observation> = None;
        let mut n_read = 0;
        loop {
            let page = self.catalog.observation_page(&filter, last.as_ref(), PAGE).await?;
            n_read += page.len();
            if ROWS_MAX < n_read {
                let Span { from, until } = span;
                let why = format!("more than {ROWS_MAX} study revisions from {from} to {until}; give a shorter time");
                return Err(refused(why));
            }
            let Some(end) = page.last() else { break };
            last = Some(end.clone());
            page.into_iter().filter(|one| self.is_of_group(one)).for_each(|one| draw.take(one));
        }
        let n_studies = draw.n_studies();
        let drawn = draw.into_drawn();
        Ok((TogetherSide { span, n_studies, n_drawn: drawn.len() as u64 }, drawn))
    }

    fn is_of_group(&self, observation: &Observation) -> bool {
        let group = observation.attributes.get("group").map_or("-", String::as_str);
        self.query.group.as_deref().is_none_or(|wanted| wanted == group)
    }
}
