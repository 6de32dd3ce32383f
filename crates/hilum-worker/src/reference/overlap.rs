use super::ReferenceError;
use hilum_sign::RecordKind;
use hilum_store::governance::{CaseFingerprint, Overlap, RecordFilter, SetRole};
use hilum_store::{Catalog, StoreError};
use hilum_validate::CaseList;
use std::collections::BTreeSet;

/// What the cases of a list are compared by.
pub fn fingerprints(list: &CaseList) -> Vec<CaseFingerprint> {
    let one = |case: &hilum_validate::ListedCase| CaseFingerprint {
        case_id: case.id.clone(),
        patient: case.patient,
        pixels: case.instances.iter().map(|instance| instance.pixels).collect(),
    };
    list.cases.iter().map(one).collect()
}

/// Refuse to run a model on cases that share a patient or an image with what its family was trained on (MV-11).
///
/// # Errors
/// [`ReferenceError::Overlap`] naming every pair of cases.
pub async fn refuse_overlap(catalog: &dyn Catalog, list: &CaseList, model: &str) -> Result<(), ReferenceError> {
    let found = catalog.fingerprints_overlap(&fingerprints(list), SetRole::Training, model).await?;
    if found.is_empty() {
        return Ok(());
    }
    Err(ReferenceError::Overlap {
        what: format!("the run of {model} on {:?} is", list.name),
        with: format!("what {model} was trained on"),
        cases: lines(&found),
        remedy: "a model is not proven by cases it has seen: import the reference set again without them".to_owned(),
    })
}

/// Overlap of a training list with any reference set.
pub(super) async fn with_reference_sets(
    catalog: &dyn Catalog,
    cases: &[CaseFingerprint],
) -> Result<Vec<Overlap>, StoreError> {
    catalog.fingerprints_overlap(cases, SetRole::Reference, "").await
}

/// For every model family whose training is known: how many of these cases it has seen.
pub(super) async fn seen_by(
    catalog: &dyn Catalog,
    cases: &[CaseFingerprint],
) -> Result<Vec<(String, usize)>, StoreError> {
    let filter = RecordFilter { kind: Some(RecordKind::TrainingSet), ..RecordFilter::default() };
    let models: BTreeSet<String> =
        catalog.record_list(&filter, u32::MAX >> 1).await?.into_iter().map(|record| record.subject).collect();
    let mut seen = Vec::new();
    for model in models {
        let found = catalog.fingerprints_overlap(cases, SetRole::Training, &model).await?;
        let shared: BTreeSet<&str> = found.iter().map(|overlap| overlap.case_id.as_str()).collect();
        if !shared.is_empty() {
            seen.push((model, shared.len()));
        }
    }
    Ok(seen)
}

/// One line for each pair of cases: ours, theirs, and what they share. `found` has the lines of a pair side by side.
pub(super) fn lines(found: &[Overlap]) -> Vec<String> {
    let pairs = found
        .chunk_by(|a, b| (a.other_set, &a.case_id, &a.other_case_id) == (b.other_set, &b.case_id, &b.other_case_id));
    let line = |pair: &[Overlap]| {
        let what = |overlap: &Overlap| if overlap.by == "pixels" { "the same image" } else { "the same patient" };
        let shared = pair.iter().map(what).collect::<Vec<_>>().join(", ");
        let Overlap { case_id, other_set, other_case_id, .. } = &pair[0];
        format!("{case_id} and {other_case_id} of list {}: {shared}", other_set.short())
    };
    pairs.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_types::Digest;

    #[test]
    fn a_pair_of_cases_is_one_line() {
        let overlap = |case: &str, by: &str| Overlap {
            case_id: case.into(),
            other_set: Digest::of(b"set"),
            other_case_id: "r".into(),
            by: by.into(),
        };
        let found = [overlap("a", "patient"), overlap("a", "pixels"), overlap("b", "pixels")];
        let set = Digest::of(b"set").short();
        let expected = [
            format!("a and r of list {set}: the same patient, the same image"),
            format!("b and r of list {set}: the same image"),
        ];
        assert_eq!((lines(&found), lines(&[])), (expected.to_vec(), vec![]));
    }
}
