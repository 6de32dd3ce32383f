//! The machines around Hilum, over real sockets: a modality that sends and an archive that receives by script.

mod modality;
mod pacs;
mod script;

pub use modality::{Ledger, Order, Sent, SimulatedModality};
pub use pacs::{Keep, Received, SimulatedPacs};
pub use script::{Behaviour, Rule, Script, When};
