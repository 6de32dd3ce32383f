//! The UIDs the upper layer decides by: SOP classes that count as storage, and transfer syntaxes in order of preference.

/// DICOM application context name (PS3.7 section A.2.1).
pub const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// Verification SOP class (PS3.4 annex A).
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
/// Implicit VR Little Endian (PS3.5 section A.1).
pub const IMPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian (PS3.5 section A.2).
pub const EXPLICIT_VR_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// Transfer syntaxes accepted for storage, most wanted first, when one presentation context offers several.
///
/// Uncompressed comes first because it never makes a sender compress, and so never makes it lose anything; then what
/// is lossless, then what may be lossy. A sender that offers one syntax per context, as most do, sends what it has.
/// Absent are the syntaxes whose pixels are elsewhere (JPIP, SMPTE ST 2110) and those that are no PS3.10 data set.
pub const TRANSFER_SYNTAXES: &[&str] = &[
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    "1.2.840.10008.1.2.1.99",  // Deflated Explicit VR Little Endian
    "1.2.840.10008.1.2.2",     // Explicit VR Big Endian (retired)
    "1.2.840.10008.1.2.1.98",  // Encapsulated Uncompressed Explicit VR Little Endian
    "1.2.840.10008.1.2.8.1",   // Deflated Image Frame Compression
    "1.2.840.10008.1.2.5",     // RLE Lossless
    "1.2.840.10008.1.2.4.70",  // JPEG Lossless, Process 14, Selection Value 1
    "1.2.840.10008.1.2.4.57",  // JPEG Lossless, Process 14
    "1.2.840.10008.1.2.4.80",  // JPEG-LS Lossless
    "1.2.840.10008.1.2.4.90",  // JPEG 2000 Lossless Only
    "1.2.840.10008.1.2.4.92",  // JPEG 2000 Part 2 Multi-component Lossless Only
    "1.2.840.10008.1.2.4.201", // HTJ2K Lossless Only
    "1.2.840.10008.1.2.4.202", // HTJ2K Lossless RPCL
    "1.2.840.10008.1.2.4.110", // JPEG XL Lossless
    "1.2.840.10008.1.2.4.58",  // JPEG Lossless, Process 15 (retired)
    "1.2.840.10008.1.2.4.65",  // JPEG Lossless, Hierarchical, Process 28 (retired)
    "1.2.840.10008.1.2.4.66",  // JPEG Lossless, Hierarchical, Process 29 (retired)
    "1.2.840.10008.1.2.4.91",  // JPEG 2000
    "1.2.840.10008.1.2.4.93",  // JPEG 2000 Part 2 Multi-component
    "1.2.840.10008.1.2.4.203", // HTJ2K
    "1.2.840.10008.1.2.4.81",  // JPEG-LS Near-lossless
    "1.2.840.10008.1.2.4.111", // JPEG XL JPEG Recompression
    "1.2.840.10008.1.2.4.112", // JPEG XL
    "1.2.840.10008.1.2.4.50",  // JPEG Baseline, Process 1
    "1.2.840.10008.1.2.4.51",  // JPEG Extended, Processes 2 and 4
    "1.2.840.10008.1.2.4.52",  // JPEG Extended, Processes 3 and 5 (retired), and so on to process 27
    "1.2.840.10008.1.2.4.53",
    "1.2.840.10008.1.2.4.54",
    "1.2.840.10008.1.2.4.55",
    "1.2.840.10008.1.2.4.56",
    "1.2.840.10008.1.2.4.59",
    "1.2.840.10008.1.2.4.60",
    "1.2.840.10008.1.2.4.61",
    "1.2.840.10008.1.2.4.62",
    "1.2.840.10008.1.2.4.63",
    "1.2.840.10008.1.2.4.64",
    "1.2.840.10008.1.2.4.100",   // MPEG2 Main Profile, Main Level
    "1.2.840.10008.1.2.4.100.1", // the same, fragmentable
    "1.2.840.10008.1.2.4.101",   // MPEG2 Main Profile, High Level
    "1.2.840.10008.1.2.4.101.1",
    "1.2.840.10008.1.2.4.102", // MPEG-4 AVC/H.264 High Profile, Level 4.1
    "1.2.840.10008.1.2.4.102.1",
    "1.2.840.10008.1.2.4.103", // MPEG-4 AVC/H.264 BD-compatible
    "1.2.840.10008.1.2.4.103.1",
    "1.2.840.10008.1.2.4.104", // MPEG-4 AVC/H.264 High Profile, Level 4.2, 2D
    "1.2.840.10008.1.2.4.104.1",
    "1.2.840.10008.1.2.4.105", // MPEG-4 AVC/H.264 High Profile, Level 4.2, 3D
    "1.2.840.10008.1.2.4.105.1",
    "1.2.840.10008.1.2.4.106", // MPEG-4 AVC/H.264 Stereo High Profile
    "1.2.840.10008.1.2.4.106.1",
    "1.2.840.10008.1.2.4.107", // HEVC/H.265 Main Profile
    "1.2.840.10008.1.2.4.108", // HEVC/H.265 Main 10 Profile
];

