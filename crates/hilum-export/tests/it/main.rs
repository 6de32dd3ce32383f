//! Tables as other programs read them.

mod peers;
mod table;
