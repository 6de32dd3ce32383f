//! Tests of the public interface: against the corpus of real objects, its expected values, and hostile bytes.

mod build;
mod character_sets;
mod corpus;
mod headers;
mod hostile;
mod lut;
mod pixels;
mod rewrite;
