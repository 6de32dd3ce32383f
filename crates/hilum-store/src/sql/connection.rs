//! The thin layer over sqlx that lets one SQL text serve both back ends: text and integers in, rows out.

use crate::{CatalogFault, CatalogOptions, StoreError};
use hilum_types::{Digest, Timestamp, Uid};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Postgres, Row as _, Sqlite, Transaction};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Longest wait for the catalog before an act is given up as unavailable.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Pause before a locked SQLite file is opened once more.
const LOCKED_PAUSE: Duration = Duration::from_millis(10);

/// A parameter. The catalog holds nothing but text and integers.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Int(i64),
    NoText,
    NoInt,
}

impl From<String> for Value {
    /// PostgreSQL takes no NUL in text; both back ends store what stands for an unknown character instead.
    fn from(text: String) -> Value {
        Value::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::from(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Int(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Value {
        Value::Int(time.micros())
    }
}

impl From<Digest> for Value {
    fn from(digest: Digest) -> Value {
        Value::Text(digest.to_string())
    }
}

impl From<&Uid> for Value {
    fn from(uid: &Uid) -> Value {
        Value::Text(uid.as_str().to_owned())
    }
}

impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Value {
        Value::Text(json.to_string())
    }
}

macro_rules! key_values {
    ($($key:ident),*) => {$(
        impl From<&crate::$key> for Value {
            fn from(key: &crate::$key) -> Value {
                Value::Text(key.as_str().to_owned())
            }
        }
        impl From<Option<&crate::$key>> for Value {
            fn from(key: Option<&crate::$key>) -> Value {
                key.map_or(Value::NoText, Value::from)
            }
        }
    )*};
}
key_values!(
    StudyKey,
    InstanceKey,
    QuarantineKey,
    JobKey,
    ResultKey,
    DeliveryKey,
    AlarmKey,
    NotificationKey,
    ProductRequestKey,
    LabelKey,
    ReportKey
);

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Value {
        text.map_or(Value::NoText, Value::from)
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Value {
        text.map_or(Value::NoText, Value::from)
    }
}

impl From<Option<u32>> for Value {
    fn from(number: Option<u32>) -> Value {
        number.map_or(Value::NoInt, Value::from)
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(time: Option<Timestamp>) -> Value {
        time.map_or(Value::NoInt, Value::from)
    }
}

/// Parameters in the order of `$1`, `$2`, ...
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::connection::Value::from($value)),*] };
}
pub(super) use values;

/// A row, read by column name. A column that does not hold what this version writes is
/// [`StoreError::DamagedRow`].
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn text_or_none(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        let read = match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        };
        read.map_err(|_| StoreError::DamagedRow { column })
    }

    pub(super) fn int_or_none(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        let read = match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        };
        read.map_err(|_| StoreError::DamagedRow { column })
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.text_or_none(column)?.ok_or(StoreError::DamagedRow { column })
    }

    pub(super) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.int_or_none(column)?.ok_or(StoreError::DamagedRow { column })
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_micros)
    }

    pub(super) fn time_or_none(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.int_or_none(column)?.map(Timestamp::from_micros))
    }

    pub(super) fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.int(column)?).map_err(|_| StoreError::DamagedRow { column })
    }

    pub(super) fn number_or_none<T: TryFrom<i64>>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let number = self.int_or_none(column)?.map(T::try_from).transpose();
        number.map_err(|_| StoreError::DamagedRow { column })
    }

    /// A key, UID, digest, ... in its text form.
    pub(super) fn parse<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|_| StoreError::DamagedRow { column })
    }

    pub(super) fn parse_or_none<T: FromStr>(&self, column: &'static str) -> Result<Option<T>, StoreError> {
        let parsed = self.text_or_none(column)?.map(|text| text.parse()).transpose();
        parsed.map_err(|_| StoreError::DamagedRow { column })
    }

    /// A member of a closed set by its stable name.
    pub(super) fn named<T>(
        &self,
        column: &'static str,
        from_name: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        from_name(&self.text(column)?).ok_or(StoreError::DamagedRow { column })
    }

    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| StoreError::DamagedRow { column })
    }

    pub(super) fn json_or_none<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let parsed = self.text_or_none(column)?.map(|text| serde_json::from_str(&text)).transpose();
        parsed.map_err(|_| StoreError::DamagedRow { column })
    }
}

