//! The first morning: what comes that a model is not for, what comes late or twice, an archive that is busy, a person who stops a
//! model.

use super::report::Outcomes;
use super::scenario::{DemoStudy, Morning, UPDATED};
use super::setup::SEGMENTER;
use super::{House, SEED, date};
use anyhow::Result;
use hilum_testkit::SimulatedModality;
use hilum_types::Clock;
use std::sync::Arc;

/// Send, wait, say how each kind of study ended.
pub(crate) async fn play(house: &House, outcomes: &mut Outcomes) -> Result<()> {
    house.clock.forward_to(house.at(0, 7));
    let morning = Morning::new(SEED, house.clock.now());
    let studies = morning.studies()?;
    println!("\n{}  first morning: {} studies by C-STORE", date(house.clock.now()), studies.len());
    send(house, &studies, outcomes).await?;
    house.clock.forward_to(house.at(0, 12));
    let reason = "demonstration of the stop: outlines too wide since this morning";
    house.running.catalog.deployment_suspend(SEGMENTER, "Dr Demo", reason, house.clock.now()).await?;
    println!("  noon     Dr Demo suspends {SEGMENTER}: {reason}");
    send(house, &morning.after_the_stop()?, outcomes).await
}

async fn send(house: &House, studies: &[DemoStudy], outcomes: &mut Outcomes) -> Result<()> {
    let modality = SimulatedModality::new(UPDATED.parse()?, "HILUM".parse()?, house.running.dimse_address());
    for study in studies {
        for part in &study.parts {
            outcomes.sent(&modality.send(Arc::<[_]>::from(part.clone())).await);
        }
    }
    let all = |revision| studies.iter().map(move |study| (study.study_instance_uid.clone(), revision));
    house.ended(&all(1).collect::<Vec<_>>()).await?;
    // A study whose last part comes late was complete before; the late part makes another revision of it.
    let late: Vec<&DemoStudy> = studies.iter().filter(|study| !study.late_part.is_empty()).collect();
    for study in &late {
        outcomes.sent(&modality.send(Arc::<[_]>::from(study.late_part.clone())).await);
    }
    let late: Vec<_> = late.iter().map(|study| (study.study_instance_uid.clone(), 2)).collect();
    if !late.is_empty() {
        house.ended(&late).await?;
    }
    outcomes.ended(house, studies).await
}
