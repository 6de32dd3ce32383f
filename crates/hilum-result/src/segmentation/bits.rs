//! Packing of masks into 1-bit pixels.

/// Bits of all frames one after another, the first pixel in the lowest bit and no padding between frames
/// (PS3.5 section 8.1.1 and annex D, Figure D-2; PS3.3 section C.8.20.2.1).
#[derive(Debug, Default)]
pub(super) struct BitPacker {
    bytes: Vec<u8>,
    /// Bits already used in the last byte; 0 when it is full or there is none.
    used: u32,
}

impl BitPacker {
    pub(super) fn with_capacity(n_bits: usize) -> BitPacker {
        BitPacker { bytes: Vec::with_capacity(n_bits.div_ceil(8) + 1), used: 0 }
    }

    /// Append one frame; every value other than 0 is a set bit.
    pub(super) fn append(&mut self, pixels: &[u8]) {
        let to_boundary = if self.used == 0 { 0 } else { (8 - self.used) as usize };
        let (head, rest) = pixels.split_at(to_boundary.min(pixels.len()));
        head.iter().for_each(|pixel| self.push(*pixel));
        let mut eights = rest.chunks_exact(8);
        self.bytes.extend(eights.by_ref().map(|eight| pack(eight.try_into().expect("chunks_exact gives 8"))));
        eights.remainder().iter().for_each(|pixel| self.push(*pixel));
    }

    fn push(&mut self, pixel: u8) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        let last = self.bytes.len() - 1;
        self.bytes[last] |= u8::from(pixel != 0) << self.used;
        self.used = (self.used + 1) % 8;
    }

    /// The packed bytes, padded to an even length (PS3.5 section 8.1.1).
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.bytes.len() % 2 == 1 {
            self.bytes.push(0);
        }
        self.bytes
    }
}

/// Eight pixels into one byte, the first into the lowest bit.
fn pack(eight: [u8; 8]) -> u8 {
    let word = u64::from_le_bytes(eight);
    // One in each byte that is not 0, without a carry into its neighbour.
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let set = ((word & LOW).wrapping_add(LOW) | word) >> 7 & 0x0101_0101_0101_0101;
    // The factor moves bit 8 i to bit 56 + i; the partial products never meet.
    (set.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// Whether no pixel is set.
pub(crate) fn is_empty(pixels: &[u8]) -> bool {
    // OR over a block first: the compiler turns that into wide instructions, and a mask seldom ends early.
    !pixels.chunks(4096).any(|block| block.iter().fold(0, |any, pixel| any | pixel) != 0)
}

/// Number of set pixels.
pub(crate) fn count(pixels: &[u8]) -> u64 {
    // A byte counts to 255, so blocks of that size need no wider sum inside.
    let block = |block: &[u8]| u64::from(block.iter().fold(0u8, |n, pixel| n.wrapping_add(u8::from(*pixel != 0))));
    pixels.chunks(255).map(block).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slowly(frames: &[Vec<u8>]) -> Vec<u8> {
        let bits: Vec<bool> = frames.iter().flatten().map(|pixel| *pixel != 0).collect();
        let mut bytes: Vec<u8> =
            bits.chunks(8).map(|bits| bits.iter().enumerate().map(|(i, b)| u8::from(*b) << i).sum()).collect();
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        bytes
    }

    proptest! {
        #[test]
        fn packing_equals_the_slow_way(frames in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..70), 0..6)) {
            let mut packer = BitPacker::default();
            frames.iter().for_each(|frame| packer.append(frame));
            prop_assert_eq!(packer.finish(), slowly(&frames));
        }

        #[test]
        fn empty_means_no_pixel_set(at in 0usize..9000, n in 1usize..9000) {
            let mut pixels = vec![0u8; n];
            prop_assert!(is_empty(&pixels) && count(&pixels) == 0);
            pixels[at % n] = 1;
            prop_assert!(!is_empty(&pixels) && count(&pixels) == 1);
            pixels.fill(200);
            prop_assert_eq!(count(&pixels), n as u64);
        }
    }
}
