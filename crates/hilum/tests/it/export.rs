//! What leaves as a table: rows that other programs read, and nobody's name.

use crate::program::{CANARIES, Site, deploy, destination, send_canary, wait_for_delivery};
use hilum_testkit::SimulatedPacs;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::path::Path;
use std::process::Output;

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every value of a table, and what the file says of itself, as text: in the file they are compressed.
fn read_parquet(path: &Path) -> String {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let about = format!("{:?}\n", reader.metadata().file_metadata().key_value_metadata());
    let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string());
    rows.fold(about, |text, row| text + &row + "\n")
}

/// PR-13: analysed and labelled phantoms leave without a name, number, date or UID of theirs, and the chain says so.
#[test]
fn an_export_names_no_patient() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pacs = runtime.block_on(SimulatedPacs::start("PACS".parse().unwrap())).unwrap();
    let site = Site::new(&destination(&pacs));
    deploy(&site, "phantom-cxr", "active");
    let running = site.serve("info");
    let uids = send_canary(&site, &runtime);
    wait_for_delivery(&site);
    running.stop();
    let deployments = good(&site.run(&["deployments"]));
    let name = deployments.split_whitespace().next().expect("one deployment").to_owned();
    let finding = {
        let out = site.path("first.csv");
        good(&site.run(&["export", "inferences", "--deployment", &name, "--csv", "--out", out.to_str().unwrap()]));
        let mut rows = csv::Reader::from_path(out).unwrap();
        let outputs = rows.headers().unwrap().iter().position(|column| column == "outputs").unwrap();
        let row = rows.records().next().expect("one study was analysed").unwrap();
        let said: serde_json::Value = serde_json::from_str(&row[outputs]).unwrap();
        said.as_object().unwrap().keys().next().expect("the model says something").clone()
    };
    let labelled = ["label", "add", "CANARYACC1", "--deployment", &name, "--finding", &finding, "--truth", "absent"];
    good(&site.run(&labelled));
    for what in ["inferences", "labels"] {
        for (file, csv) in [(format!("{what}.parquet"), false), (format!("{what}.csv"), true)] {
            let out = site.path(&file);
            let mut asked = vec!["export", what, "--deployment", &name, "--out", out.to_str().unwrap()];
            asked.extend(csv.then_some("--csv"));
            let said = good(&site.run(&asked));
            assert!(said.contains(": 1 row as known on"), "{said}");
            assert!(!site.run(&asked).status.success(), "an earlier file is not written over");
            let text = if csv { std::fs::read_to_string(&out).unwrap() } else { read_parquet(&out) };
            for canary in CANARIES.iter().copied().chain(uids.iter().map(String::as_str)) {
                assert!(!text.to_ascii_uppercase().contains(canary), "{file} holds {canary}: {text}");
            }
            assert!(text.contains(&name) && text.contains(&finding), "the search looks at what is there: {text}");
        }
    }
    good(&site.run(&["audit", "verify"]));
    let before = ["export", "labels", "--deployment", &name, "--as-of", "2020-01-01T00:00:00Z", "--out"];
    let out = site.path("before.parquet");
    let said = good(&site.run(&[&before[..], &[out.to_str().unwrap()]].concat()));
    assert!(said.contains(": 0 rows as known on 2020-01-01"), "{said}");
    let out = site.path("ahead.parquet");
    let ahead = ["export", "labels", "--deployment", &name, "--as-of", "2199-01-01T00:00:00Z", "--out"];
    let refused = site.run(&[&ahead[..], &[out.to_str().unwrap()]].concat());
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && why.contains("is ahead of now") && !out.exists(), "{why}");
}
