//! What the images themselves say of how they were made: measured while they are prepared, for the acquisition envelope.

use crate::InstanceInput;
use crate::prepare::{Frame, Opened, Placement};
use hilum_dicom::lut::ModalityLut;
use hilum_monitor::image::{Samples, SeriesFeatures, SeriesGeometry, SeriesSummary, measure};
use hilum_registry::Manifest;
use hilum_registry::manifest::ImageChoice;
use hilum_types::attribute;
use std::borrow::Cow;
use std::time::{Duration, Instant};

/// Collects what is measured of the images of one run.
pub(crate) struct Measuring {
    summary: SeriesSummary,
    taken: usize,
    n_images: usize,
    geometry: Option<SeriesGeometry>,
    time: Duration,
}

impl Measuring {
    fn new(n_images: usize, geometry: Option<SeriesGeometry>) -> Measuring {
        Measuring { summary: SeriesSummary::default(), taken: 0, n_images, geometry, time: Duration::ZERO }
    }

    /// For the frames of these objects, which are the slices of a volume.
    pub(crate) fn of_volume(series: &[Opened<'_>]) -> Measuring {
        let frames = series.iter().map(|opened| opened.frames() as usize).sum();
        Measuring::new(frames, geometry(series))
    }

    /// For single images: the first one, or each.
    pub(crate) fn of_images(instances: &[InstanceInput], each: bool) -> Measuring {
        let frames = instances.iter().map(|instance| instance.header.frames() as usize).sum();
        Measuring::new(if each { frames } else { 1 }, None)
    }

    /// Take the next frame. One that cannot be measured is left out; the envelope then misses what it should have.
    pub(crate) fn take(&mut self, frame: &Frame) {
        let index = self.taken;
        self.taken += 1;
        if !SeriesSummary::takes(index, self.n_images) {
            return;
        }
        let begun = Instant::now();
        match of_frame(frame) {
            Ok(image) => self.summary.add(image),
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "an image is not measured"),
        }
        self.time += begun.elapsed();
    }

    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    pub(crate) fn finish(self) -> SeriesFeatures {
        // What a header says of its frames may be wrong; what came is what counts.
        let n_images = if self.n_images <= 1 { 1 } else { self.taken };
        self.summary.finish(n_images, self.geometry)
    }
}

/// Measure one decoded frame in modality values as they are displayed. Colour is measured by its luma (ITU-R BT.601).
fn of_frame(frame: &Frame) -> Result<hilum_monitor::image::ImageFeatures, hilum_monitor::image::ImageError> {
    let (mut values, mut rescale) = (Cow::Borrowed(frame.values.as_slice()), [1.0, 0.0]);
    if frame.channels == 3 {
        let luma = |rgb: &[f32]| 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        values = Cow::Owned(frame.values.chunks_exact(3).map(luma).collect());
    } else {
        match &frame.modality {
            ModalityLut::Identity => {}
            ModalityLut::Rescale { slope, intercept } => rescale = [*slope, *intercept],
            table => table.apply(values.to_mut()),
        }
    }
    if frame.monochrome1 {
        // Turned round within what can be stored, as it is displayed.
        let [slope, intercept] = rescale;
        let ends = frame.range[0] + frame.range[1];
        rescale = match &frame.modality {
            ModalityLut::Table(table) => [-1.0, 2f64.powi(table.bits.clamp(1, 16).into()) - 1.0],
            _ => [-slope, slope * ends + intercept],
        };
    }
    let (rows, columns, spacing_mm) = (frame.rows, frame.columns, frame.slice.spacing_mm);
    measure(&Samples { values: &values, rows, columns, spacing_mm, rescale })
}

/// Places of the slices along the normal of the first; `None` when one does not state its place.
fn geometry(series: &[Opened<'_>]) -> Option<SeriesGeometry> {
    let placed = series.iter().flat_map(|opened| (0..opened.frames()).map(|frame| opened.placement(frame)));
    let placed: Vec<Placement> = placed.collect::<Option<_>>()?;
    let first = placed.first()?;
    let (a, b) = (first.along_row, first.along_column);
    let normal = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let along = |place: &Placement| (0..3).map(|axis| normal[axis] * place.position[axis]).sum();
    SeriesGeometry::of(placed.iter().map(along).collect())
}

/// Measure the images of one series without running anything, the same images and in the same way as a run of this package
/// measures them; of a product that reads the series itself, every image.
///
/// `instances` are in the order of their instance numbers. Empty when no image can be read or measured: what a product may
/// read is for the product to say.
pub fn measure_series(manifest: &Manifest, instances: &[InstanceInput]) -> SeriesFeatures {
    let opened: Vec<Opened<'_>> = instances.iter().filter_map(|instance| Opened::new(instance).ok()).collect();
    let first_only = !manifest.inputs.is_empty()
        && !manifest.is_volume()
        && manifest.inputs.iter().all(|input| input.images != ImageChoice::Each);
    let stacked = manifest.is_volume() || is_stack(instances);
    let mut measuring = match (first_only, stacked) {
        (true, _) => Measuring::of_images(instances, false),
        (false, true) => Measuring::of_volume(&opened),
        (false, false) => Measuring::of_images(instances, true),
    };
    'series: for opened in &opened {
        for index in 0..opened.frames() {
            // Frames that are not measured need not be decoded either.
            if !SeriesSummary::takes(measuring.taken, measuring.n_images) {
                measuring.taken += 1;
                continue;
            }
            match opened.frame(index) {
                Ok(frame) => measuring.take(&frame),
                Err(_) => measuring.taken += 1,
            }
            if first_only {
                break 'series;
            }
        }
    }
    measuring.finish()
}

/// Cross-sectional modalities, whose slices lie one behind the other.
fn is_stack(instances: &[InstanceInput]) -> bool {
    let modality = instances.first().and_then(|instance| instance.header.text(attribute::MODALITY));
    matches!(modality, Some("CT" | "MR" | "PT" | "NM")) && 1 < instances.len()
}
