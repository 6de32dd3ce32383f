/// Where random identifiers come from. Core code is handed one, so that tests and replays draw the same values.
pub trait Entropy: Send + Sync {
    /// 128 fresh bits.
    fn next_u128(&self) -> u128;
}
