//! Core: records to model card, evidence pack and periodic report, with an honest list of what is missing.
