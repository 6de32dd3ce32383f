//! Packages, engines and real models through the public interface.

mod embedding;
mod hostile;
mod limits;
mod real_brain;
mod real_chest;
mod support;
mod synthetic;
