//! Synthetic chest radiographs and CT series with known findings, computed from geometry and a seed.

mod chest;
mod ct;
mod lateral;
pub(crate) mod plane;
mod render;

use crate::acquisition::{Acquisition, View};
use crate::draw::Draw;
use crate::finding::{FindingSpec, Mask, TrueFinding, Truth};
use crate::subject::Subject;
use chest::{Chest, Placed};
pub use ct::{CT_INTERCEPT, CtSeries, CtSlice};
use plane::Grid;

/// Stored values of a radiograph and what is in it.
#[derive(Debug, Clone)]
pub struct Radiograph {
    /// 12-bit values, row by row.
    pub stored: Vec<u16>,
    /// What was placed.
    pub truth: Truth,
}

/// The pixels of a chest radiograph; a pure function of its arguments, the same on every machine.
///
/// A lateral view shows the anatomy only: findings are not placed there and the truth lists none.
pub fn radiograph(seed: u64, subject: &Subject, acquisition: &Acquisition, findings: &[FindingSpec]) -> Radiograph {
    // The patient never stands exactly in the middle of the detector.
    let mut draw = Draw::new(seed, "position");
    let grid = Grid {
        rows: usize::from(acquisition.rows.max(16)),
        columns: usize::from(acquisition.columns.max(16)),
        spacing: acquisition.pixel_spacing_mm,
        shift_x: draw.range(-8.0, 8.0),
        shift_y: draw.range(-14.0, 6.0),
    };
    let mut truth = Truth { findings: Vec::new(), lung_masks: Vec::new(), cardiothoracic_ratio: None };
    let (attenuation, pixels) = if acquisition.view == View::LeftLateral {
        lateral::attenuation(grid, seed, subject)
    } else {
        let large_heart = findings.contains(&FindingSpec::Cardiomegaly);
        let chest = Chest::new(seed, subject, acquisition.view == View::Ap, large_heart);
        let placed = chest.place(findings);
        truth.findings = placed.iter().map(|one| true_finding(&chest, grid, one)).collect();
        truth.cardiothoracic_ratio = Some(chest.cardiothoracic_ratio());
        chest.attenuation(grid, &placed)
    };
    truth.lung_masks.push(Mask { rows: grid.rows as u16, columns: grid.columns as u16, pixels });
    Radiograph { stored: render::radiograph(&attenuation, acquisition, seed), truth }
}

fn true_finding(chest: &Chest, grid: Grid, placed: &Placed) -> TrueFinding {
    let (label, side, [left, top, right, bottom], radius_mm) = match placed {
        Placed::Nodule { sphere, side, .. } => {
            let r = sphere.a;
            ("nodule", Some(*side), [sphere.x - r, sphere.y - r, sphere.x + r, sphere.y + r], Some(r))
        }
        Placed::Effusion { lung, level, side } => ("effusion", Some(*side), chest.fluid_box(*lung, *level), None),
        Placed::Cardiomegaly => ("cardiomegaly", None, chest.heart_box(), None),
    };
    let bounding_box = grid.pixel_box(left, top, right, bottom);
    TrueFinding { label, side, instance: 0, bounding_box, radius_mm, centre_mm: None }
}
