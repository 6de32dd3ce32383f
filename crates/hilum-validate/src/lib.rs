//! Core: acceptance protocol and cases to a verdict and a report, as data and as one static page.
