//! How an image is taken: the knobs with which a scanner change is injected.

/// Projection of a radiograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// Postero-anterior, standing.
    Pa,
    /// Antero-posterior, lying: larger heart, less air, clavicles over the apices.
    Ap,
    /// Left lateral.
    LeftLateral,
}

impl View {
    /// View Position (0018,5101).
    pub fn view_position(self) -> &'static str {
        match self {
            View::Pa => "PA",
            View::Ap => "AP",
            View::LeftLateral => "LL",
        }
    }
}

/// Storage class of a radiograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Radiography {
    /// Digital X-Ray Image Storage - For Presentation.
    Dx,
    /// Computed Radiography Image Storage.
    Cr,
}

/// Photometric Interpretation (0028,0004) of a radiograph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Photometric {
    /// Small values are white.
    Monochrome1,
    /// Small values are black.
    Monochrome2,
}

/// Reconstruction kernel of a CT series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Little noise, soft edges.
    Soft,
    /// Between the two.
    Standard,
    /// Noisy, with enhanced edges.
    Lung,
}

impl Kernel {
    /// Convolution Kernel (0018,1210).
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Soft => "SOFT",
            Kernel::Standard => "STANDARD",
            Kernel::Lung => "LUNG",
        }
    }
}

/// The machine, its settings and its site. Anatomy does not depend on it, so the same seed gives the same patient on
/// another scanner.
#[derive(Debug, Clone, PartialEq)]
pub struct Acquisition {
    /// Projection of a radiograph.
    pub view: View,
    /// Storage class of a radiograph.
    pub radiography: Radiography,
    /// Photometric interpretation of a radiograph.
    pub photometric: Photometric,
    /// Rows of an image.
    pub rows: u16,
    /// Columns of an image.
    pub columns: u16,
    /// Distance of pixel centres in mm, at the detector for radiographs.
    pub pixel_spacing_mm: f64,
    /// Factor on the noise of the detector; 1 is usual.
    pub noise: f64,
    /// Edge enhancement of a radiograph; 1 is usual, 0 leaves the blur of the detector.
    pub sharpness: f64,
    /// Factor on the dose; noise falls with its square root.
    pub exposure: f64,
    /// Slope of the tone curve of a radiograph; 1 is usual, more gives whiter bones and blacker lungs.
    pub contrast: f64,
    /// Part of the grey scale that a radiograph takes up, around its middle; 1 is usual, less makes everything greyer.
    pub gain: f64,
    /// Reconstruction kernel of CT.
    pub kernel: Kernel,
    /// Images of a CT series.
    pub slices: u16,
    /// Slice thickness of CT in mm.
    pub slice_thickness_mm: f64,
    /// Distance of neighbouring slices of CT in mm.
    pub slice_spacing_mm: f64,
    /// Tube voltage in kV.
    pub kvp: f64,
    /// Manufacturer (0008,0070).
    pub vendor: String,
    /// Manufacturer's Model Name (0008,1090).
    pub model: String,
    /// Device Serial Number (0018,1000).
    pub serial: String,
    /// Software Versions (0018,1020).
    pub software: String,
    /// Institution Name (0008,0080).
    pub institution: String,
    /// Station Name (0008,1010).
    pub station: String,
    /// Protocol Name (0018,1030).
    pub protocol: String,
    /// Whether Synthetic Data (0008,001C) and Quality Control Image (0028,0300), which is for phantoms, are `YES`.
    /// Clear it only to play a clinical study.
    pub synthetic_mark: bool,
}

impl Acquisition {
    /// A standing chest radiograph, 512 by 512 pixels of 0.72 mm.
    pub fn radiograph() -> Acquisition {
        Acquisition {
            view: View::Pa,
            radiography: Radiography::Dx,
            photometric: Photometric::Monochrome2,
            rows: 512,
            columns: 512,
            pixel_spacing_mm: 0.72,
            noise: 1.0,
            sharpness: 1.0,
            exposure: 1.0,
            contrast: 1.0,
            gain: 1.0,
            kernel: Kernel::Standard,
            slices: 1,
            slice_thickness_mm: 1.0,
            slice_spacing_mm: 1.0,
            kvp: 125.0,
            vendor: "Northlight Imaging".into(),
            model: "Clarity 200".into(),
            serial: "NL-20417".into(),
            software: "3.2.1".into(),
            institution: "Harbour General Hospital".into(),
            station: "DXROOM1".into(),
            protocol: "Chest PA".into(),
            synthetic_mark: true,
        }
    }

    /// A radiograph of the same site as [`Acquisition::radiograph`] on another maker's machine: computed radiography,
    /// small values white, softer, noisier and flatter.
    pub fn radiograph_other_vendor() -> Acquisition {
        Acquisition {
            radiography: Radiography::Cr,
            photometric: Photometric::Monochrome1,
            noise: 1.5,
            sharpness: 0.3,
            contrast: 0.85,
            kvp: 110.0,
            vendor: "Kestrel Medical".into(),
            model: "Plate 7".into(),
            serial: "K7-00913".into(),
            software: "V11B".into(),
            station: "CRROOM2".into(),
            ..Acquisition::radiograph()
        }
    }

    /// The same machine after an update of its software: it takes noise and edges out of the images and leaves headroom in
    /// the grey scale, so that soft shadows stand out less. Everything else stays.
    #[must_use]
    pub fn updated(mut self) -> Acquisition {
        self.noise *= 0.5;
        self.sharpness *= 0.5;
        self.gain *= 0.6;
        self.software = "4.0.0".into();
        self
    }

    /// A bedside radiograph taken from the front.
    pub fn radiograph_bedside() -> Acquisition {
        Acquisition {
            view: View::Ap,
            noise: 1.6,
            kvp: 90.0,
            model: "Rover 30".into(),
            serial: "NL-30112".into(),
            station: "DXMOBILE".into(),
            protocol: "Chest AP bedside".into(),
            ..Acquisition::radiograph()
        }
    }

    /// A chest CT of 64 slices of 5 mm, 512 by 512 pixels.
    pub fn chest_ct() -> Acquisition {
        Acquisition {
            pixel_spacing_mm: 0.74,
            slices: 64,
            slice_thickness_mm: 5.0,
            slice_spacing_mm: 5.0,
            kvp: 120.0,
            model: "Orbit 64".into(),
            serial: "NL-64077".into(),
            software: "syn 8.0".into(),
            station: "CT1".into(),
            protocol: "Chest routine".into(),
            ..Acquisition::radiograph()
        }
    }

    /// The same field of view on another matrix.
    #[must_use]
    pub fn with_matrix(mut self, rows: u16, columns: u16) -> Acquisition {
        self.pixel_spacing_mm *= f64::from(self.columns) / f64::from(columns.max(1));
        self.rows = rows;
        self.columns = columns;
        self
    }

    /// The same length of patient in another number of CT slices, contiguous.
    #[must_use]
    pub fn with_slices(mut self, slices: u16) -> Acquisition {
        self.slice_spacing_mm *= f64::from(self.slices) / f64::from(slices.max(1));
        self.slice_thickness_mm = self.slice_spacing_mm;
        self.slices = slices;
        self
    }
}