/// JSON text of something that always can be written as JSON.
pub(super) fn json_text(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Misuse(format!("cannot be written as JSON: {e}")))
}

fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        let added = match value {
            Value::Text(text) => Arguments::add(&mut arguments, text),
            Value::Int(number) => Arguments::add(&mut arguments, number),
            Value::NoText => Arguments::add(&mut arguments, None::<String>),
            Value::NoInt => Arguments::add(&mut arguments, None::<i64>),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(text),
            Value::Int(number) => arguments.add(number),
            Value::NoText => arguments.add(None::<String>),
            Value::NoInt => arguments.add(None::<i64>),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// The connections to a catalog. SQLite has one connection that writes; PostgreSQL any.
#[derive(Debug, Clone)]
pub(super) enum Database {
    Sqlite { read: SqlitePool, write: SqlitePool },
    Postgres(PgPool),
}

/// A transaction; dropping it rolls it back.
pub(super) enum Connection {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Database {
    pub(super) async fn connect(url: &str, options: &CatalogOptions) -> Result<Database, StoreError> {
        let n_connections = options.n_connections.max(2);
        if let Some(path) = url.strip_prefix("sqlite:") {
            let settings = SqliteConnectOptions::new()
                .filename(path.trim_start_matches("//"))
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(WAIT_MAX)
                .statement_cache_capacity(512)
                .pragma("wal_autocheckpoint", "4000")
                .disable_statement_logging();
            let pool =
                |n| SqlitePoolOptions::new().max_connections(n).acquire_timeout(WAIT_MAX).test_before_acquire(false);
            let failed = |e| catalog_error("open the SQLite catalog", e);
            let write = connect_when_free(pool(1), &settings).await.map_err(failed)?;
            let read = pool(n_connections).connect_with(settings.pragma("query_only", "ON")).await.map_err(failed)?;
            return Ok(Database::Sqlite { read, write });
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let settings: PgConnectOptions = url
                .parse()
                .map_err(|_| StoreError::UnsafeCatalog("the address is not postgres://USER@HOST/DATABASE".into()))?;
            // A client that stalls inside a transaction must not hold up every other process for ever.
            let settings = settings
                .options([
                    ("lock_timeout", "10s"),
                    ("statement_timeout", "60s"),
                    ("idle_in_transaction_session_timeout", "30s"),
                    ("client_min_messages", "warning"),
                ])
                .statement_cache_capacity(512)
                .disable_statement_logging();
            let pool = PgPoolOptions::new().max_connections(n_connections).acquire_timeout(WAIT_MAX);
            let pool = pool.connect_with(settings).await.map_err(|e| catalog_error("connect to PostgreSQL", e))?;
            return Ok(Database::Postgres(pool));
        }
        Err(StoreError::UnsafeCatalog("its address must begin with sqlite: or postgres://".into()))
    }

    /// Begin a transaction that writes. On SQLite it holds the write lock from the beginning.
    pub(super) async fn begin(&self, what: &'static str) -> Result<Connection, StoreError> {
        let begun = match self {
            Database::Sqlite { write, .. } => write.begin_with("BEGIN IMMEDIATE").await.map(Connection::Sqlite),
            Database::Postgres(pool) => pool.begin().await.map(Connection::Postgres),
        };
        begun.map_err(|e| catalog_error(what, e))
    }

    /// Rows of a query outside any transaction.
    pub(super) async fn rows(
        &self,
        what: &'static str,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = AssertSqlSafe(sql.into());
        let rows = match self {
            Database::Sqlite { read, .. } => match sqlite_arguments(values) {
                Ok(arguments) => sqlx::query_with(sql, arguments).fetch_all(read).await.map(wrap(Row::Sqlite)),
                Err(e) => Err(e),
            },
            Database::Postgres(pool) => match postgres_arguments(values) {
                Ok(arguments) => sqlx::query_with(sql, arguments).fetch_all(pool).await.map(wrap(Row::Postgres)),
                Err(e) => Err(e),
            },
        };
        rows.map_err(|e| catalog_error(what, e))
    }

    /// The first row of a query outside any transaction.
    pub(super) async fn row(
        &self,
        what: &'static str,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(what, sql, values).await?.into_iter().next())
    }
}

/// Connect to an SQLite file. Of several that open a new one at the same time one makes its write-ahead log; another
/// may be told at once that it is locked, whatever its busy time-out, and asks again.
async fn connect_when_free(
    pool: SqlitePoolOptions,
    settings: &SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let begun = Instant::now();
    loop {
        match pool.clone().connect_with(settings.clone()).await {
            Err(error) if is_locked(&error) && begun.elapsed() < WAIT_MAX => tokio::time::sleep(LOCKED_PAUSE).await,
            ended => return ended,
        }
    }
}

/// Whether SQLite says that somebody else holds the file (`SQLITE_BUSY`).
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

fn wrap<R>(row: impl Fn(R) -> Row) -> impl FnOnce(Vec<R>) -> Vec<Row> {
    move |rows| rows.into_iter().map(row).collect()
}

impl Connection {
    pub(super) fn is_postgres(&self) -> bool {
        matches!(self, Connection::Postgres(_))
    }

    pub(super) async fn rows(
        &mut self,
        what: &'static str,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = AssertSqlSafe(sql.into());
        let rows = match self {
            Connection::Sqlite(tx) => match sqlite_arguments(values) {
                Ok(arguments) => sqlx::query_with(sql, arguments).fetch_all(&mut **tx).await.map(wrap(Row::Sqlite)),
                Err(e) => Err(e),
            },
            Connection::Postgres(tx) => match postgres_arguments(values) {
                Ok(arguments) => sqlx::query_with(sql, arguments).fetch_all(&mut **tx).await.map(wrap(Row::Postgres)),
                Err(e) => Err(e),
            },
        };
        rows.map_err(|e| catalog_error(what, e))
    }

    pub(super) async fn row(
        &mut self,
        what: &'static str,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(what, sql, values).await?.into_iter().next())
    }

    /// Carry out a statement; says how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        what: &'static str,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        let sql = AssertSqlSafe(sql.into());
        let changed = match self {
            Connection::Sqlite(tx) => match sqlite_arguments(values) {
                Ok(arguments) => sqlx::query_with(sql, arguments).execute(&mut **tx).await.map(|d| d.rows_affected()),
                Err(e) => Err(e),
            },
            Connection::Postgres(tx) => match postgres_arguments(values) {
                Ok(arguments) => sqlx::query_with(sql, arguments).execute(&mut **tx).await.map(|d| d.rows_affected()),
                Err(e) => Err(e),
            },
        };
        changed.map_err(|e| catalog_error(what, e))
    }

    /// Insert many rows of `n_columns` values with few statements: `head` ends in `VALUES`, `tail` is what follows.
    ///
    /// Rows go in by powers of two, so that only a handful of statements is ever prepared.
    pub(super) async fn insert(
        &mut self,
        what: &'static str,
        head: &str,
        tail: &str,
        n_columns: usize,
        values: Vec<Value>,
    ) -> Result<(), StoreError> {
        debug_assert_eq!(values.len() % n_columns, 0, "{what}: rows of {n_columns} values");
        let mut left = values.len() / n_columns;
        let mut values = values.into_iter();
        while 0 < left {
            let n_rows = (1usize << left.ilog2()).min(64);
            let mut sql = String::with_capacity(head.len() + tail.len() + n_rows * n_columns * 6);
            sql.push_str(head);
            for row in 0..n_rows {
                sql.push_str(if row == 0 { " (" } else { ", (" });
                push_parameters(&mut sql, row * n_columns + 1, n_columns);
                sql.push(')');
            }
            sql.push(' ');
            sql.push_str(tail);
            let part = values.by_ref().take(n_rows * n_columns).collect();
            self.execute(what, sql, part).await?;
            left -= n_rows;
        }
        Ok(())
    }

    pub(super) async fn run_script(&mut self, what: &'static str, script: &'static str) -> Result<(), StoreError> {
        let run = match self {
            Connection::Sqlite(tx) => sqlx::raw_sql(script).execute(&mut **tx).await.map(drop),
            Connection::Postgres(tx) => sqlx::raw_sql(script).execute(&mut **tx).await.map(drop),
        };
        run.map_err(|e| catalog_error(what, e))
    }

    pub(super) async fn commit(self, what: &'static str) -> Result<(), StoreError> {
        let committed = match self {
            Connection::Sqlite(tx) => tx.commit().await,
            Connection::Postgres(tx) => tx.commit().await,
        };
        committed.map_err(|e| catalog_error(what, e))
    }
}

/// `$first, $first+1, ...`
fn push_parameters(sql: &mut String, first: usize, n: usize) {
    use std::fmt::Write;
    for i in first..first + n {
        // Writing to a String cannot fail.
        let _ = write!(sql, "{}${i}", if i == first { "" } else { "," });
    }
}

/// Parameters for `IN (...)`, beginning at `$first`. The list is padded with its last value to a power of two, so
/// that only a handful of statements is ever prepared. An empty list matches nothing.
pub(super) fn in_list(values: &mut Vec<Value>, list: impl IntoIterator<Item = Value>) -> String {
    let first = values.len() + 1;
    values.extend(list);
    let n = values.len() + 1 - first;
    let padding = values.last().cloned().filter(|_| 0 < n).unwrap_or(Value::NoText);
    let padded = n.max(1).next_power_of_two();
    values.resize(first - 1 + padded, padding);
    let mut sql = String::with_capacity(padded * 5 + 2);
    sql.push('(');
    push_parameters(&mut sql, first, padded);
    sql.push(')');
    sql
}

/// What an error of the back end means to a caller. The texts kept name constraints and codes, never values.
pub(super) fn catalog_error(what: &'static str, error: sqlx::Error) -> StoreError {
    let fault = |code: Option<String>, text: String| CatalogFault { code, text };
    let unavailable = |text: String| StoreError::CatalogUnavailable { what, source: fault(None, text) };
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().map(|code| code.into_owned());
            let source = fault(code.clone(), error.message().to_owned());
            match Meaning::of(code.as_deref().unwrap_or_default()) {
                Meaning::Unavailable => StoreError::CatalogUnavailable { what, source },
                Meaning::Full => StoreError::OutOfSpace { what },
                Meaning::Corrupt => StoreError::DamagedCatalog { what, source },
                Meaning::Wrong => StoreError::Statement { what, source },
            }
        }
        sqlx::Error::Io(error) => unavailable(format!("connection lost: {}", error.kind())),
        sqlx::Error::Tls(_) => unavailable("the encrypted connection failed".into()),
        sqlx::Error::Protocol(_) => unavailable("the connection broke off in the middle of an answer".into()),
        sqlx::Error::PoolTimedOut => unavailable(format!("no answer for {} s", WAIT_MAX.as_secs())),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => unavailable("the connection was closed".into()),
        sqlx::Error::BeginFailed => unavailable("a transaction could not begin".into()),
        other => {
            let source = fault(None, std::any::type_name_of_val(&other).to_owned() + ": wrong type or column");
            StoreError::Statement { what, source }
        }
    }
}

