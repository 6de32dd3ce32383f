//! Readers of other people take what we write: the CycloneDX schema, the card loader of the Hugging Face hub, and the CHAI
//! schema where a copy is at hand. The interpreter is `HILUM_PYTHON` or `python3`.

use crate::fixture::{card_file, site};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What the script printed; `None`, with a message, when the module is not importable. With `CI=true` that is a failure.
fn python(module: &str, script: &str, input: &str, arguments: &[&str]) -> Option<String> {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        let text = format!("{module} is not importable; name an interpreter that has it in HILUM_PYTHON");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("skipped: {text}");
        return None;
    }
    let mut child = Command::new(&python)
        .args(["-c", script])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn cyclonedx_takes_the_bill_of_materials() {
    let script = "import sys\n\
        from cyclonedx.schema import SchemaVersion\n\
        from cyclonedx.validation.json import JsonStrictValidator\n\
        text = sys.stdin.read()\n\
        wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)\n\
        assert wrong is None, wrong\n\
        broken = text.replace('\"performanceMetrics\"', '\"performanceMetric\"')\n\
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None\n\
        print('ok')";
    let bom = card_file(&site(), "bom.cdx.json");
    let Some(told) = python("cyclonedx.validation.json, jsonschema", script, &bom, &[]) else { return };
    assert_eq!(told.trim(), "ok");
    let bom: serde_json::Value = serde_json::from_str(&bom).unwrap();
    let metrics = &bom["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"];
    assert!(metrics.as_array().unwrap().iter().all(|m| m["slice"].as_str().unwrap().contains("n = ")), "{metrics}");
}

#[test]
fn the_hub_reads_the_front_matter() {
    let script = "import sys\n\
        from huggingface_hub import ModelCard\n\
        card = ModelCard(sys.stdin.read())\n\
        data = card.data\n\
        assert data.license == 'apache-2.0' and data.library_name == 'onnx' and data.pipeline_tag == 'image-classification', data\n\
        results = {(r.metric_type, r.metric_name): r.metric_value for r in data.eval_results}\n\
        assert any(t == 'auroc' for t, _ in results), results\n\
        assert all(' n ' in name and ' to ' in name for _, name in results), results\n\
        print(len(results), len(card.text) > 1000)";
    let Some(told) = python("huggingface_hub", script, &card_file(&site(), "README.md"), &[]) else { return };
    assert!(told.trim().ends_with("True"), "{told}");
}

#[test]
fn the_chai_card_is_read_as_one_and_the_schema_takes_it_where_a_copy_is_named() {
    let parse = "import sys, xml.etree.ElementTree as tree\n\
        print(tree.fromstring(sys.stdin.read()).tag)";
    let Some(told) = python("xml.etree.ElementTree", parse, &card_file(&site(), "card.chai.xml"), &[]) else { return };
    assert_eq!(told.trim(), "{https://mc.chai.org/v0.2/schema.xsd}AppliedModelCard");
    let Ok(schema) = std::env::var("HILUM_CHAI_XSD") else {
        eprintln!("skipped: HILUM_CHAI_XSD names no copy of the schema; chai.rs holds the card against our outline");
        return;
    };
    let script = "import sys, xmlschema\n\
        text = sys.stdin.read()\n\
        schema = xmlschema.XMLSchema(sys.argv[1])\n\
        schema.validate(text)\n\
        assert not schema.is_valid(text.replace('<BasicInfo>', '<Basic>').replace('</BasicInfo>', '</Basic>'))\n\
        print('ok')";
    let Some(told) = python("xmlschema", script, &card_file(&site(), "card.chai.xml"), &[&schema]) else { return };
    assert_eq!(told.trim(), "ok");
}
