//! `README.md` with the front matter of the Hugging Face hub.

use super::page::SECTIONS;
use super::{Card, NOT_STATED};
use crate::figure::Figure;
use std::fmt::Write as _;

/// A text as YAML: JSON's quoted form is one of YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

pub(super) fn render(card: &Card) -> String {
    let mut text = String::from("---\n");
    front_matter(card, &mut text);
    text.push_str("---\n\n");
    let info = &card.manifest.package;
    let _ = write!(text, "# {} {}\n\n{}\n\n{}\n\n", info.title, info.version, info.description, card.about());
    for section in SECTIONS {
        let _ = write!(text, "## {}\n\n", section.title);
        for (key, title) in section.fields() {
            let _ = write!(text, "### {title}\n\n{}\n\n", card.text(key));
        }
    }
    figures(card, &mut text);
    sources(card, &mut text);
    text
}

fn front_matter(card: &Card, text: &mut String) {
    let info = &card.manifest.package;
    // Identifiers of the hub's own list; everything else is `other` with its name.
    let license = match info.license.as_str() {
        "Apache-2.0" => "apache-2.0",
        "MIT" => "mit",
        "BSD-3-Clause" => "bsd-3-clause",
        "CC0-1.0" => "cc0-1.0",
        "CC-BY-4.0" => "cc-by-4.0",
        "CC-BY-SA-4.0" => "cc-by-sa-4.0",
        "CC-BY-NC-4.0" => "cc-by-nc-4.0",
        _ => "other",
    };
    let _ = writeln!(text, "license: {license}");
    if license == "other" {
        let _ = writeln!(text, "license_name: {}", quoted(&info.license));
    }
    let _ = writeln!(text, "library_name: onnx\npipeline_tag: {}", card.task());
    text.push_str("tags:\n- medical\n- radiology\n- dicom\n");
    for keyword in card.keywords() {
        let _ = writeln!(text, "- {}", quoted(&keyword));
    }
    let figures: Vec<&Figure> = card.figures().collect();
    if !figures.is_empty() {
        model_index(card, &figures, text);
    }
    let _ = writeln!(
        text,
        "hilum:\n  package: {}\n  facts: {}",
        quoted(&card.package.digest.to_string()),
        quoted(&card.digest.to_string())
    );
}

fn model_index(card: &Card, figures: &[&Figure], text: &mut String) {
    let info = &card.manifest.package;
    let _ = writeln!(text, "model-index:\n- name: {}\n  results:", quoted(&info.name));
    for validation in card.current_validations() {
        let own: Vec<_> = figures.iter().filter(|figure| figure.validation == validation.record).collect();
        if own.is_empty() {
            continue;
        }
        let set = validation.reference_set.map_or_else(|| "not stated".to_owned(), |digest| digest.short());
        let _ = writeln!(text, "  - task:\n      type: {}", card.task());
        let _ = writeln!(
            text,
            "    dataset:\n      type: {}\n      name: {}",
            quoted(&set),
            quoted(&validation.protocol_name)
        );
        text.push_str("    metrics:\n");
        for figure in own {
            let name = format!(
                "{}, {} ({} interval {}, n {}, {})",
                figure.title,
                figure.slice,
                figure.level_text(),
                figure.interval(),
                figure.n,
                figure.method
            );
            let _ = writeln!(
                text,
                "    - type: {}\n      value: {}\n      name: {}",
                quoted(&figure.metric),
                figure.value,
                quoted(&name)
            );
        }
    }
}

/// A cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn figures(card: &Card, text: &mut String) {
    text.push_str("## How well it does\n\n");
    if card.validations.is_empty() {
        let _ = write!(text, "{NOT_STATED} No acceptance test of this version is on record at this site.\n\n");
        return;
    }
    for validation in &card.validations {
        let _ = writeln!(text, "* {}", cell(&validation.interpretation()));
        let _ = writeln!(text, "  {}", cell(&validation.process()));
    }
    text.push_str("\n| figure | slice | value | interval | level | n | method | asked | verdict |\n|---|---|---|---|---|---|---|---|---|\n");
    for figure in card.figures() {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            figure.title,
            cell(&figure.slice),
            figure.value_text(),
            figure.interval(),
            figure.level_text(),
            figure.n,
            cell(&figure.method),
            cell(figure.required.as_deref().unwrap_or("nothing")),
            figure.verdict.as_deref().unwrap_or("-")
        );
    }
    text.push('\n');
}

fn sources(card: &Card, text: &mut String) {
    text.push_str("## Records it is rendered from\n\n| record | kind | what | approval |\n|---|---|---|---|\n");
    let _ = writeln!(text, "| `{}` | package | imported {} | - |", card.package.digest, card.package.imported_at.day());
    for source in &card.sources {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            source.digest,
            source.kind,
            cell(&source.what),
            cell(&source.approval)
        );
    }
}
