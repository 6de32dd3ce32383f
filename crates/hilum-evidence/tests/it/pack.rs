//! GV-03: the pack answers each item or says what is missing, and whatever is changed in it is named.

use crate::fixture::{Site, package, site};
use hilum_audit::Checkpoint;
use hilum_evidence::law::AI_ACT_ANNEX_IV;
use hilum_evidence::pack::{ChainCheck, PackFile, PackInput, check_records, pack};
use hilum_evidence::{Law, SiteFacts};
use hilum_sign::Record;
use serde_json::Value;

fn packed(site: &Site, facts: &SiteFacts) -> Vec<PackFile> {
    let law = Law::parse(AI_ACT_ANNEX_IV).unwrap();
    let segment = site.segment();
    let input =
        PackInput { site: facts, law: &law, law_text: AI_ACT_ANNEX_IV, deployment: None, window: None, segment };
    pack(&input).unwrap()
}

fn json(files: &[PackFile], path: &str) -> Value {
    serde_json::from_slice(&files.iter().find(|file| file.path == path).unwrap().bytes).unwrap()
}

#[test]
fn the_same_facts_give_the_same_bytes() {
    let site = site();
    let first = packed(&site, &site.facts);
    assert!(first == packed(&site, &site.facts));
    assert!(first.is_sorted_by(|a, b| a.path < b.path), "sorted, and no path twice");
}

/// Every item of Annex IV, its status, and each gap with what would fill it.
#[test]
fn each_item_is_answered_or_missing() {
    let site = site();
    let files = packed(&site, &site.facts);
    let index = json(&files, "index.json");
    let items = index["items"].as_array().unwrap();
    let status: String = items
        .iter()
        .map(|item| format!("{} {}\n", item["number"].as_str().unwrap(), item["status"].as_str().unwrap()))
        .collect();
    let wanted = "1(a) partial\n1(b) evidence\n1(c) partial\n1(d) missing\n1(e) missing\n1(f) missing\n1(g) missing\n\
        1(h) partial\n2(a) missing\n2(b) partial\n2(c) missing\n2(d) partial\n2(e) partial\n2(f) missing\n2(g) partial\n\
        2(h) partial\n3 partial\n4 partial\n5 missing\n6 partial\n7 missing\n8 missing\n9 missing\n";
    assert_eq!(status, wanted);
    for item in items {
        for answer in item["answers"].as_array().unwrap() {
            let links = answer["links"].as_array().unwrap();
            assert_eq!(links.is_empty(), answer["missing"].is_string(), "{answer}");
            assert_eq!(
                links.is_empty(),
                answer["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()),
                "{answer}"
            );
            for link in links.iter().map(|link| link["path"].as_str().unwrap()) {
                let there = link == "audit/entries.jsonl" || files.iter().any(|file| file.path == link);
                assert!(there, "{link} leads nowhere");
            }
        }
    }
    let page =
        String::from_utf8_lossy(&files.iter().find(|file| file.path == "index.html").unwrap().bytes).into_owned();
    for line in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let there = line == "audit/entries.jsonl" || files.iter().any(|file| file.path == line);
        assert!(there, "{line} leads nowhere");
    }
}

/// GV-19.
#[test]
fn it_says_what_it_is_and_claims_nothing() {
    let site = site();
    let index = json(&packed(&site, &site.facts), "index.json");
    assert!(index["what_it_is_not"].as_str().unwrap().contains("no declaration of conformity"));
    assert_eq!(index["edition"]["id"], "2026-07-27", "the text of the day of the last entry");
}

