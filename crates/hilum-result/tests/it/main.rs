//! Results against independent readers: dicom3tools, DCMTK, pydicom and highdicom; and against broken copies.

mod assessment;
mod identity;
mod mutation;
mod peers;
mod reading;
mod refusals;
mod rejection;
mod speed;
mod support;
mod wording;
