//! The upper layer against recorded bytes, hostile peers, our own client, DCMTK and pynetdicom.

mod client;
mod command;
mod dcmtk;
mod limits;
mod negotiation;
mod pdu;
mod pynetdicom;
mod raw;
mod recorder;
mod services;
mod shutdown;
mod tools;
mod violations;
