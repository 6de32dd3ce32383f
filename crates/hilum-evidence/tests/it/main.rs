//! Cards, packs and reports from facts with a real acceptance report, and the readers of other people that take them.

mod card;
mod chai;
mod fixture;
mod pack;
mod peers;
mod periodic;
