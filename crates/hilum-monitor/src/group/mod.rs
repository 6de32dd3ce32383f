//! Acquisition groups: what a scanner, its software and its protocol make alike (MV-23), and the other attributes a study
//! is cut by.

mod attributes;

pub use attributes::attributes;

use hilum_types::{Digest, InstanceHeader, attribute};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Where a study was acquired and how: a new scanner, software version or protocol is another group.
///
/// What the header does not state is empty, and "not stated" is a value like another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct AcquisitionGroup {
    /// Manufacturer (0008,0070).
    pub manufacturer: String,
    /// Manufacturer's Model Name (0008,1090).
    pub model: String,
    /// Device Serial Number (0018,1000), or Station Name (0008,1010) where there is none.
    pub device: String,
    /// Software Versions (0018,1020), all of them.
    pub software: String,
    /// Protocol Name (0018,1030).
    pub protocol: String,
    /// Convolution Kernel (0018,1210), all of them.
    pub kernel: String,
}

impl AcquisitionGroup {
    /// The group of a series, by the header of its first image.
    pub fn of(header: &InstanceHeader) -> AcquisitionGroup {
        let all = |keyword: &str| {
            let values = header.values(keyword).unwrap_or_default().iter().map(|value| tidy(value));
            values.filter(|value| !value.is_empty()).collect::<Vec<String>>().join(", ")
        };
        let serial = all(attribute::DEVICE_SERIAL_NUMBER);
        AcquisitionGroup {
            manufacturer: all(attribute::MANUFACTURER),
            model: all(attribute::MANUFACTURER_MODEL_NAME),
            device: if serial.is_empty() { all(attribute::STATION_NAME) } else { serial },
            software: all(attribute::SOFTWARE_VERSIONS),
            protocol: all(attribute::PROTOCOL_NAME),
            kernel: all(attribute::CONVOLUTION_KERNEL),
        }
    }

    /// Stable name: the first 16 hexadecimal digits of a digest over what is stated, without regard to case.
    pub fn key(&self) -> String {
        let parts = self.parts().map(|(_, value)| value.to_lowercase()).join("\n");
        Digest::of(parts.as_bytes()).to_string()[..16].to_owned()
    }

    /// What is stated, by short name.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let stated = self.parts().into_iter().filter(|(_, value)| !value.is_empty());
        stated.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn parts(&self) -> [(&'static str, &str); 6] {
        [
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
            ("device", &self.device),
            ("software", &self.software),
            ("protocol", &self.protocol),
            ("kernel", &self.kernel),
        ]
    }
}

/// `Siemens Ysio, device 4711, software VB10`: what is stated.
impl fmt::Display for AcquisitionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let maker = [self.manufacturer.as_str(), self.model.as_str()].join(" ").trim().to_owned();
        let mut parts = vec![maker];
        parts.extend(self.parts()[2..].iter().map(|(name, value)| match value.is_empty() {
            true => String::new(),
            false => format!("{name} {value}"),
        }));
        parts.retain(|part| !part.is_empty());
        match parts.as_slice() {
            [] => f.write_str("not stated"),
            parts => f.write_str(&parts.join(", ")),
        }
    }
}

/// Values differ in nothing but spaces more often than in what they mean. A value is cut at 64 characters (VR `LO`).
fn tidy(value: &str) -> String {
    let joined = value.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests;
