//! One timed statistic of a file of scores, for `bench/stats/run.sh`: `bench FILE METHOD RESAMPLES REPEATS`.
//!
//! Reads `label,first,second` lines before the clock starts, as the Python side does, and prints one JSON line: wall and CPU
//! seconds of one computation (median, and mean, of the repeats), and the result.

use hilum_stats::{AurocInterval, Bootstrap, BootstrapInterval, auroc, auroc_bootstrap, auroc_difference, auroc_value};
use std::time::Instant;

/// CPU time of all threads of this process, in seconds; they live as long as it does.
fn cpu_s() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this bench needs Linux");
    let of_thread = |task: std::io::Result<std::fs::DirEntry>| -> f64 {
        let text = std::fs::read_to_string(task.expect("a thread").path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0)
    };
    tasks.map(of_thread).sum::<f64>() / 1e9
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, method, resamples, repeats] = arguments.as_slice() else {
        eprintln!("usage: bench FILE METHOD RESAMPLES REPEATS");
        std::process::exit(2);
    };
    let text = std::fs::read_to_string(file).expect("the file of scores can be read");
    let mut labels = Vec::new();
    let mut scores = [Vec::new(), Vec::new()];
    for line in text.lines().skip(1) {
        let mut cells = line.split(',');
        labels.push(cells.next() == Some("1"));
        for (scores, cell) in scores.iter_mut().zip(cells) {
            scores.push(cell.parse::<f64>().expect("a number"));
        }
    }
    let (resamples, repeats): (u32, usize) = (resamples.parse().expect("a number"), repeats.parse().expect("a number"));
    let [first, second] = &scores;
    let options = |interval| Bootstrap { resamples, seed: 1, level: 0.95, interval };
    let compute = || -> String {
        match method.as_str() {
            "auroc" => format!("{}", auroc_value(&labels, first).expect("an AUROC")),
            "delong" => format!("{:?}", auroc(&labels, first, None, 0.95, AurocInterval::Delong).expect("an AUROC")),
            "delong-paired" => format!("{:?}", auroc_difference(&labels, first, second, None, 0.95).expect("one")),
            "bootstrap" => {
                let percentile = options(BootstrapInterval::Percentile);
                format!("{:?}", auroc_bootstrap(&labels, first, None, &percentile).expect("an AUROC"))
            }
            "bootstrap-bca" => {
                let bca = options(BootstrapInterval::Bca);
                format!("{:?}", auroc_bootstrap(&labels, first, None, &bca).expect("an AUROC"))
            }
            other => panic!("no method {other}"),
        }
    };
    let mut walls = Vec::new();
    let mut result = String::new();
    // The kernel books CPU time every few milliseconds, so it is taken over all repeats and divided.
    let cpu_before = cpu_s();
    for _ in 0..repeats {
        let begun = Instant::now();
        result = compute();
        walls.push(begun.elapsed().as_secs_f64());
    }
    let cpu = (cpu_s() - cpu_before) / repeats as f64;
    walls.sort_by(f64::total_cmp);
    let wall = walls[walls.len() / 2];
    println!(
        r#"{{"bench":"hilum/{method}","n":{},"wall_s":{wall:.6},"cpu_s":{cpu:.6},"result":{result:?}}}"#,
        labels.len()
    );
}
