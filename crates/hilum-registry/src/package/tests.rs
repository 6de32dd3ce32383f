//! Hostile and incomplete packages (privacy threat row 10, AV-07), on graphs written field by field.

use super::*;
use crate::golden::Tolerance;
use crate::tensor::Tensor;
use hilum_types::ModelOutput;

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while 0x7f < value {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A length-delimited field.
fn field(number: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(number << 3 | 2, &mut out);
    varint(body.len() as u64, &mut out);
    [out, body.to_vec()].concat()
}

/// A number field.
fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3, &mut out);
    varint(value, &mut out);
    out
}

/// `ValueInfoProto` of `f32` with these axes, 0 meaning dynamic.
fn value_info(name: &str, dims: &[u64]) -> Vec<u8> {
    let dim = |d: &u64| field(1, &if *d == 0 { field(2, b"n") } else { number(1, *d) });
    let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
    let tensor = [number(1, onnx::FLOAT), field(2, &shape)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

fn node(op: &str, domain: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut body =
        [field(1, b"image"), field(2, b"scores"), field(4, op.as_bytes()), field(7, domain.as_bytes())].concat();
    attributes.iter().for_each(|attribute| body.extend(field(5, attribute)));
    field(1, &body)
}

/// A model: `extra` goes into the graph, `after` into the model.
fn model(nodes: &[Vec<u8>], extra: &[u8], after: &[u8]) -> Vec<u8> {
    let io = [field(11, &value_info("image", &[0, 1, 8, 8])), field(12, &value_info("scores", &[0, 2]))].concat();
    let graph = [nodes.concat(), io, extra.to_vec()].concat();
    [number(1, 8), field(8, &number(2, 17)), field(7, &graph), after.to_vec()].concat()
}

fn good_model() -> Vec<u8> {
    let weights = [number(1, 2), number(2, onnx::FLOAT), field(8, b"w"), field(9, &[0; 8])].concat();
    model(&[node("Relu", "", &[])], &field(5, &weights), &[])
}

const MANIFEST: &str = r#"
schema = 1
[package]
name = "demo"
version = "1.0"
title = "Demo"
manufacturer = "Hilum"
license = "Apache-2.0"
description = "A demonstration"
[[input]]
tensor = "image"
images = "each"
layout = "NCHW"
preprocess = [
  { op = "modality_lut" }, { op = "voi" }, { op = "monochrome2" }, { op = "grey" }, { op = "to_8bit" },
  { op = "resize", rows = 8, columns = 8, filter = "triangle", round = true },
]
[[output]]
kind = "classification"
tensor = "scores"
[[output.finding]]
label = "nodule"
concept = { value = "27925004", scheme = "SCT", meaning = "Nodule" }
score = { take = "one_minus", index = 0 }
operating_point = 0.5
"#;

fn good_package() -> MemoryPackage {
    let mut files = BTreeMap::from([
        ("LICENSE".to_owned(), b"Apache-2.0".to_vec()),
        ("docs/README.md".to_owned(), b"# Card".to_vec()),
        (
            "configs/metadata.json".to_owned(),
            br#"{"version":"1","task":"t","description":"d","authors":"a","copyright":"c"}"#.to_vec(),
        ),
        (MODEL_FILE.to_owned(), good_model()),
        (MANIFEST_FILE.to_owned(), MANIFEST.as_bytes().to_vec()),
    ]);
    let case = "schema = 1\ninput = [{ tensor = \"image\", file = \"image.bin\" }]\n\
                raw_output = [{ tensor = \"scores\", file = \"scores.bin\" }]\nfinal_output = \"final.json\"\n";
    for name in ["a", "b", "c"] {
        let mut put = |file: &str, bytes: Vec<u8>| files.insert(format!("{GOLDEN_FOLDER}/{name}/{file}"), bytes);
        put("case.toml", case.as_bytes().to_vec());
        put("image.bin", Tensor::from_f32(vec![1, 1, 8, 8], vec![0.0; 64]).unwrap().encode());
        put("scores.bin", Tensor::from_f32(vec![1, 2], vec![0.25, 0.75]).unwrap().encode());
        put("final.json", serde_json::to_vec(&ModelOutput::default()).unwrap());
    }
    MemoryPackage(files)
}

fn problems(package: &dyn PackageSource) -> String {
    match check_package(package) {
        Ok(_) => "accepted".to_owned(),
        Err(refused) => refused.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn with(path: &str, bytes: impl Into<Vec<u8>>) -> String {
    let mut package = good_package();
    package.0.insert(path.to_owned(), bytes.into());
    problems(&package)
}

#[test]
fn a_complete_package_is_accepted_and_its_digest_follows_the_recipe() {
    let package = good_package();
    let checked = check_package(&package).unwrap();
    assert_eq!(checked.manifest.inputs[0].preprocess.len(), 6);
    assert_eq!((checked.goldens.len(), checked.goldens[0].case.tolerance), (3, Tolerance::default()));
    assert_eq!((checked.graph.nodes, checked.graph.weight_bytes), (1, 8));
    assert_eq!(checked.graph.opsets, [(String::new(), 17)]);
    let mut listing = "hilum-package 1\n".to_owned();
    for (path, bytes) in &package.0 {
        listing += &format!("{}  {path}\n", blake3::hash(bytes).to_hex());
    }
    assert_eq!(checked.digest.to_string(), blake3::hash(listing.as_bytes()).to_hex().to_string());
}

#[test]
fn one_changed_byte_is_another_version() {
    let mut package = good_package();
    let before = check_package(&package).unwrap().digest;
    package.0.get_mut("LICENSE").unwrap().push(b' ');
    assert_ne!(check_package(&package).unwrap().digest, before);
}

#[test]
fn everything_missing_is_told_at_once() {
    let said = problems(&MemoryPackage(BTreeMap::from([("hilum/package.toml".to_owned(), b"schema = 1".to_vec())])));
    for expected in
        ["LICENSE", "docs/README.md", "configs/metadata.json", "models/model.onnx", "package.toml", "golden"]
    {
        assert!(said.contains(expected), "{expected} not in:\n{said}");
    }
    assert!(problems(&MemoryPackage::default()).contains("there is nothing"));
}

#[test]
fn links_paths_and_sizes_are_refused() {
    struct Listed(Vec<PackageEntry>);
    impl PackageSource for Listed {
        fn entries(&self) -> Vec<PackageEntry> {
            self.0.clone()
        }
        fn read(&self, _: &str) -> Result<Vec<u8>, String> {
            Err("not to be read".to_owned())
        }
    }
    let file = |path: &str| PackageEntry { path: path.into(), kind: EntryKind::File { bytes: 1, links: 1 } };
    let one = |path: &str, kind| problems(&Listed(vec![PackageEntry { path: path.into(), kind }]));
    assert!(one("LICENSE", EntryKind::Symlink).contains("symbolic link"));
    assert!(one("LICENSE", EntryKind::Other).contains("neither a file"));
    assert!(one("LICENSE", EntryKind::File { bytes: 1, links: 2 }).contains("hard links"));
    assert!(one("LICENSE", EntryKind::File { bytes: FILE_BYTES_MAX + 1, links: 1 }).contains("the most"));
    assert!(!one("LICENSE", EntryKind::File { bytes: FILE_BYTES_MAX, links: 1 }).contains("the most"));
    for path in ["../x", "/etc/passwd", "a/../../b", "a\\b", ".git/config", "a//b", "", "a\u{1}b", "C:x"] {
        assert!(one(path, EntryKind::Folder).contains("rename or remove it"), "{path:?}");
    }
    let many = (0..=ENTRIES_MAX).map(|i| file(&format!("f{i}"))).collect();
    assert!(problems(&Listed(many)).contains("more than 4096"));
    assert!(problems(&Listed(vec![file("a"), file("A")])).contains("only in case"));
}

#[test]
fn pickles_and_programs_are_refused_under_any_name() {
    assert!(with("docs/image.png", *b"\x80\x04\x95").contains("pickle"));
    assert!(with(MODEL_FILE, *b"\x80\x02\x8a\x0a").contains("pickle"));
    assert!(with("x.bin", b"PK\x03\x04........archive/data.pkl".to_vec()).contains("PyTorch archive"));
    for name in ["a.pt", "a.pth", "a.pkl", "a.ckpt", "A.PT", "a.joblib"] {
        assert!(with(name, *b"harmless").contains("hold pickles"), "{name}");
    }
    assert!(with("run", *b"\x7fELF").contains("a program"));
}

#[test]
fn external_data_is_refused_wherever_it_hides() {
    let external = [number(1, 2), number(2, onnx::FLOAT), field(8, b"w"), field(13, &field(1, b"location"))].concat();
    let location = [field(8, b"w"), number(14, 1)].concat();
    let sparse = field(1, &external);
    let sparse_index = [field(1, &field(8, b"v")), field(2, &external)].concat();
    let subgraph = field(6, &field(5, &external));
    let constant = node("Constant", "", &[field(5, &external)]);
    let deep = node("If", "", &[field(6, &node("Constant", "", &[field(22, &sparse)]))]);
    for (name, bytes) in [
        ("initializer", model(&[], &field(5, &external), &[])),
        ("data_location", model(&[], &field(5, &location), &[])),
        ("sparse values", model(&[], &field(15, &sparse), &[])),
        ("sparse indices", model(&[], &field(15, &sparse_index), &[])),
        ("constant", model(std::slice::from_ref(&constant), &[], &[])),
        ("subgraph", model(&[node("If", "", &[subgraph])], &[], &[])),
        ("sparse in subgraph", model(&[deep], &[], &[])),
        ("function", model(&[], &[], &field(25, &field(7, &constant[2..])))),
    ] {
        assert!(matches!(onnx::inspect(&bytes), Err(onnx::OnnxProblem::ExternalData(_))), "{name}");
        assert!(with(MODEL_FILE, bytes).contains("external data"), "{name}");
    }
}

#[test]
fn foreign_operators_are_refused() {
    let nested = node("If", "", &[field(6, &node("Gelu", "com.microsoft", &[]))]);
    for bytes in [
        model(&[node("Gelu", "com.microsoft", &[])], &[], &[]),
        model(&[nested], &[], &[]),
        model(&[], &[], &field(8, &field(1, b"my.ops"))),
    ] {
        assert!(with(MODEL_FILE, bytes).contains("are not part of ONNX"));
    }
    assert!(onnx::inspect(&model(&[node("Scaler", "ai.onnx.ml", &[])], &[], &[])).is_ok());
}

#[test]
fn lying_sizes_and_nesting_are_refused() {
    let huge = [number(1, 1 << 20), number(1, 1 << 20), number(2, onnx::FLOAT), field(8, b"w")].concat();
    let overflow = [number(1, u64::MAX), number(1, u64::MAX), field(8, b"w")].concat();
    let short = [number(1, 4), number(2, onnx::FLOAT), field(8, b"w"), field(9, &[0; 8])].concat();
    for initializer in [huge, overflow] {
        let refused = onnx::inspect(&model(&[], &field(5, &initializer), &[]));
        assert!(matches!(refused, Err(onnx::OnnxProblem::TooLarge(_))), "{refused:?}");
    }
    assert!(matches!(onnx::inspect(&model(&[], &field(5, &short), &[])), Err(onnx::OnnxProblem::Weights(_))));
    let mut nested = node("If", "", &[]);
    for _ in 0..100_000 {
        nested = node("If", "", &[field(6, &nested)]);
        if 1 << 15 < nested.len() {
            break;
        }
    }
    assert!(matches!(onnx::inspect(&model(&[nested], &[], &[])), Err(onnx::OnnxProblem::TooLarge(_))));
    let two_graphs = [good_model(), field(7, &[])].concat();
    assert!(matches!(onnx::inspect(&two_graphs), Err(onnx::OnnxProblem::Malformed(_))));
}

#[test]
fn every_truncation_and_flip_of_a_graph_is_answered() {
    let good = good_model();
    for cut in 0..good.len() {
        let _ = onnx::inspect(&good[..cut]);
    }
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut flipped = good.clone();
            flipped[position] ^= 1 << bit;
            let _ = onnx::inspect(&flipped);
        }
    }
}

#[test]
fn manifest_and_graph_must_agree() {
    let edit = |from: &str, to: &str| with(MANIFEST_FILE, MANIFEST.replace(from, to));
    insta::assert_snapshot!(edit("tensor = \"image\"", "tensor = \"picture\"").lines().next().unwrap(), @r#"hilum/package.toml: input "picture" is not in the graph, which has "image"; use the name from the graph"#);
    assert!(edit("tensor = \"scores\"", "tensor = \"logits\"").contains("output \"logits\" is not in the graph"));
    assert!(edit("layout = \"NCHW\"", "layout = \"NCHW\"\nchannels = 3").contains("channels 1 in the graph"));
    assert!(edit("images = \"each\"", "images = \"each\"\ndtype = \"int64\"").contains("another element type"));
    assert!(edit("operating_point = 0.5", "operating_point = 1.5").contains("operating_point is 1.5"));
    assert!(edit("\"to_8bit\"", "\"to_9bit\"").contains("unknown variant"));
    assert!(edit("{ op = \"grey\" }", "{ op = \"grey\", x = 1 }").contains("unknown field"));
    assert!(edit("schema = 1", "schema = 1\nsurprise = 2").contains("surprise"));
}

#[test]
fn golden_cases_are_required_and_read() {
    let mut package = good_package();
    package.0.retain(|path, _| !path.starts_with("hilum/golden/c/"));
    assert!(problems(&package).contains("2 golden cases; 3 are the fewest"));
    assert!(check_package_without_goldens(&package).is_ok());
    assert!(with("hilum/golden/a/scores.bin", *b"HILUMT1\n").contains("scores.bin"));
    assert!(
        with("hilum/golden/a/case.toml", *b"schema = 1\nraw_output = []\nfinal_output = '../x'").contains("neither")
    );
    let escape =
        "schema = 1\nimages = ['../../LICENSE']\nraw_output = [{tensor='scores',file='s'}]\nfinal_output = 'f'";
    assert!(with("hilum/golden/a/case.toml", escape).contains("not a plain file name"));
}
