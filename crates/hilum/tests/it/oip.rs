//! The inference protocol as its own clients see it: unmodified `tritonclient` over HTTP and gRPC.

use crate::program::{Site, free_port, package};
use std::path::Path;
use std::process::Command;

/// The interpreter, when it can import these modules. Under `CI=true` it must.
pub(crate) fn python(modules: &str) -> Option<String> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let check = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if check.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "python needs {modules} under CI=true");
    println!("skipped: {python} cannot import {modules}");
    None
}

/// A script beside this file.
pub(crate) fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

#[test]
fn tritonclient_is_served_over_http_and_grpc() {
    let Some(python) = python("tritonclient.http, tritonclient.grpc, numpy") else { return };
    let (http, grpc) = (free_port(), free_port());
    let site = Site::new(&format!("[oip]\nlisten = '{http}'\ngrpc_listen = '{grpc}'\nmessage_mib_max = 32\n"));
    let imported = site.run(&["model", "import", &package("phantom-cxr")]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let running = site.serve("info");
    let output = Command::new(python)
        .arg(script("oip_tritonclient.py"))
        .args([http.to_string(), grpc.to_string(), package("phantom-cxr") + "/hilum/golden/nodule"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.ends_with("all held\n"), "{said}{errors}\n{}", site.log());
    running.stop();
}

#[test]
fn the_protocol_is_off_unless_asked_for_and_stays_on_loopback() {
    let site = Site::new("[oip]\nlisten = '0.0.0.0:9000'\n");
    let refused = site.run(&["check", "--offline"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("only loopback is served"), "{said}");
    let quiet = Site::new("");
    let running = quiet.serve("info");
    assert!(!quiet.log().contains("inference protocol"), "{}", quiet.log());
    running.stop();
}
