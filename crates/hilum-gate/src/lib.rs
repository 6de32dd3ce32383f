//! Core: study facts, deployment and evidence to a decision, with a reason for every step.
