//! The house plan as a test (ARCHITECTURE.md): arrows between crates point down, and core crates do nothing but think.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: u8 = 3;
const EDGE: u8 = 2;
const SEAM: u8 = 1;
const CORE: u8 = 0;

/// Layer of every crate, and its place within the layer: an arrow must go to a lower layer, or to a lower place of
/// its own layer. A new crate or arrow needs a line here and in `docs/adr/`.
const PLAN: &[(&str, u8, u8)] = &[
    ("hilum", PROGRAM, 1),
    ("hilum-testkit", PROGRAM, 0),
    ("hilum-http", EDGE, 2),
    ("hilum-worker", EDGE, 2),
    ("hilum-intake", EDGE, 1),
    ("hilum-hl7", EDGE, 1),
    ("hilum-dimse", EDGE, 0),
    ("hilum-oip", EDGE, 0),
    ("hilum-telemetry", EDGE, 0),
    ("hilum-infer", SEAM, 0),
    ("hilum-store", SEAM, 0),
    ("hilum-evidence", CORE, 3),
    ("hilum-export", CORE, 3),
    ("hilum-monitor", CORE, 2),
    ("hilum-validate", CORE, 2),
    ("hilum-gate", CORE, 2),
    ("hilum-result", CORE, 2),
    ("hilum-registry", CORE, 1),
    ("hilum-audit", CORE, 1),
    ("hilum-dicom", CORE, 1),
    ("hilum-sign", CORE, 1),
    ("hilum-stats", CORE, 0),
    ("hilum-types", CORE, 0),
];

/// Async, HTTP, SQL, files, clock and randomness have no place in a core crate.
const NOT_IN_CORE: &[&str] = &[
    "tokio",
    "axum",
    "hyper",
    "reqwest",
    "sqlx",
    "rand",
    "tempfile",
    "rustls",
    "async-trait",
    "tracing-subscriber",
    "socket2",
    "libc",
    "rustix",
    "memmap2",
    "ort",
    "tract-onnx",
];
const WORDS_NOT_IN_CORE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process::Command",
    "SystemTime::now",
    "Instant::now",
    "thread::sleep",
    "rand::",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Ordinary dependencies of each workspace crate; those of tests may point anywhere.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let ordinary = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|d| d["kind"].is_null()).map(|d| text(&d["name"])).collect()
    };
    metadata["packages"].as_array().unwrap().iter().map(|p| (text(&p["name"]), ordinary(p))).collect()
}

fn plan(name: &str) -> Option<(u8, u8)> {
    PLAN.iter().find(|(known, ..)| *known == name).map(|(_, layer, place)| (*layer, *place))
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for (name, dependencies) in dependencies() {
        let Some(own) = plan(&name) else {
            wrong.push(format!("{name} is not in the house plan"));
            continue;
        };
        for dependency in dependencies {
            match plan(&dependency) {
                Some(other) if other >= own => wrong.push(format!("{name} -> {dependency} points up or sideways")),
                None if own.0 == CORE && NOT_IN_CORE.contains(&dependency.as_str()) => {
                    wrong.push(format!("{name} is core and may not use {dependency}"));
                }
                None if dependency.starts_with("dicom-") && name != "hilum-dicom" => {
                    wrong.push(format!("{name} imports {dependency}; only hilum-dicom may"));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn core_crates_do_no_io_and_read_no_clock() {
    let mut wrong = Vec::new();
    for (name, ..) in PLAN.iter().filter(|(_, layer, _)| *layer == CORE) {
        for (path, text) in sources(&root().join("crates").join(name).join("src")) {
            // Tests stand at the end of a file, or in a file of their own, and may read files.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            if path.file_stem().is_some_and(|stem| stem == "tests") {
                continue;
            }
            let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            for word in WORDS_NOT_IN_CORE.iter().filter(|word| code.contains(**word)) {
                wrong.push(format!("{} uses {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_says_what_it_is_for() {
    for (name, ..) in PLAN {
        let folder = root().join("crates").join(name).join("src");
        let file = if *name == "hilum" { "main.rs" } else { "lib.rs" };
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.starts_with("//! "), "{name} has no //! purpose");
    }
}

/// UX-14: every reason code that is written somewhere is documented.
#[test]
fn every_reason_code_is_documented() {
    let documented = std::fs::read_to_string(root().join("docs/reference/reasons.md")).unwrap();
    let mut missing = Vec::new();
    let mut n_codes = 0;
    for name in ["hilum-gate", "hilum-registry", "hilum-worker", "hilum-intake", "hilum-store"] {
        for (path, text) in sources(&root().join("crates").join(name).join("src")) {
            // What back ends are tried with is made up.
            if path.components().any(|part| part.as_os_str() == "conformance") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for start in code.match_indices("Reason::new(").chain(code.match_indices("Reason::about(")) {
                let rest = code[start.0 + start.1.len()..].trim_start();
                // Codes that are put together are documented one by one; only literals can be looked up here.
                let Some(literal) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) else { continue };
                n_codes += 1;
                if !documented.contains(&format!("`{literal}`")) {
                    missing.push(format!("{literal} in {}", path.display()));
                }
            }
        }
    }
    assert!(10 < n_codes, "the test no longer finds the codes");
    assert!(missing.is_empty(), "docs/reference/reasons.md lacks {}", missing.join(", "));
}

/// UX-14: every alarm code that is raised somewhere has its severity and next step.
#[test]
fn every_alarm_code_is_known() {
    let mut unknown = Vec::new();
    let mut n_codes = 0;
    for name in ["hilum-store", "hilum-worker", "hilum-intake", "hilum-hl7", "hilum-http", "hilum"] {
        for (path, text) in sources(&root().join("crates").join(name).join("src")) {
            if path.components().any(|part| part.as_os_str() == "conformance") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for start in code.match_indices(".alarm(").chain(code.match_indices("alarm_raise(")) {
                let rest = code[start.0 + start.1.len()..].trim_start();
                let Some(literal) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) else { continue };
                n_codes += 1;
                if hilum_monitor::alarm::code_facts(literal).code.is_empty() {
                    unknown.push(format!("{literal} in {}", path.display()));
                }
            }
        }
    }
    assert!(10 < n_codes, "the test no longer finds the codes");
    assert!(unknown.is_empty(), "KNOWN_CODES of hilum_monitor::alarm lacks {}", unknown.join(", "));
}
