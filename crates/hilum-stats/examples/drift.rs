//! What the streaming side of drift costs: counting a value, comparing 20 features, merging 1,000 x 40 counts. One thread;
//! prints JSON lines. Measured with `cargo run --release -p hilum-stats --example drift`.

use hilum_stats::drift::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::hint::black_box;
use std::time::Instant;

const VALUES: usize = 2_000_000;

/// Runs `act` a few times and prints the fastest, because what disturbs only ever adds.
fn timed(what: &str, unit: &str, per: f64, mut act: impl FnMut()) {
    let fastest = (0..7).map(|_| {
        let start = Instant::now();
        act();
        start.elapsed().as_secs_f64()
    });
    let fastest = fastest.fold(f64::INFINITY, f64::min);
    println!("{{\"bench\": \"{what}\", \"{unit}\": {:.3}}}", fastest * per);
}

fn main() {
    let mut generator = ChaCha8Rng::seed_from_u64(7);
    let mut uniform = || ((generator.next_u64() >> 11) + 1) as f64 / 9_007_199_254_740_992.0;
    let mut normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    let values: Vec<f64> = (0..VALUES).map(|_| normal()).collect();
    let sample = SortedSample::new(values[..100_000].to_vec()).expect("finite");
    let bins = ReferenceBins::of_numbers(&sample, 255).expect("255 edges");

    let mut counts = bins.empty();
    timed("count one value, 255 edges", "ns", 1e9 / VALUES as f64, || {
        values.iter().for_each(|value| bins.count_number(&mut counts, *value).expect("room"));
    });
    let mut moments = Moments::default();
    timed("winsorised moments of one value", "ns", 1e9 / VALUES as f64, || {
        values.iter().for_each(|value| moments.add(bins.winsorised(*value).expect("finite")).expect("finite"));
    });
    timed("psi and js of 20 features from counts", "ms", 1e3, || {
        for _ in 0..20 {
            black_box(bins.psi(&counts, black_box(&counts), 10)).expect("counts");
            black_box(bins.jensen_shannon(&counts, &counts, 10, JensenShannonBase::Two)).expect("counts");
        }
    });
    timed("ks of 20 features from counts", "ms", 1e3, || {
        (0..20).for_each(|_| drop(black_box(bins.kolmogorov_smirnov(&counts, black_box(&counts))).expect("counts")));
    });
    let mut small = bins.empty();
    values[..500].iter().for_each(|value| bins.count_number(&mut small, *value).expect("room"));
    timed("merge 1,000 x 40 counts", "ms", 1e3, || {
        for _ in 0..40 {
            let mut sum = bins.empty();
            (0..1000).for_each(|_| sum.merge(black_box(&small)).expect("room"));
            black_box(sum);
        }
    });
    let bytes = std::mem::size_of::<CellCounts>() + 4 * counts.cells().len();
    println!("{{\"bench\": \"state of one feature\", \"bytes\": {bytes}}}");
}
