//! The whole program from outside, and the house rules.

mod crash;
mod hostile;
mod many_workers;
mod oip;
mod privacy;
mod program;
mod site;
mod tidy;
