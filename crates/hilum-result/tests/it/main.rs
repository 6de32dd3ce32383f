//! Results against independent readers: dicom3tools, DCMTK, pydicom and highdicom; and against broken copies.

mod identity;
mod mutation;
mod peers;
mod refusals;
mod speed;
mod support;
mod wording;