/// GV-01.
#[test]
fn the_inventory_names_version_evidence_and_way_back() {
    let site = site();
    let inventory = json(&packed(&site, &site.facts), "inventory.json");
    let line = &inventory["deployments"][0];
    assert_eq!(line["model"], "phantom-cxr@1.1.0");
    assert_eq!(line["package"], package().to_string());
    assert_eq!(line["rollback_target"][0], "phantom-cxr@1.0.0");
    assert_eq!(line["evidence"][0]["approval"], "approved by anna (clinical) and bo (technical)");
    assert_eq!(line["owner"], "Thorax group");
    assert_eq!(line["trained"][0], "anna");
    assert!(line["for_whom"].to_string().contains("here only View: PA"), "{line}");
}

#[test]
fn one_deployment_brings_its_versions_and_what_they_rest_on() {
    let site = site();
    let only = site.facts.only("cxr").unwrap();
    assert_eq!(only.packages.len(), 2, "the version before is one that ran");
    let kinds: std::collections::BTreeSet<&str> = only.records.iter().map(|record| record.kind.name()).collect();
    let wanted = ["card_text", "protocol", "reference_set", "user_training", "validation"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
    assert!(site.facts.only("ct").unwrap_err().to_string().contains("\"ct\""));
}

fn problems(site: &Site, change: impl FnOnce(&mut Vec<(String, Record)>)) -> Vec<String> {
    let mut chain = ChainCheck::new(&site.segment(), &[]);
    site.chain.iter().for_each(|entry| chain.take(entry).unwrap());
    let proof = chain.finish().unwrap();
    let mut records: Vec<(String, Record)> = packed(site, &site.facts)
        .into_iter()
        .filter(|file| file.path.starts_with("records/"))
        .map(|file| (file.path, serde_json::from_slice(&file.bytes).unwrap()))
        .collect();
    change(&mut records);
    check_records(&records, &site.facts.people, &proof).problems
}

#[test]
fn records_hold_against_the_chain_and_every_change_is_named() {
    let site = site();
    assert_eq!(problems(&site, |_| ()), Vec::<String>::new());
    let signed = |records: &Vec<(String, Record)>| records.iter().position(|(_, r)| !r.signatures.is_empty()).unwrap();
    let told = |change: &dyn Fn(&mut Record)| {
        let told = problems(&site, |records| {
            let at = signed(records);
            change(&mut records[at].1);
        });
        assert!(!told.is_empty());
        told.iter().for_each(|line| assert!(line.starts_with("records/validation/"), "{line}"));
        told.join("\n")
    };
    assert!(told(&|r| r.body["verdict"] = "pass!".into()).contains("changed after it was entered"));
    assert!(told(&|r| r.author = "user:bo".into()).contains("not those in the audit chain"));
    assert!(told(&|r| r.signatures[0].signer = "bo".into()).contains("signature of bo"));
    assert!(told(&|r| r.signatures[0].role = "technical".into()).contains("signature of anna"));
    let forged = told(&|r| {
        let claim = r.signatures[0].claim();
        r.signatures[0] = hilum_sign::PersonKey::from_seed([9; 32]).sign(&claim);
    });
    assert!(forged.contains("does not hold the signature of anna"), "{forged}");
    let renamed = problems(&site, |records| records[0].0 = "records/validation/other.json".into());
    assert!(renamed[0].contains("the record inside is"), "{renamed:?}");
}

#[test]
fn a_segment_that_begins_later_says_what_it_cannot_show() {
    let site = site();
    let before = &site.chain[7];
    let after = Checkpoint { seq: before.seq, hash: before.hash };
    let segment = hilum_evidence::pack::Segment { after, ..site.segment() };
    let mut chain = ChainCheck::new(&segment, &[]);
    site.chain[8..].iter().for_each(|entry| chain.take(entry).unwrap());
    let records: Vec<(String, Record)> = site
        .facts
        .records
        .iter()
        .map(|record| (format!("records/{}/{}.json", record.kind.name(), record.digest), record.clone()))
        .collect();
    let check = check_records(&records, &site.facts.people, &chain.finish().unwrap());
    assert_eq!(check.problems, Vec::<String>::new());
    assert!(0 < check.n_before_segment && check.n_before_segment < check.n_records + check.n_signatures);
}
