//! One module per command. They read and write through the catalog, as the API does (UX-17).

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod canary;
pub(crate) mod card;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod delivery;
pub(crate) mod deploy;
pub(crate) mod deployment;
pub(crate) mod evidence;
pub(crate) mod import;
pub(crate) mod inventory;
pub(crate) mod model;
pub(crate) mod package;
pub(crate) mod password;
pub(crate) mod protocol;
pub(crate) mod recall;
pub(crate) mod record;
pub(crate) mod reference;
pub(crate) mod stats;
pub(crate) mod study;
pub(crate) mod trial;
pub(crate) mod user;
pub(crate) mod validate;
