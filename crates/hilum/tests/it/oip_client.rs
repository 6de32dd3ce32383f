//! Hilum as a client of the inference protocol: against its own server, and against MLServer, a server it did not write.

use crate::oip::{python, script};
use crate::program::{PATIENCE, Site, copy_tree, free_port, package};
use crate::site::{disposition, phantom};
use hilum_testkit::SimulatedModality;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Copy a package of this repository without its graph, to be run by a server: another name, and a `[runtime]`.
fn remote_package(site: &Site, name: &str, runtime: &str) -> String {
    let (from, to) = (package("phantom-cxr"), site.path(name));
    copy_tree(Path::new(&from), &to);
    std::fs::remove_file(to.join("models/model.onnx")).unwrap();
    let manifest = to.join("hilum/package.toml");
    let text =
        std::fs::read_to_string(&manifest).unwrap().replace("name = \"phantom-cxr\"", &format!("name = \"{name}\""));
    std::fs::write(&manifest, format!("{text}\n[runtime]\nkind = \"oip\"\n{runtime}\n")).unwrap();
    to.to_str().unwrap().to_owned()
}

/// Import a package that a server runs: its golden cases are replayed through the server. Says whether it was taken.
fn import(site: &Site, name: &str, runtime: &str) -> (bool, String) {
    let output = site.run(&["model", "import", &remote_package(site, name, runtime)]);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

fn runtime(protocol: &str, address: SocketAddr, model: &str, version: &str) -> String {
    format!("url = \"http://{address}\"\nmodel = \"{model}\"\nversion = \"{version}\"\nprotocol = \"{protocol}\"")
}

#[test]
fn hilum_runs_models_of_its_own_server_and_refuses_another_version() {
    let (http, grpc) = (free_port(), free_port());
    let server = Site::new(&format!("[oip]\nlisten = '{http}'\ngrpc_listen = '{grpc}'\n"));
    let imported = server.run(&["model", "import", &package("phantom-cxr")]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let running = server.serve("info");
    let client = Site::new("");
    for (name, protocol, address) in [("over-http", "http", http), ("over-grpc", "grpc", grpc)] {
        let (taken, said) = import(&client, name, &runtime(protocol, address, "phantom-cxr", "1.0.0"));
        assert!(taken && said.contains("golden cases reproduced on"), "{said}\n{}", server.log());
        let (taken, said) = import(&client, &format!("{name}-old"), &runtime(protocol, address, "phantom-cxr", "0.9"));
        assert!(!taken && said.contains("0.9"), "{said}");
        let (taken, said) = import(&client, &format!("{name}-none"), &runtime(protocol, address, "nobody", "1.0.0"));
        assert!(!taken && said.contains("nobody"), "{said}");
    }
    running.stop();
    let (taken, said) = import(&client, "gone", &runtime("http", http, "phantom-cxr", "1.0.0"));
    assert!(!taken && !said.contains("panicked"), "a server that is down: {said}");
}

/// MLServer on two free ports; killed when dropped.
struct MlServer {
    child: Child,
    http: SocketAddr,
    grpc: SocketAddr,
}

impl MlServer {
    fn start(python: &str, folder: &Path) -> MlServer {
        let (http, grpc, metrics) = (free_port(), free_port(), free_port());
        let settings = serde_json::json!({
            "host": "127.0.0.1", "http_port": http.port(), "grpc_port": grpc.port(), "metrics_port": metrics.port(),
            "parallel_workers": 0,
        });
        std::fs::write(folder.join("settings.json"), settings.to_string()).unwrap();
        let graph = package("phantom-cxr") + "/models/model.onnx";
        let tensor =
            |name: &str, shape: &[i64]| serde_json::json!({ "name": name, "datatype": "FP32", "shape": shape });
        let model = serde_json::json!({
            "name": "phantom", "implementation": "oip_mlserver.OnnxGraph",
            "parameters": { "uri": graph, "version": "7" },
            "inputs": [tensor("image", &[1, 1, 160, 160])],
            "outputs": [tensor("logits", &[1, 2]), tensor("maps", &[1, 2, 40, 40]), tensor("embedding", &[1, 64])],
        });
        std::fs::write(folder.join("model-settings.json"), model.to_string()).unwrap();
        std::fs::copy(script("oip_mlserver.py"), folder.join("oip_mlserver.py")).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(python)
            .args(["-c", "from mlserver.cli import main; main()", "start", "."])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = MlServer { child, http, grpc };
        let begun = Instant::now();
        // It listens before it has loaded the model.
        while TcpStream::connect(grpc).is_err() || !is_ready(http) {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "MLServer is not ready: {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }
}

/// Whether the server says that its model is loaded.
fn is_ready(http: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(http) else { return false };
    let head = format!("GET /v2/models/phantom/versions/7/ready HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let answered = stream.write_all(head.as_bytes()).is_ok() && stream.read_to_end(&mut answer).is_ok();
    answered && answer.starts_with(b"HTTP/1.1 200")
}

impl Drop for MlServer {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn hilum_runs_a_model_of_mlserver_over_http_and_grpc() {
    let Some(python) = python("mlserver, onnxruntime") else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = MlServer::start(&python, folder.path());
    let client = Site::new("");
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    for (name, protocol, address) in [("ml-http", "http", server.http), ("ml-grpc", "grpc", server.grpc)] {
        let (taken, said) = import(&client, name, &runtime(protocol, address, "phantom", "7"));
        assert!(taken && said.contains("golden cases reproduced on"), "{said}\n{}", log());
        let (taken, said) = import(&client, &format!("{name}-other"), &runtime(protocol, address, "phantom", "8"));
        assert!(!taken, "{said}");
    }
}

/// A line between client and server that, once told to lie, lets the server state version 1.0.1.
fn lying_line(to: SocketAddr, lies: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(to) else { continue };
            let (mut asks, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || drop(std::io::copy(&mut asks, &mut asked)));
            let lies = lies.clone();
            std::thread::spawn(move || answer(server, client, &lies));
        }
    });
    address
}

fn answer(mut server: TcpStream, mut client: TcpStream, lies: &AtomicBool) {
    const TRUTH: &[u8] = br#""model_version":"1.0.0""#;
    let mut chunk = vec![0; 1 << 20];
    while let Ok(n @ 1..) = server.read(&mut chunk) {
        let at = chunk[..n].windows(TRUTH.len()).position(|window| window == TRUTH);
        if let Some(at) = at.filter(|_| lies.load(Ordering::SeqCst)) {
            chunk[at + TRUTH.len() - 2] = b'1';
        }
        if client.write_all(&chunk[..n]).is_err() {
            return;
        }
    }
}

/// MV-15: a server that comes to run another version stops the deployment; the next study is not sent.
#[test]
fn a_server_that_changes_its_version_suspends_the_deployment() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let http = free_port();
    let server = Site::new(&format!("[oip]\nlisten = '{http}'\n"));
    assert!(server.run(&["model", "import", &package("phantom-cxr")]).status.success());
    let serving = server.serve("info");
    let lies = Arc::new(AtomicBool::new(false));
    let line = lying_line(http, lies.clone());
    let site = Site::new("");
    let (taken, said) = import(&site, "remote", &self::runtime("http", line, "phantom-cxr", "1.0.0"));
    assert!(taken, "{said}");
    let package = said.lines().find(|line| line.starts_with("package = ")).unwrap();
    std::fs::write(site.path("d.toml"), format!("[[deployment]]\nname='remote'\n{package}\nstate='shadow'\n")).unwrap();
    assert!(site.run(&["apply", site.path("d.toml").to_str().unwrap()]).status.success());
    let running = site.serve("info");
    let ends = |seed: u64| {
        let modality = SimulatedModality::new("DX1".parse().unwrap(), "HILUM".parse().unwrap(), site.dimse);
        runtime.block_on(modality.send(Arc::<[_]>::from(phantom(seed).instances)));
        disposition(&site, &phantom(seed), "remote")
    };
    assert_eq!(ends(41), "analysed");
    lies.store(true, Ordering::SeqCst);
    assert_eq!(ends(42), "failed");
    // The study that shows it has ended before the stop is entered.
    let begun = Instant::now();
    let deployments = loop {
        let told = String::from_utf8(site.run(&["deployments"]).stdout).unwrap();
        if told.contains("stop-rule:remote-version") {
            break told;
        }
        assert!(begun.elapsed() < PATIENCE, "{told}\n{}", site.log());
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(deployments.contains("1.0.1"), "{deployments}");
    assert_eq!(ends(43), "withheld");
    running.stop();
    serving.stop();
}