enum Meaning {
    Unavailable,
    Full,
    Corrupt,
    Wrong,
}

impl Meaning {
    /// SQLite's extended result codes are decimal numbers whose last byte is the primary code; PostgreSQL's
    /// SQLSTATE has five characters (its appendix A).
    fn of(code: &str) -> Meaning {
        if code.len() == 5 {
            return match (code, &code[..2]) {
                ("53100", _) => Meaning::Full,
                ("XX001" | "XX002", _) => Meaning::Corrupt,
                ("40001" | "40P01" | "55P03" | "55006" | "25P03" | "25006", _) => Meaning::Unavailable,
                (_, "08" | "53" | "57" | "58") => Meaning::Unavailable,
                _ => Meaning::Wrong,
            };
        }
        const PERM_BUSY_LOCKED_NOMEM_READONLY_INTERRUPT_IOERR_CANTOPEN_PROTOCOL: [u32; 9] =
            [3, 5, 6, 7, 8, 9, 10, 14, 15];
        match code.parse::<u32>().unwrap_or(1) & 0xff {
            13 => Meaning::Full,
            11 | 26 => Meaning::Corrupt,
            code if PERM_BUSY_LOCKED_NOMEM_READONLY_INTERRUPT_IOERR_CANTOPEN_PROTOCOL.contains(&code) => {
                Meaning::Unavailable
            }
            _ => Meaning::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise R13: whoever opens a new file while another one prepares it waits for that.
    #[tokio::test]
    async fn a_new_file_that_is_locked_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.db");
        let mut other = SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let (url, options) = (format!("sqlite:{}", path.display()), CatalogOptions::default());
        let waits = tokio::time::timeout(Duration::from_millis(100), Database::connect(&url, &options)).await;
        assert!(waits.is_err(), "{waits:?}");
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        Database::connect(&url, &options).await.unwrap();
    }
}
