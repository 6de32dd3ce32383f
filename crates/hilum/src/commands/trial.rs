//! What `validate` and `model compare` have in common: where things are, and a bar that moves.

use crate::config::Config;
use crate::system::{SystemClock, models, open_blobs, open_catalog};
use anyhow::Result;
use hilum_worker::trial::{Place, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::{Arc, Mutex, PoisonError};

/// Everything a trial needs, from the configuration.
pub(crate) async fn place(config: &Config, built_in_only: bool) -> Result<Place> {
    let mut with_engine = config.clone();
    with_engine.inference.built_in_only |= built_in_only;
    Ok(Place {
        catalog: open_catalog(config).await?,
        blobs: Arc::new(open_blobs(config)?),
        models: models(&with_engine),
        data_dir: config.data_dir.clone(),
        clock: Arc::new(SystemClock),
        n_workers: std::thread::available_parallelism().map_or(2, |n| n.get().clamp(1, 4)),
    })
}

/// A bar on the terminal; nothing where there is none.
#[derive(Default)]
pub(crate) struct Bar(Mutex<Option<ProgressBar>>);

impl Progress for Bar {
    fn begin(&self, what: &str, n_cases: usize) {
        let bar = ProgressBar::new(n_cases as u64).with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} cases, {eta} left") {
            bar.set_style(style);
        }
        let earlier = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(bar);
        earlier.into_iter().for_each(|bar| bar.finish_and_clear());
    }

    fn done(&self) {
        if let Some(bar) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.inc(1);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let bar = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        bar.into_iter().for_each(|bar| bar.finish_and_clear());
    }
}
