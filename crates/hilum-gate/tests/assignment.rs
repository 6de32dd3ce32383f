//! Who answers for a study while a version is limited: sticky, in proportion, and never taken back by a larger share
//! (MV-18).

use hilum_gate::{Assignment, AssignmentInput, LimitedOutcome, assign, settle};
use hilum_registry::{Deployment, DeploymentSpec};
use hilum_types::{Digest, InstanceHeader, Phi, Reason, StudyFacts, Timestamp, Uid};
use proptest::prelude::*;

fn study(number: u64, attributes: &[(&str, &str)]) -> StudyFacts {
    let uid = |text: String| text.parse::<Uid>().unwrap();
    let header = InstanceHeader {
        sop_instance_uid: uid(format!("1.2.{number}.1.1")),
        sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.1.1".into()),
        transfer_syntax_uid: uid("1.2.840.10008.1.2.1".into()),
        study_instance_uid: uid(format!("1.2.{number}")),
        series_instance_uid: uid(format!("1.2.{number}.1")),
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), Phi::new(vec![(*v).to_owned()]))).collect(),
    };
    StudyFacts::from_headers(1, vec![header]).unwrap()
}

fn limited(rollout: &str) -> Deployment {
    let text = format!("name='new'\npackage='0123456789ab'\nchampion='old'\nstate='limited'\n[rollout]\n{rollout}");
    let spec: DeploymentSpec = toml::from_str(&text).unwrap();
    let state = spec.state;
    Deployment::declared(spec, Digest::of(b"new"), state, Timestamp::from_micros(0))
}

fn ask(study: &StudyFacts, limited: &Deployment, key: u8) -> Assignment {
    assign(&AssignmentInput { study, limited, earlier: None, site_key: &[key; 32] })
}

fn of_patient(patient: &str, share: f64, key: u8) -> bool {
    ask(&study(1, &[("PatientID", patient)]), &limited(&format!("share={share}")), key).to_limited
}

#[test]
fn sites_and_stations_narrow_and_the_reason_names_the_value() {
    let at = |site: &str, station: &str, serial: &str| {
        let facts =
            [("PatientID", "P1"), ("InstitutionName", site), ("StationName", station), ("DeviceSerialNumber", serial)];
        let deployment = limited("sites=['North']\nstations=['DX1', 'SN-7']");
        let made = ask(&study(1, &facts), &deployment, 1);
        format!("{} {}", made.to_limited, made.reason)
    };
    insta::assert_snapshot!(at(" north ", "dx1", ""), @"true new answers: it is limited to  north , dx1");
    insta::assert_snapshot!(at("North", "DX9", "sn-7"), @"true new answers: it is limited to North, sn-7");
    insta::assert_snapshot!(at("South", "DX1", ""), @"false new is limited to other sites than South");
    insta::assert_snapshot!(at("North", "DX2", ""), @"false new is limited to other stations than DX2");
    insta::assert_snapshot!(at("", "DX1", ""), @"false new is limited to other sites than one that states none");
}

#[test]
fn a_patient_without_an_identifier_stays_with_the_champion() {
    for attributes in [&[][..], &[("PatientID", "")], &[("IssuerOfPatientID", "A")]] {
        let made = ask(&study(1, attributes), &limited("share=1.0"), 1);
        assert_eq!((made.to_limited, made.reason.code.as_str()), (false, "assignment.no-patient"));
    }
}

/// AV-09: a late image does not move a study from one version to the other.
#[test]
fn a_study_keeps_what_an_earlier_revision_was_given() {
    let (facts, deployment) = (study(1, &[("PatientID", "P1")]), limited("share=0.0"));
    let earlier = Assignment { to_limited: true, reason: Reason::new("assignment.limited", "new answers") };
    let mut again =
        assign(&AssignmentInput { study: &facts, limited: &deployment, earlier: Some(&earlier), site_key: &[1; 32] });
    insta::assert_snapshot!(format!("{} {} {}", again.to_limited, again.reason.code, again.reason), @"true assignment.earlier as an earlier revision of the study: new answers");
    again = assign(&AssignmentInput { study: &facts, limited: &deployment, earlier: Some(&again), site_key: &[1; 32] });
    assert_eq!(again.reason.text.matches("earlier").count(), 1);
}

#[test]
fn a_limited_version_that_does_not_answer_gives_the_study_back() {
    let given = Assignment { to_limited: true, reason: Reason::new("assignment.limited", "new answers") };
    let kept = Assignment { to_limited: false, ..given.clone() };
    let failed = LimitedOutcome::Silent("failed".into());
    insta::assert_snapshot!(settle(&given, "new", &failed).reason, @"the study was given to new, which does not answer: failed");
    assert!(!settle(&given, "new", &failed).to_limited);
    for outcome in [LimitedOutcome::Open, LimitedOutcome::Answered] {
        assert_eq!(settle(&given, "new", &outcome), given);
    }
    assert_eq!(settle(&kept, "new", &failed), kept);
    assert!(given.role(true).delivers && !given.role(false).delivers && kept.role(false).delivers);
}

/// The share that is assigned lies within the binomial error of the share that is declared: 20 000 patients, five
/// standard deviations.
#[test]
fn the_share_is_met() {
    for share in [0.01, 0.1, 0.5, 0.9] {
        let n = 20_000;
        let met = (0..n).filter(|patient| of_patient(&format!("PAT{patient}"), share, 7)).count();
        let error = (share * (1.0 - share) / f64::from(n)).sqrt();
        let found = met as f64 / f64::from(n);
        assert!((found - share).abs() < 5.0 * error, "share {share}: {found}");
    }
}

/// Two sites, and two models at one site, divide their patients independently: chi-squared of the 2 x 2 table.
#[test]
fn keys_and_families_divide_independently() {
    let n = 10_000;
    let mut table = [[0f64; 2]; 2];
    for patient in 0..n {
        let text = format!("PAT{patient}");
        let (a, b) = (of_patient(&text, 0.5, 1), of_patient(&text, 0.5, 2));
        table[usize::from(a)][usize::from(b)] += 1.0;
    }
    let expected = f64::from(n) / 4.0;
    let chi: f64 = table.iter().flatten().map(|cell| (cell - expected).powi(2) / expected).sum();
    assert!(chi < 30.0, "{table:?}");
}

proptest! {
    /// Priors and current studies of a patient fall on the same side, whatever else differs between them.
    #[test]
    fn a_patient_always_falls_on_the_same_side(
        patient in "[A-Z0-9]{1,12}", issuer in "[A-Z]{0,4}", share in 0.0f64..=1.0, key in 0u8..4, number in 1u64..1_000_000,
    ) {
        let deployment = limited(&format!("share={share:?}"));
        let first = study(1, &[("PatientID", &patient), ("IssuerOfPatientID", &issuer), ("StudyDate", "20200101")]);
        let padded = format!("{patient} ");
        let later = study(number, &[("PatientID", &padded), ("IssuerOfPatientID", &issuer), ("Modality", "CT")]);
        prop_assert_eq!(ask(&first, &deployment, key).to_limited, ask(&later, &deployment, key).to_limited);
    }

    /// A larger share only adds patients: nobody leaves.
    #[test]
    fn nobody_leaves_when_the_share_grows(patient in "[A-Z0-9]{1,12}", a in 0.0f64..=1.0, b in 0.0f64..=1.0) {
        let (small, large) = (a.min(b), a.max(b));
        prop_assert!(!of_patient(&patient, small, 3) || of_patient(&patient, large, 3));
        prop_assert!(!of_patient(&patient, 0.0, 3) && of_patient(&patient, 1.0, 3));
    }
}
