//! Small valid DICOM files, explicit VR little endian.

use hilum_dicom::part10_header;
use hilum_types::Uid;

pub(crate) const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
pub(crate) const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// What a file says.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) class: &'static str,
    pub(crate) instance: String,
    pub(crate) study: String,
    pub(crate) series: String,
    pub(crate) accession: String,
    pub(crate) description: String,
    pub(crate) modality: &'static str,
    pub(crate) patient_name: String,
    pub(crate) patient_id: String,
    pub(crate) number: u32,
    pub(crate) colour: Option<(u16, u16, Vec<u8>)>,
    pub(crate) grey: u8,
}

impl Object {
    pub(crate) fn new(study: u32, number: u32) -> Object {
        Object {
            class: DX,
            instance: format!("1.2.826.0.1.{study}.1.{number}"),
            study: format!("1.2.826.0.1.{study}"),
            series: format!("1.2.826.0.1.{study}.1"),
            accession: format!("A{study:05}"),
            description: "Chest PA".into(),
            modality: "DX",
            patient_name: "DOE^JANE".into(),
            patient_id: format!("P{study:05}"),
            number,
            colour: None,
            grey: 7,
        }
    }

    pub(crate) fn uid(&self) -> Uid {
        self.instance.parse().unwrap()
    }

    /// The Part 10 file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let mut bytes =
            part10_header(&self.class.parse().unwrap(), &self.uid(), &"1.2.840.10008.1.2.1".parse().unwrap(), None);
        let grey = (8u16, 8u16, vec![self.grey; 64]);
        let (rows, columns, pixels) = self.colour.clone().unwrap_or(grey);
        let samples: u16 = if self.colour.is_some() { 3 } else { 1 };
        let mut put = |group: u16, element: u16, vr: &[u8; 2], value: &[u8]| {
            let padding = if vr == b"UI" { 0 } else { b' ' };
            let odd = value.len() % 2;
            bytes.extend_from_slice(&group.to_le_bytes());
            bytes.extend_from_slice(&element.to_le_bytes());
            bytes.extend_from_slice(vr);
            if vr == b"OB" {
                bytes.extend_from_slice(&[0, 0]);
                bytes.extend_from_slice(&((value.len() + odd) as u32).to_le_bytes());
            } else {
                bytes.extend_from_slice(&((value.len() + odd) as u16).to_le_bytes());
            }
            bytes.extend_from_slice(value);
            bytes.extend(std::iter::repeat_n(padding, odd));
        };
        put(0x0008, 0x0005, b"CS", b"ISO_IR 192");
        put(0x0008, 0x0016, b"UI", self.class.as_bytes());
        put(0x0008, 0x0018, b"UI", self.instance.as_bytes());
        put(0x0008, 0x0020, b"DA", b"20261123");
        put(0x0008, 0x0050, b"SH", self.accession.as_bytes());
        put(0x0008, 0x0060, b"CS", self.modality.as_bytes());
        put(0x0008, 0x0070, b"LO", b"Phantom Works");
        put(0x0008, 0x1030, b"LO", self.description.as_bytes());
        put(0x0008, 0x103E, b"LO", b"PA erect");
        put(0x0010, 0x0010, b"PN", self.patient_name.as_bytes());
        put(0x0010, 0x0020, b"LO", self.patient_id.as_bytes());
        put(0x0010, 0x0030, b"DA", b"19611204");
        put(0x0010, 0x0040, b"CS", b"F");
        put(0x0018, 0x0015, b"CS", b"CHEST");
        put(0x0020, 0x000D, b"UI", self.study.as_bytes());
        put(0x0020, 0x000E, b"UI", self.series.as_bytes());
        put(0x0020, 0x0011, b"IS", b"1");
        put(0x0020, 0x0013, b"IS", self.number.to_string().as_bytes());
        put(0x0028, 0x0002, b"US", &samples.to_le_bytes());
        put(0x0028, 0x0004, b"CS", if samples == 3 { b"RGB" } else { b"MONOCHROME2" });
        if samples == 3 {
            put(0x0028, 0x0006, b"US", &0u16.to_le_bytes());
        }
        put(0x0028, 0x0010, b"US", &rows.to_le_bytes());
        put(0x0028, 0x0011, b"US", &columns.to_le_bytes());
        put(0x0028, 0x0100, b"US", &8u16.to_le_bytes());
        put(0x0028, 0x0101, b"US", &8u16.to_le_bytes());
        put(0x0028, 0x0102, b"US", &7u16.to_le_bytes());
        put(0x0028, 0x0103, b"US", &0u16.to_le_bytes());
        put(0x7FE0, 0x0010, b"OB", &pixels);
        bytes
    }
}
