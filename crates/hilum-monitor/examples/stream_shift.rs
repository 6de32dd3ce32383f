//! How many studies of another site pass before the monitor says so, and whether it says so of its own: `cargo run --release -p
//! hilum-monitor --example stream_shift -- [--splits 100] [--limit 0.03] NATIVE.csv NAME=FOREIGN.csv...`. The files are what the example
//! `image_features` prints. One CSV line for each group and share: splits with a signal, and studies until the first one.

#[path = "shared/features.rs"]
mod features;
#[path = "../tests/it/halves.rs"]
mod halves;
#[path = "../tests/it/stream.rs"]
mod stream;

use features::read;
use std::collections::BTreeMap;
use stream::{Outcome, stream};

/// Studies of a mixed stream at most.
const STUDIES_MAX: usize = 1000;

fn main() -> Result<(), String> {
    let (mut n_splits, mut limit, mut files) = (100u64, 0.03, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--splits" => {
                let value = arguments.next().and_then(|text| text.parse().ok());
                n_splits = value.ok_or("--splits takes a count")?;
            }
            "--limit" => {
                let value = arguments.next().and_then(|text| text.parse().ok());
                limit = value.ok_or("--limit takes a share")?;
            }
            _ => files.push(argument),
        }
    }
    let (native, foreign) = files.split_first().ok_or("name the file of the native images")?;
    let native = read(native, &[])?;
    println!("group,share,n_studies,splits,with_signal,median,p90,spoke_first");
    let all = |foreign: Option<(&[halves::Features], f64)>| {
        (1..=n_splits)
            .map(|seed| stream(&native, foreign, STUDIES_MAX, limit, seed))
            .collect::<Result<Vec<Outcome>, String>>()
    };
    line("native", 0.0, &all(None)?);
    for file in foreign {
        let (name, path) = file.split_once('=').ok_or("a foreign file is given as NAME=FILE")?;
        let studies = read(path, &[])?;
        for share in [0.1, 0.3, 1.0] {
            line(name, share, &all(Some((&studies, share)))?);
        }
    }
    Ok(())
}

fn line(name: &str, share: f64, outcomes: &[Outcome]) {
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    let mut studies: Vec<usize> = Vec::new();
    for (at, rule) in outcomes.iter().filter_map(|outcome| outcome.first.as_ref()) {
        studies.push(*at);
        *rules.entry(rule).or_default() += 1;
    }
    studies.sort_unstable();
    // A stream without a signal is longer than any with one.
    let at = |q: f64| {
        let place = (q * (outcomes.len() - 1) as f64).round() as usize;
        studies.get(place).map_or("never".to_owned(), usize::to_string)
    };
    let spoke: Vec<String> = rules.iter().map(|(rule, n)| format!("{rule} {n}")).collect();
    let n = outcomes.first().map_or(0, |outcome| outcome.n);
    let (median, p90) = (at(0.5), at(0.9));
    println!("{name},{share},{n},{},{},{median},{p90},{}", outcomes.len(), studies.len(), spoke.join(" "));
}
