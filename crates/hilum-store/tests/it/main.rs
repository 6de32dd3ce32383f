//! The store on real back ends.

mod back_ends;
mod committing;
