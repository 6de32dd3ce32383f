//! A product that is a DICOM node (pynetdicom and highdicom), a process of its own, and its package.

use crate::oip::script;
use crate::program::{PATIENCE, Site, free_port};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Seconds the product may take where some of its answers never come and the test waits that long for them.
pub(crate) const DEADLINE: u64 = 30;

/// Seconds it may take where every answer comes: no test waits that long.
pub(crate) const LONG_DEADLINE: u64 = 600;

/// The product, a process of its own; killed when dropped.
pub(crate) struct Product {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

impl Product {
    pub(crate) fn start(python: &str, hilum: SocketAddr) -> Product {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_port());
        let product = Product { child: Self::spawn(python, address, hilum, &folder), folder, address };
        product.behave(json!({ "mode": "normal" }), json!({}));
        product.wait_for("ready", "", 1);
        // The socket is open a moment after the line is written.
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the product does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        product
    }

    fn spawn(python: &str, address: SocketAddr, hilum: SocketAddr, folder: &tempfile::TempDir) -> Child {
        std::fs::write(folder.path().join("control.json"), r#"{"default":{"mode":"normal"},"by_accession":{}}"#)
            .unwrap();
        Command::new(python)
            .arg(script("black_box_product.py"))
            .args([address.port().to_string(), hilum.port().to_string()])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("stderr")).unwrap())
            .spawn()
            .unwrap()
    }

    /// How it behaves from now on, and for studies of one accession number.
    pub(crate) fn behave(&self, default: Value, by_accession: Value) {
        let text = json!({ "default": default, "by_accession": by_accession }).to_string();
        // By renaming, so that the product never reads half a file.
        let path = self.folder.path().join("control.json");
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    }

    /// What it logged of that kind and accession number.
    pub(crate) fn events(&self, event: &str, accession: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("log.jsonl")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let wanted = |line: &Value| line["event"] == event && (accession.is_empty() || line["accession"] == accession);
        lines.filter(wanted).collect()
    }

    pub(crate) fn wait_for(&self, event: &str, accession: &str, n: usize) {
        let begun = Instant::now();
        while self.events(event, accession).len() < n {
            let errors = std::fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the product logged no {n} {event} of {accession}: {errors}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Write the package of the product, and import it; says its digest line.
pub(crate) fn import(site: &Site, name: &str, product: SocketAddr, more: &str) -> String {
    import_with(site, name, product, (DEADLINE, 1), more)
}

/// The same with seconds of its own: until the answer must be there, and without another object until it is complete.
pub(crate) fn import_with(
    site: &Site,
    name: &str,
    product: SocketAddr,
    (deadline, quiet): (u64, u64),
    more: &str,
) -> String {
    let folder = site.path(name);
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("LICENSE", "Commercial licence of Acme Imaging");
    write("docs/README.md", "# Nodule Box\nLooks for nodules.");
    let metadata = json!({ "version": "3.1", "task": "nodules", "description": "d", "authors": "a", "copyright": "c" });
    write("configs/metadata.json", &metadata.to_string());
    let manifest = format!(
        "schema = 1\n[package]\nname = '{name}'\nversion = '3.1'\ntitle = 'Nodule Box'\nmanufacturer = 'Acme Imaging'\n\
         license = 'commercial'\ndescription = 'Looks for nodules.'\n[intended_use]\nmodality = ['DX']\n\
         synthetic_data = true\n[runtime]\nkind = 'dicom-node'\nae_title = 'PRODUCT'\nhost = '127.0.0.1'\n\
         port = {}\nresult_ae_title = 'PRODUCT'\ndeadline_seconds = {deadline}\nquiet_seconds = {quiet}\n\
         model_name = 'NB-1'\n{more}[runtime.select]\nmodality = ['DX']\n",
        product.port()
    );
    write("hilum/package.toml", &manifest);
    let imported = site.run(&["model", "import", folder.to_str().unwrap()]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let said = String::from_utf8_lossy(&imported.stdout).into_owned();
    said.lines().find(|line| line.starts_with("package = ")).unwrap().to_owned()
}
