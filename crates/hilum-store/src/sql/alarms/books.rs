//! The daily look at the books (MV-20): state in the catalog, so that no day is left out however long nothing ran.

use crate::StoreError;
use crate::records::BooksLine;
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::connection::{Row, values};
use hilum_audit::{AuditAction, AuditEvent, AuditOutcome, AuditSubject};
use hilum_monitor::alarm::{BooksCheck, days_to_check, gap_text};
use hilum_types::Timestamp;
use serde_json::json;

const WHAT: &str = "look at the books of a day";

pub(super) async fn books_check_due(catalog: &SqlCatalog, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
    let days = due(catalog, now, limit).await?;
    for day in &days {
        let lines = crate::sql::books::books(catalog, day, day).await?;
        check(catalog, day, &lines, now).await?;
    }
    Ok(days.len() as u32)
}

async fn due(catalog: &SqlCatalog, now: Timestamp, limit: u32) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT day, checked_on, n_open FROM books_check ORDER BY day";
    let check = |row: &Row| {
        Ok(BooksCheck { day: row.text("day")?, checked_on: row.text("checked_on")?, n_open: row.number("n_open")? })
    };
    let rows = catalog.database.rows(WHAT, sql, vec![]).await?;
    let checked = rows.iter().map(check).collect::<Result<Vec<_>, StoreError>>()?;
    let row = catalog.database.row(WHAT, "SELECT MIN(day) AS day FROM arrival", vec![]).await?;
    let first_day = row.map(|row| row.text_or_none("day")).transpose()?.flatten();
    Ok(days_to_check(&checked, first_day.as_deref(), now, limit as usize))
}

/// Two workers may look at the same day: the books are the same for both, and a gap counts up.
async fn check(catalog: &SqlCatalog, day: &str, lines: &[BooksLine], now: Timestamp) -> Result<(), StoreError> {
    let mut act = Act::begin(&catalog.database, WHAT, "system:books", now).await?;
    let n_open: u64 = lines.iter().map(|line| line.open).sum();
    let mut n_gaps = 0_u64;
    for line in lines.iter().filter(|line| !line.balanced) {
        n_gaps += 1;
        let n_ended = line.analysed + line.not_eligible + line.withheld + line.failed + line.expired;
        let text = gap_text(&line.deployment, day, line.arrived, n_ended, line.open);
        act.alarm("books-gap", &text, None, Some(&line.deployment)).await?;
    }
    let sql = "INSERT INTO books_check (day, checked_on, n_open, n_gaps) VALUES ($1,$2,$3,$4) ON CONFLICT (day) \
               DO UPDATE SET checked_on = excluded.checked_on, n_open = excluded.n_open, n_gaps = excluded.n_gaps";
    act.execute(sql, values![day, now.day(), n_open, n_gaps]).await?;
    let outcome = if n_gaps == 0 { AuditOutcome::Success } else { AuditOutcome::SeriousFailure };
    let event = AuditEvent::new(now, "system:books", AuditAction::BooksChecked, AuditSubject::system());
    act.audit_event(event.outcome(outcome).detail(&json!({ "day": day, "n_gaps": n_gaps, "n_open": n_open })));
    act.commit().await
}
