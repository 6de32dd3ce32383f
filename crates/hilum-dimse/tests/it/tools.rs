//! Other implementations as programs: found by name, skipped with a note when absent unless `CI=true`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tokio::net::TcpSocket;

/// Whether the program can be started; a note or, in CI, a failure when not.
pub(crate) fn present(program: &str, probe: &[&str]) -> bool {
    let found = Command::new(program).args(probe).output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} is missing, CI must install it");
        eprintln!("skipped: {program} {probe:?} does not work here");
    }
    found
}

/// Runs a program to its end, `TCP_NODELAY` unset as its distribution ships it; panics with its output if it fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).env_remove("TCP_NODELAY").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

/// A program that is ended with the test.
pub(crate) struct Background(Child);

impl Background {
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Background {
        let child = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Background(child.unwrap())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A port for a program that cannot choose one itself. As long as the socket is kept nobody else is given its port, and
/// a program that asks for it by its number, as one that may be in use (`SO_REUSEADDR`), can listen on it.
pub(crate) fn reserved_port() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

/// The elements of a DICOM file as DCMTK prints them, without file meta information.
pub(crate) fn dump(file: &Path) -> String {
    let output = run("dcmdump", &["-q", "+L", "-dc", file.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, data_set) = text.split_once("# Dicom-Data-Set").unwrap_or_else(|| panic!("no data set in {text}"));
    let elements = data_set.lines().filter(|line| line.starts_with([' ', '(']));
    // A private element read from an implicit encoding has no VR, and UN once it was sent in an explicit one.
    elements.map(|line| line.replacen(" ?? ", " UN ", 1)).collect::<Vec<_>>().join("\n")
}

/// A DICOM file of these bytes: preamble, the transfer syntax as the only file meta element, data set.
pub(crate) fn write_file(file: &Path, transfer_syntax: &str, data_set: &[u8]) {
    let mut uid = transfer_syntax.as_bytes().to_vec();
    if uid.len() % 2 == 1 {
        uid.push(0);
    }
    let element = |number: u8, vr: &[u8; 2], value: &[u8]| {
        [&[2, 0, number, 0][..], vr, &(value.len() as u16).to_le_bytes(), value].concat()
    };
    let syntax = element(0x10, b"UI", &uid);
    let length = element(0x00, b"UL", &(syntax.len() as u32).to_le_bytes());
    std::fs::write(file, [&[0; 128][..], b"DICM", &length, &syntax, data_set].concat()).unwrap();
}
