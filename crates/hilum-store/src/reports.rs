//! From a received report to labels: keep it, tie it to its study, read it with the declared extractors.

use crate::labels::{NewLabel, NewReport, Report, ReportAdded, Unread};
use crate::{BlobStore, Catalog, ErrorKind, StoreError};
use bytes::Bytes;
use hilum_monitor::report::{Extractor, ReportStatus, declaration_digest};
use hilum_monitor::{Label, LabelSource, Truth};
use hilum_registry::monitoring::ExtractorSpec;
use hilum_sign::RecordKind;
use hilum_types::{Digest, Timestamp};

/// A result is waited for this long after a report, and a report this long after a result.
const LATE_SECONDS: i64 = 30 * 86_400;
/// Reports read in one round.
const ROUND: u32 = 100;

/// Keep a report: its text becomes durable, then its row. Only after that may the sender be told.
///
/// # Errors
/// As [`Labels::report_add`](crate::Labels::report_add); [`StoreError::OutOfSpace`].
pub async fn keep_report(
    catalog: &dyn Catalog,
    blobs: &dyn BlobStore,
    mut report: NewReport,
    text: &str,
    now: Timestamp,
) -> Result<ReportAdded, StoreError> {
    let stored = blobs.blob_put(Bytes::copy_from_slice(text.as_bytes())).await?;
    (report.blob, report.size) = (stored.digest, stored.size);
    catalog.report_add(&report, now).await
}

/// Tie reports to studies that came later, and read those that are due; says how many labels were entered. One whose text
/// is damaged or gone raises an alarm and counts as read; one that fails otherwise is left for the next round, and the
/// others go on.
///
/// # Errors
/// What the catalog says, of the first that failed; what was entered stays.
pub async fn read_reports(catalog: &dyn Catalog, blobs: &dyn BlobStore, now: Timestamp) -> Result<usize, StoreError> {
    let since = now.plus_seconds(-LATE_SECONDS);
    catalog.report_link_due(since, now, ROUND).await?;
    let (mut n_labels, mut failed) = (0, None);
    for unread in catalog.report_unread(since, ROUND).await? {
        match read_one(catalog, blobs, &unread, now).await {
            Ok(labels) => n_labels += labels.len(),
            Err(error) if error.of_whole_batch().is_some() => return Err(error),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(n_labels), Err)
}

async fn read_one(
    catalog: &dyn Catalog,
    blobs: &dyn BlobStore,
    unread: &Unread,
    now: Timestamp,
) -> Result<Vec<Label>, StoreError> {
    let deployment = catalog.deployment_get(&unread.deployment).await?;
    let declared = deployment.and_then(|deployment| deployment.spec.monitoring);
    let specs = declared.map(|monitoring| monitoring.labels.extractor).unwrap_or_default();
    let mut labels = Vec::new();
    if !specs.is_empty() {
        let text = match blobs.blob_get(&unread.report.blob).await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                let (text, study_key) = (error.to_string(), unread.report.study_key.as_ref());
                catalog.alarm_raise("report-unreadable", &text, study_key, None, now).await?;
                String::new()
            }
            Err(error) => return Err(error),
        };
        let (report, read_by) = (unread.clone(), specs.clone());
        // Much work for a long text: it must not hold up what else runs here.
        let said = tokio::task::spawn_blocking(move || {
            read_by.iter().map(|spec| truth_of(&report.report, spec, &text)).collect::<Vec<_>>()
        });
        let said = said.await.map_err(|error| StoreError::Misuse(format!("a report was not read: {error}")))?;
        for (spec, truth) in specs.iter().zip(said) {
            let measured = is_measured(catalog, spec).await?;
            labels.extend(truth.and_then(|truth| label_of(unread, spec, truth, measured)));
        }
    }
    catalog.report_read(unread, &labels, now).await
}

/// What a report says of one finding. A corrected report that no longer speaks of it, and one that was taken back,
/// take away what an earlier version said.
fn truth_of(report: &Report, spec: &ExtractorSpec, text: &str) -> Option<Truth> {
    let read = || match Extractor::new(spec) {
        Ok(extractor) => extractor.read(text, &report.codes).truth,
        Err(_) => None,
    };
    match report.status {
        ReportStatus::Cancelled => Some(Truth::Uncertain),
        ReportStatus::Corrected => read().or(Some(Truth::Uncertain)),
        ReportStatus::Preliminary | ReportStatus::Final => read(),
    }
}

fn label_of(unread: &Unread, spec: &ExtractorSpec, truth: Truth, measured: bool) -> Option<NewLabel> {
    let report = &unread.report;
    Some(NewLabel {
        origin: format!("report:{}:{}:{}:{}", report.key, unread.deployment, unread.revision, spec.finding),
        study_key: report.study_key.clone()?,
        revision: Some(unread.revision),
        deployment: unread.deployment.clone(),
        finding: spec.finding.clone(),
        truth,
        agreement: None,
        source: LabelSource::Report,
        extractor: Some(spec.label()),
        extractor_measured: measured,
        decided_at: report.reported_at,
        report: Some(report.key.clone()),
        comment: None,
        by: format!("extractor:{}", spec.name),
    })
}

/// Subject of the records that hold the measured error of extractors.
pub fn extractor_subject(spec: &ExtractorSpec) -> String {
    extractor_subject_of(&spec.finding, &spec.label())
}

/// The same from what a label says.
pub(crate) fn extractor_subject_of(finding: &str, extractor: &str) -> String {
    format!("{finding}:{extractor}")
}

/// Whether the error of exactly this declaration was measured here (MV-28).
async fn is_measured(catalog: &dyn Catalog, spec: &ExtractorSpec) -> Result<bool, StoreError> {
    let filter = crate::governance::RecordFilter {
        kind: Some(RecordKind::ExtractorError),
        subject: Some(extractor_subject(spec)),
        until: None,
    };
    let declaration = declaration_digest(spec);
    let of_it = |body: &serde_json::Value| {
        let stated = body.get("declaration").and_then(serde_json::Value::as_str);
        stated.and_then(|text| text.parse::<Digest>().ok()) == Some(declaration)
    };
    let records = catalog.record_list(&filter, 100).await?;
    Ok(records.iter().any(|record| record.is_intact() && of_it(&record.body)))
}
