//! The program as an outsider sees it: a child process, its ports, its log, and plain HTTP.

use hilum_testkit::{Acquisition, SimulatedModality, SimulatedPacs, Subject, dx};
use hilum_types::Timestamp;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

/// A start, or an answer, may take this long on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A configured Hilum in a folder of its own.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) dimse: SocketAddr,
    pub(crate) http: SocketAddr,
}

/// A running `hilum serve` (or `work`); killed when dropped.
pub(crate) struct Running {
    child: Child,
}

/// A port for a server that is started later, and perhaps again. A socket that does not listen keeps it until the tests
/// end: the system gives it to nobody else, and whoever asks for it by its number, willing to share, may listen on it.
pub(crate) fn free_port() -> SocketAddr {
    static KEPT: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = socket.local_addr().unwrap();
    KEPT.lock().unwrap().push(socket);
    address
}

impl Site {
    /// `more` is added to the configuration.
    pub(crate) fn new(more: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let (dimse, http) = (free_port(), free_port());
        let text = format!(
            "data_dir = 'data'\n[dimse]\nlisten = '{dimse}'\naccept_any_peer = true\n[http]\nlisten = '{http}'\n\
             [study]\nquiet_seconds = 1\n[storage]\nreserve_mib = 16\n{more}"
        );
        std::fs::write(folder.path().join("hilum.toml"), text).unwrap();
        Site { folder, dimse, http }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command with `--config`; not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hilum"));
        command.args(arguments).arg("--config").arg(self.path("hilum.toml")).env_remove("HILUM_LOG");
        command
    }

    /// Run a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Start `hilum serve` and wait until it is ready. The log is appended to `serve.log`.
    pub(crate) fn serve(&self, log_level: &str) -> Running {
        self.serve_with(log_level, &[])
    }

    /// The same in an environment with more variables.
    pub(crate) fn serve_with(&self, log_level: &str, variables: &[(&str, &str)]) -> Running {
        let running = self.start_with("serve", log_level, variables);
        let begun = Instant::now();
        while self.get("/api/v1/health/ready").is_none_or(|(status, _)| status != 200) {
            assert!(begun.elapsed() < PATIENCE, "not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// Start `hilum serve` or `hilum work` without waiting.
    pub(crate) fn start(&self, what: &str, log_level: &str) -> Running {
        self.start_with(what, log_level, &[])
    }

    fn start_with(&self, what: &str, log_level: &str, variables: &[(&str, &str)]) -> Running {
        let log = std::fs::File::options().create(true).append(true).open(self.path("serve.log")).unwrap();
        let child = self
            .command(&[what])
            .env("HILUM_LOG", log_level)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Running { child }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("serve.log")).unwrap_or_default()
    }

    /// `GET path`: status and body; `None` when nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, Vec<u8>)> {
        self.request("GET", path, "", &[])
    }

    /// The body of a successful `GET`, as JSON.
    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.get(path).expect("the server answers");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// One HTTP/1.1 request on a connection of its own, by hand: the test needs no client library to be right.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(self.http).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            self.http,
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split_whitespace().nth(1)?.parse().ok()?;
        let mut body = answer.split_off(end + 4);
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = unchunk(&body)?;
        }
        Some((status, body))
    }
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, as a power cut would.
    pub(crate) fn kill(&mut self) {
        let _already_gone = self.child.kill();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and wait for the end.
    pub(crate) fn stop(mut self) {
        let status = Command::new("kill").arg(self.id().to_string()).status().unwrap();
        assert!(status.success());
        assert!(self.child.wait().unwrap().success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Processor time it has taken: unlike the time that passes, nothing else that runs here adds to it.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // After the name in brackets come the state and, as 12th and 13th, hundredths of seconds as user and as kernel.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let hundredths: u64 = fields.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
        Duration::from_millis(10 * hundredths)
    }

    /// Resident memory in MiB.
    pub(crate) fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a peer program is there. Under `CI=true` it must be.
pub(crate) fn have(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|folder| folder.join(program).is_file()));
    assert!(found || std::env::var("CI").as_deref() != Ok("true"), "{program} is needed under CI=true; see .ci/peers");
    if !found {
        println!("skipped: {program} is not installed");
    }
    found
}

/// A package of this repository.
pub(crate) fn package(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name);
    path.to_str().unwrap().to_owned()
}

/// The `[[destination]]` of a simulated archive.
pub(crate) fn destination(pacs: &SimulatedPacs) -> String {
    let address = pacs.address();
    format!("[[destination]]\nname = 'pacs'\nhost = '{}'\nport = {}\nae_title = 'PACS'\n", address.ip(), address.port())
}

/// Import a demo package and put it in force.
pub(crate) fn deploy(site: &Site, name: &str, state: &str) {
    let imported = site.run(&["model", "import", &package(name)]);
    let output = String::from_utf8_lossy(&imported.stdout);
    assert!(imported.status.success(), "{output}{}", String::from_utf8_lossy(&imported.stderr));
    let package = output.lines().find(|line| line.starts_with("package = ")).unwrap();
    let file = site.path(&format!("{name}.toml"));
    let destinations = if state == "active" { "['pacs']" } else { "[]" };
    let text = format!("[[deployment]]\nname='{name}'\n{package}\nstate='{state}'\ndestinations={destinations}\n");
    std::fs::write(&file, text).unwrap();
    let applied = site.run(&["apply", file.to_str().unwrap()]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
}

/// Wait until something was delivered and nothing waits any more.
pub(crate) fn wait_for_delivery(site: &Site) {
    let begun = Instant::now();
    loop {
        let deliveries = site.json("/api/v1/deliveries?state=delivered");
        let queued = site.json("/api/v1/deliveries?state=queued");
        let count = |value: &serde_json::Value| value["items"].as_array().map_or(0, Vec::len);
        if 0 < count(&deliveries) && count(&queued) == 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing was delivered: {}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What no file, span or table may say of the patient of [`send_canary`].
pub(crate) const CANARIES: [&str; 5] = ["CANARYNAME", "CANARYPID", "CANARYACC", "CANARYREF", "CANARYSID"];

/// A radiograph of a patient who is called by [`CANARIES`], sent and accepted: its UIDs, of study and image.
pub(crate) fn send_canary(site: &Site, runtime: &tokio::runtime::Runtime) -> [String; 2] {
    let mut subject = Subject::seeded(1, Timestamp::from_micros(1_795_424_400_000_000));
    subject.name = "CANARYNAME^X".into();
    subject.patient_id = "CANARYPID1".into();
    subject.accession = "CANARYACC1".into();
    subject.referring = "CANARYREF^X".into();
    subject.study_id = "CANARYSID".into();
    let phantom = dx(1, &subject, &Acquisition::radiograph(), &[]).unwrap();
    let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
    let ledger = runtime.block_on(modality.send(Arc::<[_]>::from(phantom.instances.clone())));
    assert_eq!(ledger.failures().count(), 0);
    [&phantom.study_instance_uid, &phantom.instances[0].sop_instance_uid].map(ToString::to_string)
}

/// Copy a folder with everything below it.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// UX: `hilum ... | head` ends without a word when the reader has gone, and without the report of a defect.
#[test]
fn a_reader_that_went_away_is_no_defect() {
    let site = Site::new("");
    for arguments in [&["deployments"][..], &["model", "list"], &["audit", "verify"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = site.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said, "", "{arguments:?}");
        if arguments[0] != "--help" {
            assert_eq!(
                output.status.code(),
                Some(141),
                "{arguments:?}: the status of a program that a closed pipe ended"
            );
        }
    }
}