/// Storage SOP classes outside the common prefix: stored print and hardcopy (retired), hanging protocol, colour palette,
/// implant templates, RT delivery instructions.
const OTHER_STORAGE: &[&str] = &[
    "1.2.840.10008.5.1.1.27",
    "1.2.840.10008.5.1.1.29",
    "1.2.840.10008.5.1.1.30",
    "1.2.840.10008.5.1.4.38.1",
    "1.2.840.10008.5.1.4.39.1",
    "1.2.840.10008.5.1.4.43.1",
    "1.2.840.10008.5.1.4.44.1",
    "1.2.840.10008.5.1.4.45.1",
    "1.2.840.10008.5.1.4.34.7",
    "1.2.840.10008.5.1.4.34.10",
];

/// Whether the UID is a storage SOP class of the standard: everything under `1.2.840.10008.5.1.4.1.1` (PS3.4 section
/// B.5, retired classes included) and the few storage classes kept elsewhere.
pub fn is_standard_storage(abstract_syntax: &str) -> bool {
    abstract_syntax.strip_prefix("1.2.840.10008.5.1.4.1.1.").is_some_and(|rest| !rest.is_empty())
        || OTHER_STORAGE.contains(&abstract_syntax)
}

/// Whether the UID lies outside the root of the DICOM standard, so that a vendor defined it.
pub fn is_private(uid: &str) -> bool {
    !uid.is_empty() && uid != "1.2.840.10008" && !uid.starts_with("1.2.840.10008.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn storage_is_told_from_the_rest() {
        for (uid, wanted) in [
            ("1.2.840.10008.5.1.4.1.1.2", true),     // CT
            ("1.2.840.10008.5.1.4.1.1.88.33", true), // Comprehensive SR
            ("1.2.840.10008.5.1.4.1.1.66.7", true),  // Label Map Segmentation
            ("1.2.840.10008.5.1.4.43.1", true),      // Generic Implant Template
            ("1.2.840.10008.1.1", false),            // Verification
            ("1.2.840.10008.5.1.4.1.2.2.1", false),  // Study Root FIND
            ("1.2.840.10008.1.20.1", false),         // Storage Commitment
            ("1.2.840.10008.5.1.4.1.1.", false),
            ("1.2.840.10008.5.1.4.31", false), // Modality Worklist
        ] {
            assert_eq!(is_standard_storage(uid), wanted, "{uid}");
        }
        assert!(is_private("1.3.12.2.1107.5.9.1")); // Siemens CSA Non-Image
        assert!(!is_private("1.2.840.10008.5.1.4.31"));
        assert!(!is_private(""));
    }

    #[test]
    fn every_transfer_syntax_is_listed_once_and_pixels_elsewhere_are_not() {
        let distinct: BTreeSet<_> = TRANSFER_SYNTAXES.iter().collect();
        assert_eq!(distinct.len(), TRANSFER_SYNTAXES.len());
        for jpip in ["1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.7.1"] {
            assert!(!distinct.contains(&jpip));
        }
    }
}
