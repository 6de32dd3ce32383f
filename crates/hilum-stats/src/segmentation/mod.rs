//! How well a predicted mask agrees with a reference mask: overlap, and distance of surfaces in millimetres.
//!
//! Names and definitions are those of Metrics Reloaded (Maier-Hein et al., Nat. Methods 21 (2024) 195-212), with the surface
//! that MONAI and its reference implementation use, so that figures compare; tools that build their surface otherwise differ
//! markedly (arXiv 2410.02630). Everything here is a measure of **one case**; what a set of cases shows is the
//! [`bootstrap`](crate::bootstrap) of their mean over patients.

mod distance;
mod grid;
mod overlap;
mod surface;

pub use grid::{EmptyMasks, Grid};
pub use overlap::{Overlap, dice, iou};
pub use surface::{SurfaceDistances, surface_distances};
