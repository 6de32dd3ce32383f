//! One module per command. They read and write through the catalog, as the API does (UX-17).

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod delivery;
pub(crate) mod deployment;
pub(crate) mod import;
pub(crate) mod model;
pub(crate) mod study;
