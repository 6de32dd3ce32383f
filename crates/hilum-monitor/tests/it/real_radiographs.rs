//! MV-04 on real radiographs: `examples/envelope_shift.rs` and `examples/stream_shift.rs` do a hundred splits of all of
//! them (docs/measurements.md).

use crate::halves::Features;
use crate::read::{Change, decode};
use crate::splits::split;
use crate::stream::stream;
use crate::{files, shared};
use std::collections::BTreeMap;
use std::path::Path;

fn measured(folder: &Path, step: usize, change: Change) -> Vec<Features> {
    let of = |path: &std::path::PathBuf| {
        let mut pixels = decode(path).unwrap();
        pixels.change(change);
        pixels.measure().unwrap().0
    };
    files(folder, step).iter().map(of).collect()
}

/// Children from one hospital as reference; adults from another scanner, and small images of a third site, are foreign.
#[test]
fn mv_04_another_site_is_outside_and_the_own_is_inside() {
    let Some(shared) = shared() else { return };
    let cxr = shared.join("data/cxr");
    let native = measured(&cxr.join("kermany-test"), 1, Change::default());
    let inverted = Change { inverted: true, ..Change::default() };
    let foreign = BTreeMap::from([
        ("hannover".to_owned(), measured(&cxr.join("hannover"), 4, Change::default())),
        ("nih-64px".to_owned(), measured(&cxr.join("nih-64px"), 8, Change::default())),
        ("nih-full".to_owned(), measured(&cxr.join("nih-full"), 1, Change::default())),
        ("inverted".to_owned(), measured(&cxr.join("kermany-test"), 8, inverted)),
    ]);
    // The size of an image alone gives away two of the sites; without it the noise and the sharpness have to.
    let sizeless = |studies: &[Features]| -> Vec<Features> {
        let size = ["rows", "columns", "aspect"];
        let keep = |study: &Features| {
            study.iter().filter(|(k, _)| !size.contains(&k.as_str())).map(|(k, v)| (k.clone(), *v)).collect()
        };
        studies.iter().map(keep).collect()
    };
    let foreign_sizeless = foreign.iter().map(|(name, studies)| (name.clone(), sizeless(studies))).collect();
    for (what, native, foreign) in
        [("all", native.clone(), foreign.clone()), ("no size", sizeless(&native), foreign_sizeless)]
    {
        let splits: Vec<_> = (1..=5).map(|seed| split(&native, &foreign, 0.01, seed).unwrap()).collect();
        let mean = |of: &dyn Fn(&crate::splits::Split) -> f64| splits.iter().map(of).sum::<f64>() / splits.len() as f64;
        let inside = mean(&|split| split.native);
        println!("{what}: native {inside:.4}");
        assert!(inside <= 0.02, "{what}: {inside} of the native studies are outside");
        for name in ["hannover", "nih-64px", "inverted"] {
            let outside = mean(&|split| split.foreign[name]);
            println!("{what}: {name} {outside:.4}");
            assert!(0.9 <= outside, "{what}: only {outside} of {name} are outside");
        }
    }
}

/// MV-21: the own films raise no signal, and those of another site are found within a few studies.
#[test]
fn mv_21_a_stream_of_another_site_is_signalled_and_the_own_is_not() {
    let Some(shared) = shared() else { return };
    let cxr = shared.join("data/cxr");
    let native = measured(&cxr.join("kermany-test"), 1, Change::default());
    let hannover = measured(&cxr.join("hannover"), 4, Change::default());
    let calm = (1..=20).filter(|seed| stream(&native, None, 0, 0.03, *seed).unwrap().first.is_none()).count();
    assert!(19 <= calm, "{} of 20 streams of the own site raised a signal", 20 - calm);
    for (share, within) in [(1.0, 10), (0.3, 100)] {
        for seed in 1..=5 {
            let found = stream(&native, Some((&hannover, share)), 1000, 0.03, seed).unwrap();
            assert!(found.first.as_ref().is_some_and(|(at, _)| *at <= within), "share {share}, seed {seed}: {found:?}");
        }
    }
}
