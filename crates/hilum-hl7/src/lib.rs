//! Edge: takes final reports in, by HL7 v2 over MLLP.
//!
//! A listed peer sends ORU^R01; a message is acknowledged `AA` after its report is durable, and not before. What cannot
//! be taken is answered with the reason and remedy (`AE` for the content, `AR` for everything else), and nothing that a
//! peer sends makes this code fail: frames, segments and texts are bounded, and a message is only ever sliced.
//! Sources: HL7 v2.5.1 chapters 2 (control, acknowledgement) and 7 (observation reporting); MLLP release 1; IHE RAD TF-2
//! 4.1 for the place of the accession number.

mod acknowledge;
mod charset;
mod error;
mod message;
mod mllp;
mod report;
mod server;

pub use acknowledge::{Code, acknowledge};
pub use error::Hl7Error;
pub use message::{Message, Segment};
pub use mllp::{Frame, FrameReader};
pub use report::{ReportText, reports};
pub use server::{Hl7Config, Hl7Peer, Hl7Server};
