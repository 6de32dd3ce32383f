//! Signed packages, both ways with the upstream tool of OpenSSF Model Signing (AV-07), and what import refuses.

use crate::oip::{python, script};
use crate::people::told;
use crate::program::{Site, copy_tree, package};
use std::path::{Path, PathBuf};
use std::process::Command;

impl Site {
    /// A copy of a package of this repository that may be changed.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.path(name);
        copy_tree(Path::new(&package("phantom-cxr")), &to);
        to
    }
}

/// `hilum model key new` and `hilum model sign` need no configuration: a maker of packages has no site.
fn maker(arguments: &[&str]) -> (bool, String) {
    told(&Command::new(env!("CARGO_BIN_EXE_hilum")).arg("model").args(arguments).output().unwrap())
}

fn new_key(file: &Path) {
    let (made, said) = maker(&["key", "new", text(file)]);
    assert!(made, "{said}");
}

fn sign(folder: &Path, key: &Path) -> String {
    let (signed, said) = maker(&["sign", text(folder), "--key", text(key)]);
    assert!(signed, "{said}");
    said
}

fn flip(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The upstream tool: whether it is content, and what it said.
fn upstream(python: &str, arguments: &[&str]) -> (bool, String) {
    told(&Command::new(python).args(["-m", "model_signing", "--log-level", "ERROR"]).args(arguments).output().unwrap())
}

#[test]
fn upstream_verifies_ours() {
    let Some(python) = python("model_signing, OpenSSL") else { return };
    let site = Site::new("");
    let (folder, key, sig) = (site.copy("cxr"), site.path("maker"), site.path("cxr.sig"));
    new_key(&key);
    assert!(maker(&["key", "new", text(&key)]).1.contains("not overwritten"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "only its owner reads the private key");
    assert!(sign(&folder, &key).contains("files signed with key"));
    assert!(maker(&["sign", text(&folder), "--key", text(&key)]).1.contains("not overwritten"));
    let (signed, said) = maker(&["sign", text(&folder), "--key", text(&site.path("maker.pub"))]);
    assert!(!signed && said.contains("private key in PEM"), "{said}");
    let public = site.path("maker.pub");
    let verify = || {
        upstream(&python, &["verify", "key", text(&folder), "--signature", text(&sig), "--public_key", text(&public)])
    };
    let (holds, said) = verify();
    assert!(holds, "{said}");
    flip(&folder.join("models/model.onnx"));
    let (holds, said) = verify();
    assert!(!holds && said.contains("models/model.onnx"), "{said}");
    flip(&folder.join("models/model.onnx"));
    std::fs::write(folder.join("docs/extra.txt"), "x").unwrap();
    let (holds, said) = verify();
    assert!(!holds && said.contains("docs/extra.txt"), "{said}");
}

#[test]
fn we_verify_theirs_on_every_curve() {
    let Some(python) = python("model_signing, OpenSSL, cryptography") else { return };
    let site = Site::new("");
    for curve in ["SECP256R1", "SECP384R1", "SECP521R1"] {
        let (folder, sig) = (site.copy(curve), site.path(&format!("{curve}.sig")));
        let keys = site.path(&format!("{curve}.key"));
        let made = Command::new(&python).arg(script("signing_keys.py")).args([curve, text(&keys)]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (signed, said) =
            upstream(&python, &["sign", "key", text(&folder), "--signature", text(&sig), "--private_key", text(&keys)]);
        assert!(signed, "{said}");
        let public = site.path(&format!("{curve}.key.pub"));
        let verify = ["model", "verify", text(&folder), "--key", text(&public)];
        assert!(site.done(&verify).contains("signed   "), "{curve}");
        flip(&folder.join("LICENSE"));
        let said = site.refused(&verify);
        assert!(said.contains("LICENSE was changed after signing") && !said.contains("model.onnx"), "{said}");
        flip(&folder.join("LICENSE"));
        std::fs::write(folder.join("extra.txt"), "x").unwrap();
        assert!(site.refused(&verify).contains("extra.txt was not signed"));
        std::fs::remove_file(folder.join("extra.txt")).unwrap();
        std::fs::remove_file(folder.join("docs/README.md")).unwrap();
        assert!(site.refused(&verify).contains("docs/README.md was signed and is missing"));
    }
}

/// What is no signature of this kind is told apart, as the test vectors of the specification do (conformance suite of
/// OpenSSF Model Signing v1.0, classes `malformed`, `mutate` and `certificate`): made here from one that holds.
#[test]
fn bundles_that_are_none_are_refused() {
    let Some(python) = python("model_signing, OpenSSL") else { return };
    let site = Site::new("");
    let (folder, key) = (site.copy("cxr"), site.path("maker"));
    new_key(&key);
    sign(&folder, &key);
    let made = Command::new(&python)
        .arg(script("signing_vectors.py"))
        .args([text(&site.path("cxr.sig")), text(&key), text(&site.path("vectors"))])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let public = site.path("maker.pub");
    let mut n_refused = 0;
    for entry in std::fs::read_dir(site.path("vectors")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (holds, said) =
            told(&site.run(&["model", "verify", text(&folder), "--key", text(&public), "--signature", text(&path)]));
        assert_eq!(holds, name.starts_with("valid"), "{name}: {said}");
        n_refused += u32::from(!holds);
    }
    assert_eq!(n_refused, 14);
}

#[test]
fn import_takes_what_a_trusted_maker_signed() {
    let site = Site::new("[trust]\nrequire_signature = true\nkeys = ['maker.pub']\n");
    let (folder, maker, other) = (site.copy("cxr"), site.path("maker"), site.path("other"));
    // The site cannot even be configured with a key that is not there (UX-05).
    assert!(site.refused(&["check", "--offline"]).contains("cannot read the key"));
    new_key(&maker);
    new_key(&other);
    let import = ["model", "import", text(&folder)];
    let sign = |key: &Path| {
        let _first_time = std::fs::remove_file(site.path("cxr.sig"));
        sign(&folder, key)
    };
    assert!(site.refused(&import).contains("not signed, and [trust] require_signature asks for it"));
    sign(&other);
    assert!(site.refused(&import).contains("which is not trusted here"));
    sign(&maker);
    flip(&folder.join("docs/README.md"));
    let said = site.refused(&import);
    assert!(said.contains("docs/README.md was changed after signing"), "{said}");
    assert!(site.done(&["model", "list"]).contains("No package is imported"));
    flip(&folder.join("docs/README.md"));
    assert!(site.done(&import).contains("files signed with key"));
    let listed = site.done(&["model", "list"]);
    assert!(listed.contains("signed by ") && listed.contains("not tested; not deployed"), "{listed}");
    assert!(site.done(&["model", "verify", "phantom-cxr@1.0.0"]).contains("signed   "));
    assert!(site.done(&["record", "list", "--kind", "package_signature", "--subject", "phantom-cxr@1.0.0"]).len() > 64);
    assert!(site.done(&["audit", "verify"]).contains("Everything is as it was entered."));

    // The maker's key is taken back: what it signed is not started any more. Neither is what lost its signature.
    let digest = listed[..64].parse().unwrap();
    let start = |key: &str| {
        let keys =
            vec![hilum_sign::MakerPublicKey::from_pem(&std::fs::read_to_string(site.path(key)).unwrap()).unwrap()];
        let engines = hilum_infer::EngineConfig { onnx_runtime: None, built_in_only: true };
        let trust = hilum_worker::Trust { require_signature: true, keys };
        hilum_worker::Models::trusting(site.path("data/packages"), engines, trust).load(digest).map(|_| ())
    };
    start("maker.pub").unwrap();
    assert!(start("other.pub").unwrap_err().to_string().contains("not trusted here"));
    std::fs::remove_file(site.path("data/packages").join(format!("{digest}.sig"))).unwrap();
    assert!(start("maker.pub").unwrap_err().to_string().contains("not signed"));
    assert!(site.refused(&["audit", "verify"]).contains("its file beside the package is gone"));
    site.refused(&["model", "verify", "phantom-cxr@1.0.0"]);
}

#[test]
fn a_registered_version_is_never_overwritten() {
    let site = Site::new("");
    let folder = site.copy("cxr");
    site.done(&["model", "import", text(&folder)]);
    let listed = site.done(&["model", "list"]);
    assert!(site.done(&["model", "import", text(&folder)]).contains("held already"));
    std::fs::write(folder.join("docs/README.md"), "other words").unwrap();
    let said = site.refused(&["model", "import", text(&folder)]);
    assert!(said.contains("phantom-cxr 1.0.0 is registered already as package"), "{said}");
    assert_eq!(site.done(&["model", "list"]), listed);
    assert!(site.done(&["audit", "verify"]).contains("Everything is as it was entered."));
}

#[test]
fn a_bundle_without_the_hilum_folder_is_told_everything_at_once() {
    let site = Site::new("");
    let folder = site.copy("Lung Finder");
    std::fs::remove_dir_all(folder.join("hilum")).unwrap();
    let metadata = r#"{ "version": "0.3", "task": "finds", "description": "Finds \"things\"", "authors": "A Lab",
        "copyright": "A Lab", "optional_packages_version": {}, "network_data_format": { "inputs": { "image": {
        "modality": "X-ray", "num_channels": 1, "spatial_shape": ["16*n", "16*n"] } }, "outputs": { "logits": {
        "channel_def": { "0": "Nodule", "1": "Pleural effusion" } } } } }"#;
    std::fs::write(folder.join("configs/metadata.json"), metadata).unwrap();
    std::fs::remove_file(folder.join("LICENSE")).unwrap();
    let said = site.refused(&["model", "import", text(&folder)]);
    for part in [
        "LICENSE: this file is missing",
        "hilum/package.toml: this file is missing",
        "0 golden cases; 3 are the fewest",
        "\"optional_packages_version\" where the specification asks",
        "spatial_shape 16*n x 16*n",
        "name = \"lung-finder\"",
        "label = \"pleural-effusion\"",
        "modality = [\"DX\", \"CR\"]",
        "rows = 160, columns = 160",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    assert!(!folder.join("hilum").exists(), "nothing is written unless asked for");
    site.done(&["model", "import", text(&folder), "--skeleton"]);
    let manifest = folder.join("hilum/package.toml");
    let written = std::fs::read_to_string(&manifest).unwrap();
    assert!(site.refused(&["model", "import", text(&folder), "--skeleton"]).contains("not overwritten"));
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), written);
    let said = site.refused(&["model", "import", text(&folder)]);
    assert!(said.contains("still says FILL IN: license") && !said.contains("package.toml: this file"), "{said}");
}
