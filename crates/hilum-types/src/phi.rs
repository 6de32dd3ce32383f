use serde::{Deserialize, Serialize};
use std::fmt;

/// A value that may identify a patient: it serialises for storage and interfaces, but `Debug` prints a mark
/// and there is no `Display`, so that it cannot reach a log, an error text or a metric by accident (PR-04).
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wrap an identifying value.
    pub fn new(value: T) -> Self {
        Phi(value)
    }

    /// The value, for an interface that is allowed to show it.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Phi(value)
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phi(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(format!("{:?}", Some(Phi::new("DOE^JANE"))), "Some(Phi(..))");
    }
}
