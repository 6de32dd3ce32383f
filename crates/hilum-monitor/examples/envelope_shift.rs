//! How much of another site an acquisition envelope withholds, and how much of its own: `cargo run --release -p
//! hilum-monitor --example envelope_shift -- [--rate 0.01] [--splits 100] [--without NAME,NAME] NATIVE.csv NAME=FOREIGN.csv...`.
//! The files are what the example `image_features` prints. One CSV line for each group: mean over the splits, and the 5 % and
//! 95 % quantile.

#[path = "shared/features.rs"]
mod features;
#[path = "../tests/it/halves.rs"]
mod halves;
#[path = "../tests/it/splits.rs"]
mod splits;

use features::read;
use splits::{Split, split};
use std::collections::BTreeMap;

fn main() -> Result<(), String> {
    let (mut rate, mut n_splits, mut without, mut files) = (0.01, 100u64, Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} takes a value"));
        match argument.as_str() {
            "--rate" => rate = value()?.parse().map_err(|_| "--rate takes a number")?,
            "--splits" => n_splits = value()?.parse().map_err(|_| "--splits takes a count")?,
            "--without" => without = value()?.split(',').map(str::to_owned).collect(),
            _ => files.push(argument),
        }
    }
    let (native, foreign) = files.split_first().ok_or("name the file of the native images")?;
    let native = read(native, &without)?;
    let mut others = BTreeMap::new();
    for file in foreign {
        let (name, path) = file.split_once('=').ok_or("a foreign file is given as NAME=FILE")?;
        others.insert(name.to_owned(), read(path, &without)?);
    }
    let splits =
        (1..=n_splits).map(|seed| split(&native, &others, rate, seed)).collect::<Result<Vec<Split>, String>>()?;
    println!("group,n,splits,n_reference,rate,mean_outside,p5,p95,splits_at_most_2_percent,splits_at_least_90_percent");
    let n_reference = splits.first().map_or(0, |split| split.n_reference);
    let line = |name: &str, n: usize, mut shares: Vec<f64>| {
        shares.sort_by(f64::total_cmp);
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let at = |q: f64| shares[(q * (shares.len() - 1) as f64).round() as usize];
        let few = shares.iter().filter(|share| **share <= 0.02).count();
        let most = shares.iter().filter(|share| 0.9 <= **share).count();
        let (p5, p95) = (at(0.05), at(0.95));
        println!("{name},{n},{},{n_reference},{rate},{mean:.4},{p5:.4},{p95:.4},{few},{most}", shares.len());
    };
    line("native", native.len() - n_reference, splits.iter().map(|split| split.native).collect());
    for (name, studies) in &others {
        line(name, studies.len(), splits.iter().map(|split| split.foreign[name]).collect());
    }
    Ok(())
}
