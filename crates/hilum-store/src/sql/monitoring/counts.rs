//! Counts for monitoring systems that ask every few seconds: none may read a table that grows with the studies.

use crate::StoreError;
use crate::monitoring::{MonitorCounts, RUN_TIME_BOUNDS_MICROS, RunTimes};
use crate::sql::SqlCatalog;
use crate::sql::act::Act;
use crate::sql::alarms::severity_from;
use crate::sql::connection::values;
use hilum_monitor::Severity;

/// Bound of the bucket beyond every other.
const BEYOND: i64 = -1;

pub(in crate::sql) const ALARMS_OPEN: &str = "SELECT severity, COUNT(*) AS n FROM alarm \
     WHERE acknowledged_at IS NULL AND closed_at IS NULL GROUP BY severity";
pub(in crate::sql) const SIGNALS: &str =
    "SELECT deployment, rule, COUNT(*) AS n FROM signal GROUP BY deployment, rule ORDER BY deployment, rule";

pub(super) async fn monitor_counts(catalog: &SqlCatalog) -> Result<MonitorCounts, StoreError> {
    const WHAT: &str = "count what is monitored";
    let database = &catalog.database;
    let alarms_open = [Severity::Watch, Severity::Review, Severity::Stop].map(|severity| (severity, 0)).to_vec();
    let mut counts = MonitorCounts { alarms_open, ..MonitorCounts::default() };
    for row in database.rows(WHAT, ALARMS_OPEN, vec![]).await? {
        let severity = row.named("severity", severity_from)?;
        let n = row.number("n")?;
        counts.alarms_open.iter_mut().filter(|(of, _)| *of == severity).for_each(|(_, open)| *open = n);
    }
    for row in database.rows(WHAT, SIGNALS, vec![]).await? {
        counts.signals.push((row.text("deployment")?, row.text("rule")?, row.number("n")?));
    }
    let sql = "SELECT deployment, source, n FROM label_tally ORDER BY deployment, source";
    for row in database.rows(WHAT, sql, vec![]).await? {
        counts.labels.push((row.text("deployment")?, row.text("source")?, row.number("n")?));
    }
    let sql = "SELECT deployment, le_micros, n, sum_micros FROM run_time_tally ORDER BY deployment, le_micros";
    for row in database.rows(WHAT, sql, vec![]).await? {
        let deployment = row.text("deployment")?;
        if counts.run_times.last().is_none_or(|last| last.deployment != deployment) {
            counts.run_times.push(RunTimes { deployment, n: Default::default(), sum_micros: 0 });
        }
        let Some(times) = counts.run_times.last_mut() else { continue };
        let le: i64 = row.number("le_micros")?;
        let place = RUN_TIME_BOUNDS_MICROS.iter().position(|bound| *bound == le);
        times.n[place.unwrap_or(RUN_TIME_BOUNDS_MICROS.len())] += row.number::<u64>("n")?;
        times.sum_micros = times.sum_micros.saturating_add(row.number("sum_micros")?);
    }
    Ok(counts)
}

/// Count a run, in the act that records it.
pub(in crate::sql) async fn count_run(act: &mut Act, deployment: &str, micros: i64) -> Result<(), StoreError> {
    let micros = micros.max(0);
    let le = RUN_TIME_BOUNDS_MICROS.into_iter().find(|bound| micros <= *bound).unwrap_or(BEYOND);
    let sql = "INSERT INTO run_time_tally (deployment, le_micros, n, sum_micros) VALUES ($1,$2,1,$3) \
               ON CONFLICT (deployment, le_micros) DO UPDATE SET n = run_time_tally.n + 1, \
               sum_micros = run_time_tally.sum_micros + excluded.sum_micros";
    act.execute(sql, values![deployment, le, micros]).await?;
    Ok(())
}

/// Count a label, in the act that enters it.
pub(in crate::sql) async fn count_label(act: &mut Act, deployment: &str, source: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO label_tally (deployment, source, n) VALUES ($1,$2,1) \
               ON CONFLICT (deployment, source) DO UPDATE SET n = label_tally.n + 1";
    act.execute(sql, values![deployment, source]).await?;
    Ok(())
}
