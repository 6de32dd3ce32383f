//! Core: identifiers, coded concepts, time, study facts, findings and dispositions that every other crate speaks.
//!
//! Nothing here does I/O, reads a clock or draws randomness. A checked value has a type whose only door is its
//! constructor; values that name a patient print as a mark, never as themselves (PR-04).

mod ae_title;
mod clock;
mod code;
mod digest;
mod disposition;
mod findings;
mod header;
mod label;
mod phi;
mod rng;
mod stated;
mod time;
mod uid;

pub use ae_title::{AeTitle, InvalidAeTitle};
pub use clock::Clock;
pub use code::CodedConcept;
pub use digest::{Digest, InvalidDigest};
pub use disposition::{Disposition, Reason};
pub use findings::{
    AlgorithmIdentity, Finding, ImageReference, Location, Measurement, ModelOutput, Presence, Segment, SegmentMask,
};
pub use header::{InstanceHeader, SeriesFacts, StudyFacts, attribute};
pub use label::{Exposure, Independence};
pub use phi::Phi;
pub use rng::Entropy;
pub use stated::{AlgorithmClaim, StatedValue};
pub use time::{InvalidTimestamp, Timestamp};
pub use uid::{InvalidUid, Uid};
