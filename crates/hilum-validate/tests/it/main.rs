//! The acceptance test as a whole: protocol and cases in, verdict, report and page out.

mod edges;
mod gates;
mod page;
mod peers;
mod report;
mod sample;
mod simulated;
