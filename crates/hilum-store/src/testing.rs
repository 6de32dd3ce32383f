//! A throw-away PostgreSQL for tests: started by the test itself, on a Unix socket only, gone when dropped; and a catalog that
//! has forgotten its counts.

use crate::StoreError;
use hilum_monitor::Observation;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// Take every sketch and count out of the catalog at `url`, as if all of its facts came from before there were any:
/// [`tally_due`](crate::Tallies::tally_due) makes them again.
///
/// # Errors
/// When the catalog cannot be opened or written.
pub async fn forget_tallies(url: &str) -> Result<(), StoreError> {
    crate::sql::forget_tallies(url).await
}

/// Spoil the sketches of whole days in the catalog at `url`, as a fault of the disk would.
///
/// # Errors
/// When the catalog cannot be opened or written.
pub async fn damage_sketches(url: &str) -> Result<(), StoreError> {
    crate::sql::inside::damage_counts(url, true).await
}

/// Enter observations into the catalog at `url` and count them, without the studies around them.
///
/// # Errors
/// When the catalog cannot be opened or written.
pub async fn enter_observations(url: &str, observations: &[Observation]) -> Result<(), StoreError> {
    crate::sql::inside::enter_observations(url, observations).await
}

/// A running PostgreSQL cluster in a temporary folder.
#[derive(Debug)]
pub struct PostgresCluster {
    programs: PathBuf,
    folder: PathBuf,
    n_databases: AtomicU32,
}

impl PostgresCluster {
    /// Start a cluster; `None`, with a printed note, when PostgreSQL is not installed.
    ///
    /// # Panics
    /// When it is installed but does not start, and when it is not installed although `CI=true`.
    pub fn start() -> Option<PostgresCluster> {
        let Some(programs) = programs() else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "PostgreSQL must be installed where CI=true");
            println!("skipped: PostgreSQL is not installed");
            return None;
        };
        let made = run(&mut as_server("mktemp", &["-d", "/tmp/hilum-pg-XXXXXX"]));
        let folder = PathBuf::from(String::from_utf8_lossy(&made.stdout).trim());
        let cluster = PostgresCluster { programs, folder, n_databases: AtomicU32::new(0) };
        let data = cluster.data();
        cluster.run("initdb", &["-D", &data, "-U", "hilum", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        cluster.resume();
        Some(cluster)
    }

    /// Address of a new, empty catalog. Each is a schema of its own in one database: quicker to make than a
    /// database, and the recovery after [`PostgresCluster::kill`] has few files to sync.
    pub fn database(&self) -> String {
        let name = format!("hilum{}", self.n_databases.fetch_add(1, Ordering::Relaxed));
        let socket = self.folder.to_string_lossy();
        let create = format!("CREATE SCHEMA {name}");
        self.run("psql", &["-q", "-h", &socket, "-U", "hilum", "-d", "postgres", "-c", &create]);
        format!("postgres://hilum@localhost/postgres?host={socket}&options=-c%20search_path%3D{name}")
    }

    /// Stop the server as if it had been killed; [`PostgresCluster::resume`] starts it again.
    pub fn kill(&self) {
        self.run("pg_ctl", &["stop", "-w", "-m", "immediate", "-D", &self.data()]);
    }

    /// Start the server.
    pub fn resume(&self) {
        let options = format!("-k {} -c listen_addresses='' -c max_connections=50", self.folder.display());
        let log = self.folder.join("log").to_string_lossy().into_owned();
        self.run("pg_ctl", &["start", "-w", "-t", "300", "-D", &self.data(), "-l", &log, "-o", &options]);
    }

    fn data(&self) -> String {
        self.folder.join("data").to_string_lossy().into_owned()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        run(as_server(&program.to_string_lossy(), arguments).current_dir(&self.folder));
    }
}

impl Drop for PostgresCluster {
    fn drop(&mut self) {
        let stop = self.programs.join("pg_ctl");
        let arguments = ["stop", "-w", "-m", "immediate", "-D", &self.data()];
        // The server may have been stopped by the test already.
        let _ = as_server(&stop.to_string_lossy(), &arguments).current_dir("/").output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Folder of the newest installed server programs.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    versions.sort();
    versions.into_iter().rev().find(|bin: &PathBuf| Path::new(bin).join("initdb").exists())
}

/// The server refuses to run as root, so that root runs it as the user `postgres`.
fn as_server(program: &str, arguments: &[&str]) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", program]);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments);
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn run(command: &mut Command) -> Output {
    // `pg_ctl` leaves a server behind that would keep an inherited pipe open for ever.
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let file = |path: &Path| std::fs::File::create(path).expect("a file in a new folder can be made");
    let status = command.stdin(std::process::Stdio::null()).stdout(file(&out)).stderr(file(&err)).status();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    let output = Output { status, stdout: read(&out), stderr: read(&err) };
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
