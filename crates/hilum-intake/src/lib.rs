//! Edge: takes received objects in, by C-STORE, STOW-RS and folder import, under one promise.
//!
//! Whatever way an object comes, its bytes are spooled while they arrive, its header is read within bounds, and it is
//! committed (durable bytes, durable index) before [`Incoming::finish`] returns and anybody may acknowledge it
//! (architecture section 4). What cannot be taken as an instance is kept in quarantine, where a person sees it.

mod dimse;
mod folder;
mod incoming;

pub use dimse::DimseIntake;
pub use folder::{ImportReport, ImportedFile, import_file, list_files};
pub use incoming::{Incoming, Intake, IntakeError, Received};
