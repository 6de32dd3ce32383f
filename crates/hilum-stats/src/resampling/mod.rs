//! The bootstrap over patients: seeded, the same on any number of threads.

mod counted;
mod draws;
mod interval;

pub(crate) use counted::{Cells, counted_bootstrap, resampled_tallies};
pub(crate) use draws::Draws;
pub(crate) use interval::quantile;
pub use interval::{Bootstrap, BootstrapInterval, bootstrap};
