use hilum_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// The text is not a key of this catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key has 26 characters, digits and lower-case letters without i, l, o, u")]
pub struct InvalidKey;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 48 bits of time in milliseconds and 80 random bits, in 26 characters that sort by time; keys that this process makes
/// one after the other within one millisecond sort by the order in which they were made.
fn fresh(now: Timestamp) -> String {
    static LAST: Mutex<u128> = Mutex::new(0);
    let value = {
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        *last = value_after(*last, now, rand::random());
        *last
    };
    (0..26).rev().map(|i| char::from(ALPHABET[(value >> (i * 5)) as usize & 31])).collect()
}

/// The 128 bits of the next key: within the millisecond of the last one a random step of up to 48 bits above it. A
/// first random part has 79 bits, which leaves room for some thousand million steps.
fn value_after(last: u128, now: Timestamp, random: u128) -> u128 {
    let millis = (now.micros().max(0) / 1000) as u128 & 0xffff_ffff_ffff;
    if last >> 80 == millis { last + 1 + (random >> 80) } else { millis << 80 | random >> 49 }
}

fn is_key(raw: &str) -> bool {
    raw.len() == 26 && raw.bytes().all(|byte| ALPHABET.contains(&byte))
}

macro_rules! keys {
    ($($(#[$meta:meta])* $name:ident),* $(,)?) => {$(
        $(#[$meta])*
        ///
        /// 26 opaque characters that sort by time of creation; used in addresses and logs instead of UIDs.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        #[allow(dead_code, reason = "not every kind of key is made in this crate's non-test code")]
        impl $name {
            pub(crate) fn fresh(now: Timestamp) -> $name {
                $name(fresh(now))
            }

            /// The text of the key.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidKey;
            fn from_str(raw: &str) -> Result<Self, InvalidKey> {
                if is_key(raw) { Ok($name(raw.to_owned())) } else { Err(InvalidKey) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidKey;
            fn try_from(raw: String) -> Result<Self, InvalidKey> {
                if is_key(&raw) { Ok($name(raw)) } else { Err(InvalidKey) }
            }
        }

        impl From<$name> for String {
            fn from(key: $name) -> String {
                key.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

keys! {
    /// Names one study.
    StudyKey,
    /// Names one received version of an instance.
    InstanceKey,
    /// Names one object in quarantine.
    QuarantineKey,
    /// Names one job of the queue.
    JobKey,
    /// Names one result object.
    ResultKey,
    /// Names one delivery of one result object to one destination.
    DeliveryKey,
    /// Names one alarm.
    AlarmKey,
    /// Names one message about an alarm.
    NotificationKey,
    /// Names one question to a product.
    ProductRequestKey,
    /// Names one label, or one answer that could not become a label.
    LabelKey,
    /// Names one version of one report.
    ReportKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_time_and_parse_back() {
        let early = StudyKey::fresh(Timestamp::from_micros(1_795_425_161_000_000));
        let late = StudyKey::fresh(Timestamp::from_micros(1_795_425_161_002_000));
        assert!(early < late);
        assert_eq!(early.as_str().parse(), Ok(early.clone()));
        let (now, mut last) = (Timestamp::from_micros(1_795_425_161_000_999), 0);
        for _ in 0..100_000 {
            let next = value_after(last, now, rand::random());
            assert!(next > last && next >> 80 == 1_795_425_161_000, "{next:x} after {last:x}");
            last = next;
        }
        for raw in ["", "../../etc/passwd", "0123456789012345678901234I", "012345678901234567890123456"] {
            assert_eq!(raw.parse::<StudyKey>(), Err(InvalidKey), "{raw:?}");
        }
    }
}
