//! Seam: declared preprocessing, inference engines and postprocessing.
