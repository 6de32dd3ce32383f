//! Core: hash-chained records and their verification.
