//! What the report shows beside the gates: curves, calibration, the operating point, comparison, failures, notes, methods.

mod classification;
mod comparison;
mod failures;
mod measures;
mod methods;
mod notes;

pub(crate) use classification::classification;
pub(crate) use comparison::comparison;
pub(crate) use failures::failures;
pub(crate) use measures::measures;
pub(crate) use methods::methods;
pub(crate) use notes::notes;
