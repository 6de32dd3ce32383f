//! Real sockets on port 0, a real catalog.

mod mllp;
mod peers;
