use std::fmt;

/// Status of a DIMSE response (PS3.7 annex C, PS3.4 section B.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u16);

/// What a sender does after a C-STORE response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// Stored.
    Success,
    /// Stored, and the peer remarks something (coerced elements, elements discarded).
    Warning,
    /// Not stored; the same object may be taken later (out of resources).
    TransientRefusal,
    /// Not stored; sending the same object again gives the same answer.
    PermanentRefusal,
}

impl Status {
    /// `0000`: success.
    pub const SUCCESS: Status = Status(0x0000);
    /// `0110`: processing failure (PS3.7 section C.5.7).
    pub const PROCESSING_FAILURE: Status = Status(0x0110);
    /// `0111`: duplicate SOP instance (PS3.7 section C.5.6).
    pub const DUPLICATE_SOP_INSTANCE: Status = Status(0x0111);
    /// `0117`: invalid SOP instance (PS3.7 section C.5.8).
    pub const INVALID_SOP_INSTANCE: Status = Status(0x0117);
    /// `0122`: SOP class not supported (PS3.7 section C.5.12).
    pub const SOP_CLASS_NOT_SUPPORTED: Status = Status(0x0122);
    /// `0124`: not authorized (PS3.7 section C.5.10).
    pub const NOT_AUTHORIZED: Status = Status(0x0124);
    /// `0211`: unrecognized operation (PS3.7 section C.5.17).
    pub const UNRECOGNIZED_OPERATION: Status = Status(0x0211);
    /// `0213`: resource limitation (PS3.7 section C.5.16).
    pub const RESOURCE_LIMITATION: Status = Status(0x0213);
    /// `A700`: refused, out of resources (PS3.4 table B.2-1).
    pub const OUT_OF_RESOURCES: Status = Status(0xA700);
    /// `A900`: data set does not match SOP class (PS3.4 table B.2-1).
    pub const DATA_SET_DOES_NOT_MATCH_SOP_CLASS: Status = Status(0xA900);
    /// `B000`: stored, data elements were coerced (PS3.4 table B.2-1).
    pub const COERCION_OF_DATA_ELEMENTS: Status = Status(0xB000);
    /// `C000`: cannot understand (PS3.4 table B.2-1).
    pub const CANNOT_UNDERSTAND: Status = Status(0xC000);

    /// What the status means to the sender of a C-STORE.
    ///
    /// Transient are out of resources (`A7xx`), processing failure (`0110`) and resource limitation (`0213`);
    /// whatever is neither success, warning nor one of these is permanent, so that nothing is sent for ever.
    pub fn class(self) -> StatusClass {
        match self.0 {
            0x0000 => StatusClass::Success,
            0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF => StatusClass::Warning,
            0x0110 | 0x0213 | 0xA700..=0xA7FF => StatusClass::TransientRefusal,
            _ => StatusClass::PermanentRefusal,
        }
    }

    /// Whether the peer holds the object: success or warning.
    pub fn is_stored(self) -> bool {
        matches!(self.class(), StatusClass::Success | StatusClass::Warning)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PS3.4 table B.2-1 and PS3.7 annex C, status by status.
    #[test]
    fn classes_follow_the_standard() {
        use StatusClass::*;
        for (code, wanted) in [
            (0x0000, Success),
            (0xB000, Warning),
            (0xB006, Warning),
            (0xB007, Warning),
            (0x0107, Warning),
            (0xA700, TransientRefusal),
            (0xA7FF, TransientRefusal),
            (0x0110, TransientRefusal),
            (0x0213, TransientRefusal),
            (0xA900, PermanentRefusal),
            (0xA801, PermanentRefusal),
            (0xC000, PermanentRefusal),
            (0xCFFF, PermanentRefusal),
            (0x0111, PermanentRefusal),
            (0x0117, PermanentRefusal),
            (0x0122, PermanentRefusal),
            (0x0124, PermanentRefusal),
            (0x0211, PermanentRefusal),
            (0xFF00, PermanentRefusal),
            (0xFE00, PermanentRefusal),
        ] {
            assert_eq!(Status(code).class(), wanted, "{code:04X}");
            assert_eq!(Status(code).is_stored(), matches!(wanted, Success | Warning), "{code:04X}");
        }
    }
}
