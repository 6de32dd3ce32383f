//! UX-07: a card is what the records say, and an edited or stale one is told.

use crate::fixture::{Site, card_file, package, site};
use hilum_evidence::{Card, CardText, NOT_STATED};
use hilum_sign::{NewRecord, RecordKind};
use hilum_types::Digest;
use serde_json::json;
use std::collections::BTreeMap;

fn rendered(site: &Site) -> BTreeMap<String, Vec<u8>> {
    let files = Card::new(&site.facts, &package()).unwrap().files().unwrap();
    files.into_iter().map(|file| (file.name.to_owned(), file.bytes)).collect()
}

fn told(site: &Site, files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let differences = Card::new(&site.facts, &package()).unwrap().compare(files).unwrap();
    differences.iter().map(ToString::to_string).collect()
}

#[test]
fn the_same_records_give_the_same_bytes_whatever_their_order() {
    let site = site();
    let mut other = site.facts.clone();
    other.records.reverse();
    other.packages.reverse();
    let files = Card::new(&other, &package()).unwrap().files().unwrap();
    let files: BTreeMap<String, Vec<u8>> = files.into_iter().map(|file| (file.name.to_owned(), file.bytes)).collect();
    assert_eq!(files, rendered(&site));
    assert_eq!(told(&site, &files), Vec::<String>::new());
}

#[test]
fn a_hand_edited_card_is_refused_and_the_place_is_named() {
    let site = site();
    for name in ["README.md", "index.html", "card.chai.xml", "bom.cdx.json", "facts.json", "card.json"] {
        let mut files = rendered(&site);
        let bytes = files.get_mut(name).unwrap();
        let at = bytes.len() / 2;
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        let told = told(&site, &files);
        assert!(told.iter().any(|line| line.contains(name)), "{name}: {told:?}");
    }
    let mut files = rendered(&site);
    let text = String::from_utf8(files["README.md"].clone()).unwrap();
    let better = text.replace("Misses nodules below 6 mm", "Misses no nodules");
    assert_ne!(better, text);
    files.insert("README.md".into(), better.into_bytes());
    let lines = told(&site, &files);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("README.md was edited") && lines[0].contains("nodules below 6 mm"), "{lines:?}");
    files.remove("index.html");
    files.insert("notes.txt".into(), vec![]);
    let lines = told(&site, &files).join("\n");
    assert!(lines.contains("index.html is missing") && lines.contains("notes.txt is no part"), "{lines}");
    files.remove("card.json");
    assert!(told(&site, &files).join("\n").contains("card.json cannot be used: it is missing"));
}

#[test]
fn a_card_is_stale_when_something_about_the_package_changed() {
    let mut site = site();
    let files = rendered(&site);
    let unrelated = json!({ "format": 1 });
    let record = |kind, subject: String| NewRecord { kind, subject, body: unrelated.clone(), author: "user:bo".into() };
    site.record(record(RecordKind::Canary, "cxr".into()));
    assert_eq!(told(&site, &files), Vec::<String>::new(), "what is not about the package does not touch its card");
    site.record(record(RecordKind::Recall, package().to_string()));
    let lines = told(&site, &files);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("the card is stale"), "{lines:?}");
    // Editing a stale card is told apart from its being stale.
    let mut edited = files;
    edited.get_mut("README.md").unwrap().push(b'!');
    assert!(told(&site, &edited).iter().any(|line| line.contains("README.md was edited")));
}

#[test]
fn what_nobody_stated_says_so_and_every_figure_is_whole() {
    let site = site();
    let readme = card_file(&site, "README.md");
    assert!(readme.contains(&format!("### Funding\n\n{NOT_STATED}")), "{readme}");
    let rows: Vec<&str> =
        readme.lines().filter(|line| line.starts_with("| AUROC") || line.starts_with("| Sens")).collect();
    assert_eq!(rows.len(), 4, "AUROC, sensitivity, and sensitivity of both sexes: {rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(
            cells[4].contains(" to ")
                && cells[5] == "95 %"
                && cells[6].parse::<u64>().is_ok()
                && cells[7].contains('/'),
            "{row}"
        );
    }
    assert!(readme.contains("approved by anna (clinical) and bo (technical)"), "{readme}");
    let untested = Card::new(&site.facts, &Digest::of(b"1.0.0")).unwrap().files().unwrap();
    let page = untested.iter().find(|file| file.name == "index.html").unwrap();
    assert!(String::from_utf8_lossy(&page.bytes).contains("No acceptance test of this version is on record"));
}

/// What people write is text on every rendering, never markup.
#[test]
fn prose_cannot_become_markup() {
    let site = site();
    let page = card_file(&site, "index.html");
    assert!(!page.contains("<b>not</b>") && page.contains("&#60;b&#62;not"), "{page}");
    assert!(card_file(&site, "card.chai.xml").contains("&lt;b&gt;not&lt;/b&gt; a \"diagnosis\""));
}

#[test]
fn returning_to_an_earlier_text_is_an_entry_of_its_own() {
    let first = CardText::parse("security = 'one'").unwrap();
    let second = CardText::parse("security = 'two'").unwrap();
    let entered = first.record(&package(), None, "user:a").digest();
    let replaced = second.record(&package(), Some(&entered), "user:a").digest();
    assert_ne!(first.record(&package(), Some(&replaced), "user:a").digest(), entered);
}
