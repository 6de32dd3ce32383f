//! Tests of the public interface: against the corpus of real objects, its expected values, and hostile bytes.

mod build;
mod corpus;
mod pixels;
