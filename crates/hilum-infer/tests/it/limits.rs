//! Time, memory and panics (AV-10).

use crate::support::*;
use hilum_infer::engine::TableEngine;
use hilum_infer::{Engines, InferError, InferErrorKind, RunSettings, Tensors, load_package, run};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

type Misbehaviour = dyn Fn(&hilum_infer::StopSignal) -> Result<Tensors, String> + Send + Sync;

/// The tiny package on an engine that answers from tract until `switch` is on, then misbehaves.
fn misbehaving(act: Arc<Misbehaviour>) -> (tempfile::TempDir, Arc<hilum_infer::LoadedPackage>, Arc<AtomicBool>) {
    let folder = tiny_package(&tract_only());
    let recorded: Vec<hilum_registry::Golden> = ["c0", "c1", "c2"]
        .iter()
        .map(|case| {
            let root = folder.path().join("hilum/golden").join(case);
            hilum_registry::Golden::read(case, &mut |file| std::fs::read(root.join(file)).ok()).unwrap()
        })
        .collect();
    let switch = Arc::new(AtomicBool::new(false));
    let on = Arc::clone(&switch);
    let engine = TableEngine::new(move |inputs, stop| {
        if on.load(Ordering::SeqCst) {
            return act(stop);
        }
        let golden = recorded.iter().find(|golden| &golden.inputs == inputs).ok_or("unknown input")?;
        Ok(golden.raw_outputs.clone())
    });
    let package = load_package(folder.path(), &Engines::of(vec![Arc::new(engine)]), None).unwrap();
    (folder, package, switch)
}

fn go(package: &Arc<hilum_infer::LoadedPackage>, deadline: Duration) -> Result<(), InferError> {
    let settings = RunSettings { deadline: Some(deadline), ..RunSettings::default() };
    let image = instance(square_image("MONOCHROME2", |_, _| true));
    run(package, vec![image], &settings).map(|_| ())
}

#[test]
fn a_run_past_its_deadline_is_stopped() {
    let (told, hear): (Sender<()>, _) = channel();
    let asked = Arc::new(AtomicBool::new(false));
    let is_asked = Arc::clone(&asked);
    let act = move |stop: &hilum_infer::StopSignal| {
        is_asked.store(true, Ordering::SeqCst);
        while !stop.is_stopped() {
            std::hint::spin_loop();
        }
        let _ = told.send(());
        Err("stopped".to_owned())
    };
    let (_folder, package, switch) = misbehaving(Arc::new(act));
    switch.store(true, Ordering::SeqCst);
    // On a busy machine a short deadline may pass before the engine is asked at all: then a longer one is tried.
    for millis in [50, 1_000, 5_000, 20_000, 60_000] {
        let deadline = Duration::from_millis(millis);
        let error = go(&package, deadline).unwrap_err();
        assert_eq!(error.kind(), InferErrorKind::Limit, "{error}");
        // At its own deadline, and not at the later one of the package.
        let is_own = matches!(error, InferError::Deadline { seconds } if seconds == deadline.as_secs_f64());
        assert!(is_own, "{error}");
        if asked.load(Ordering::SeqCst) {
            break;
        }
    }
    hear.recv_timeout(Duration::from_secs(60)).expect("the engine saw the signal");
    switch.store(false, Ordering::SeqCst);
    let back = instance(square_image("MONOCHROME2", |row, column| row < 16 && column < 16));
    run(&package, vec![back], &RunSettings::default()).expect("the next run is not affected");
}

#[test]
fn a_run_that_cannot_be_stopped_does_not_hold_its_caller() {
    let (release, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let act = move |_: &hilum_infer::StopSignal| {
        let _ = wait.lock().unwrap().recv();
        Err("late".to_owned())
    };
    let (_folder, package, switch) = misbehaving(Arc::new(act));
    switch.store(true, Ordering::SeqCst);
    assert!(matches!(go(&package, Duration::from_millis(50)), Err(InferError::Deadline { .. })));
    drop(release);
}

#[test]
fn a_panic_becomes_an_error() {
    let (_folder, package, switch) = misbehaving(Arc::new(|_: &_| panic!("on purpose")));
    switch.store(true, Ordering::SeqCst);
    let error = go(&package, Duration::from_secs(60)).unwrap_err();
    assert!(matches!(&error, InferError::Defect(text) if text == "on purpose"), "{error}");
}

/// A header that claims 65,535 x 65,535 pixels is refused by its estimate, before anything is allocated.
#[test]
fn memory_is_refused_beforehand() {
    let engines = tract_only();
    let folder = tiny_package(&engines);
    let package = load_package(folder.path(), &engines, None).unwrap();
    let mut huge = instance(square_image("MONOCHROME2", |_, _| true));
    for keyword in ["Rows", "Columns"] {
        huge.header.attributes.insert(keyword.to_owned(), vec!["65535".to_owned()].into());
    }
    let error = run(&package, vec![huge], &RunSettings::default()).unwrap_err();
    assert!(matches!(error, InferError::Memory { limit_mb: 64, .. }), "{error}");
}
