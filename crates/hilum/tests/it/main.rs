//! The whole program from outside, and the house rules.

mod tidy;
