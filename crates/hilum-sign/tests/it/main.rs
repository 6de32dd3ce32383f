//! Signatures of people as another library sees them.

mod upstream;
