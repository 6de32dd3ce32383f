//! Transfer syntaxes: how the elements of a data set are encoded (PS3.5 section 10, PS3.6 table A-1).

/// Byte-level encoding of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// Elements carry their value representation.
    pub explicit_vr: bool,
    /// Numbers have the most significant byte first.
    pub big_endian: bool,
}

impl Encoding {
    /// Explicit VR little endian: what this crate writes.
    pub const EXPLICIT_LITTLE: Encoding = Encoding { explicit_vr: true, big_endian: false };
    /// Implicit VR little endian: the default every peer must accept.
    pub const IMPLICIT_LITTLE: Encoding = Encoding { explicit_vr: false, big_endian: false };
    /// Explicit VR big endian, retired.
    pub const EXPLICIT_BIG: Encoding = Encoding { explicit_vr: true, big_endian: true };

    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

/// Compression of the pixel data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not compressed.
    Native,
    /// Not compressed, in fragments (`1.2.840.10008.1.2.1.98`).
    Encapsulated,
    /// RLE lossless (PS3.5 annex G).
    Rle,
    /// JPEG, ISO/IEC 10918-1: baseline, extended and lossless processes.
    Jpeg,
    /// JPEG-LS, ISO/IEC 14495-1.
    JpegLs,
    /// JPEG 2000 part 1 and high-throughput JPEG 2000 part 15.
    Jpeg2000,
    /// Each frame deflated (`1.2.840.10008.1.2.8.1`).
    DeflatedFrames,
    /// Video, JPEG XL, JPIP and whatever else is not decoded here.
    Other,
}

/// What a transfer syntax UID says about the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferSyntax {
    /// Encoding of the elements.
    pub encoding: Encoding,
    /// The whole data set is deflated.
    pub deflated: bool,
    /// Compression of the pixel data.
    pub codec: Codec,
    /// Decoded samples may differ from those that were compressed.
    pub lossy: bool,
    /// The UID is one of PS3.6.
    pub known: bool,
}

impl TransferSyntax {
    /// Look up a UID. An unknown one is explicit VR little endian by PS3.5 section 10: every later syntax is.
    pub fn of(uid: &str) -> TransferSyntax {
        let explicit = TransferSyntax {
            encoding: Encoding::EXPLICIT_LITTLE,
            deflated: false,
            codec: Codec::Native,
            lossy: false,
            known: true,
        };
        let coded = |codec, lossy| TransferSyntax { codec, lossy, ..explicit };
        let Some(suffix) = uid.strip_prefix("1.2.840.10008.1.2") else {
            // GE's private syntax: implicit VR little endian with big endian pixel data.
            let encoding =
                if uid == "1.2.840.113619.5.2" { Encoding::IMPLICIT_LITTLE } else { Encoding::EXPLICIT_LITTLE };
            return TransferSyntax { encoding, known: false, ..coded(Codec::Other, false) };
        };
        match suffix {
            "" => TransferSyntax { encoding: Encoding::IMPLICIT_LITTLE, ..explicit },
            ".1" => explicit,
            ".1.98" => coded(Codec::Encapsulated, false),
            ".1.99" => TransferSyntax { deflated: true, ..explicit },
            ".2" => TransferSyntax { encoding: Encoding::EXPLICIT_BIG, ..explicit },
            ".4.50" | ".4.51" | ".4.53" | ".4.55" => coded(Codec::Jpeg, true),
            ".4.57" | ".4.70" => coded(Codec::Jpeg, false),
            ".4.80" => coded(Codec::JpegLs, false),
            ".4.81" => coded(Codec::JpegLs, true),
            ".4.90" | ".4.92" | ".4.201" | ".4.202" => coded(Codec::Jpeg2000, false),
            ".4.91" | ".4.93" | ".4.203" => coded(Codec::Jpeg2000, true),
            ".4.95" | ".4.205" => TransferSyntax { deflated: true, ..coded(Codec::Other, true) },
            ".5" => coded(Codec::Rle, false),
            ".8.1" => coded(Codec::DeflatedFrames, false),
            _ if suffix.starts_with(".4.") || suffix.starts_with(".7.") || suffix == ".6.1" || suffix == ".6.2" => {
                coded(Codec::Other, true)
            }
            _ => TransferSyntax { known: false, ..coded(Codec::Other, false) },
        }
    }
}
