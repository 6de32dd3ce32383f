//! Records the golden cases of a demo model after training, each looked at by a person before it is committed:
//!
//! ```text
//! cargo run --release -p hilum-testkit --example golden -- models/phantom-cxr
//! ```

use hilum_infer::{EngineConfig, Engines, GoldenInput, record_golden};
use hilum_registry::Tolerance;
use hilum_testkit::{Acquisition, FindingSpec, Photometric, Subject, dx};
use hilum_types::Timestamp;
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name the package's folder")?);
    // The engine that is compiled in gives the same output wherever the cases are recorded.
    let config = EngineConfig { built_in_only: true, ..EngineConfig::default() };
    let engines = Engines::discover(&config);
    let nodule = FindingSpec::Nodule { side: None, radius_mm: Some(14.0), height: Some(0.4) };
    let effusion = FindingSpec::Effusion { side: None, level: Some(0.35) };
    let cases = [
        ("clear", "nothing placed", vec![], 90_001),
        ("nodule", "a nodule of 14 mm radius", vec![nodule], 90_002),
        ("effusion", "an effusion over a third of the lung, small values white", vec![effusion], 90_007),
    ];
    for (name, description, findings, seed) in cases {
        let at: Timestamp = "2026-11-01T08:00:00Z".parse()?;
        let mut acquisition = Acquisition::radiograph().with_matrix(192, 192);
        if name == "effusion" {
            acquisition.photometric = Photometric::Monochrome1;
        }
        let phantom = dx(seed, &Subject::seeded(seed, at), &acquisition, &findings)?;
        let images = phantom.instances.iter().map(|instance| instance.part10().to_vec()).collect();
        let output =
            record_golden(&folder, name, description, GoldenInput::Images(images), Tolerance::default(), &engines)?;
        println!("{name}: placed {:?}", phantom.truth.findings);
        for finding in &output.findings {
            let place = finding.location.as_ref().map(|location| location.bounding_box);
            println!("  {} {:?} {:?} {place:?}", finding.label, finding.presence, finding.score);
        }
        for segment in &output.segments {
            println!("  {} {:?}", segment.label, segment.measurements.iter().map(|m| m.value).collect::<Vec<_>>());
        }
    }
    Ok(())
}
