//! Data in, text out: what the gate says of a study (MV-02, MV-03, MV-05, MV-09).

use hilum_gate::{
    AcquisitionFacts, EnvelopeFacts, EvidenceFacts, GateDecision, GateInput, GroupFacts, PackageFacts, ReviewFacts,
    Role, RolloutFacts, Stage, StepName, Verdict, decide, unavailable,
};
use hilum_registry::{Acceptance, Deployment, DeploymentSpec, DeploymentState, IntendedUse, Suspension};
use hilum_types::{Digest, InstanceHeader, Phi, Reason, StudyFacts, Timestamp, Uid};
use proptest::prelude::*;

const COMPLETE: i64 = 1_795_425_161_000_000;

fn study(series: &[&[(&str, &str)]]) -> StudyFacts {
    let uid = |text: String| text.parse::<Uid>().unwrap();
    let headers = series.iter().enumerate().map(|(n, attributes)| InstanceHeader {
        sop_instance_uid: uid(format!("1.2.3.{n}.1")),
        sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.2".into()),
        transfer_syntax_uid: uid("1.2.840.10008.1.2.1".into()),
        study_instance_uid: uid("1.2.3".into()),
        series_instance_uid: uid(format!("1.2.3.{n}")),
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), Phi::new(vec![(*v).to_owned()]))).collect(),
    });
    StudyFacts::from_headers(1, headers.collect()).unwrap()
}

fn deployment(toml_text: &str) -> Deployment {
    let spec: DeploymentSpec = toml::from_str(&format!("name='ct'\npackage='0123456789ab'\n{toml_text}")).unwrap();
    let state = spec.state;
    Deployment::declared(spec, Digest::of(b"package"), state, Timestamp::from_micros(0))
}

fn package(toml_text: &str) -> PackageFacts {
    PackageFacts {
        title: "CT 1.0".into(),
        intended_use: toml::from_str::<IntendedUse>(toml_text).unwrap(),
        usable_until: None,
        usable_until_of: "package".into(),
        can_be_marked: true,
    }
}

fn ask(study: &StudyFacts, deployment: &Deployment, package: &PackageFacts, seconds: i64) -> GateDecision {
    let all: Vec<usize> = (0..study.series.len()).collect();
    decide(&GateInput {
        study,
        deployment,
        package,
        candidates: Ok(&all),
        completed_at: Timestamp::from_micros(COMPLETE),
        stage: Stage::BeforeInference,
        now: Timestamp::from_micros(COMPLETE).plus_seconds(seconds),
        rollout: RolloutFacts::default(),
        evidence: None,
        review: None,
        acquisition: AcquisitionFacts::default(),
    })
}

fn say(study: &StudyFacts, deployment: &Deployment, package: &PackageFacts, seconds: i64) -> String {
    ask(study, deployment, package, seconds).sentence()
}

#[test]
fn a_covered_study_runs_and_every_step_says_what_it_found() {
    let ct = study(&[&[("Modality", "CT"), ("SliceThickness", "1.25")]]);
    let made = ask(&ct, &deployment("state='active'"), &package("modality=['CT']\nslice_thickness_mm_max=2.5"), 1);
    let steps: String = made.steps.iter().map(|s| format!("{:?} {:?}: {}\n", s.step, s.outcome, s.reason)).collect();
    insta::assert_snapshot!(made.sentence() + "\n" + &steps, @r"
    run ct
    InDate Passed: package and deployment are in date
    State Passed: the deployment is active
    Suspension Passed: no suspension is in force
    Acceptance Passed: for research: no acceptance stands behind it, its results are marked so
    Series Passed: 1 of 1 series are of the kind the model reads
    IntendedUse Passed: modality is CT
    IntendedUse Passed: slice thickness is 1.25 mm
    Turnaround Passed: the result still comes in time
    ReadingMode Passed: results are delivered
    ");
}

/// MV-06: silence for the declared window withholds, at both stages; in the first window, and in shadow, it does not.
#[test]
fn silence_is_not_health() {
    let ct = study(&[&[("Modality", "CT")]]);
    let rule = "[monitoring.evidence]\nwindow_days=30\nn_min=5\n";
    let day = |n: i64| Timestamp::from_micros(COMPLETE).plus_seconds(n * 86_400);
    let say = |declared: &str, n: u64, newest: Option<i64>, now: i64, stage: Stage| {
        let facts = EvidenceFacts { since: day(0), n, newest_at: newest.map(day) };
        let made = decide(&GateInput {
            study: &ct,
            deployment: &deployment(declared),
            package: &package(""),
            candidates: Ok(&[0]),
            completed_at: day(now),
            stage,
            now: day(now),
            rollout: RolloutFacts::default(),
            evidence: Some(facts),
            review: None,
            acquisition: AcquisitionFacts::default(),
        });
        let step = made.steps.iter().find(|step| step.step == StepName::Evidence);
        format!("{}: {}", made.verdict.name(), step.map_or("no step", |step| step.reason.text.as_str()))
    };
    let active = format!("state='active'\n{rule}");
    for stage in [Stage::BeforeInference, Stage::BeforeRelease] {
        assert!(say(&active, 0, None, 30, stage).starts_with("withheld"));
    }
    let stage = Stage::BeforeInference;
    insta::assert_snapshot!(say(&active, 0, None, 29, stage), @"run: 0 labelled findings of the 5 that are needed until 2026-12-23, 30 days after it came into use");
    insta::assert_snapshot!(say(&active, 0, None, 30, stage), @"withheld: no labelled finding of the last 30 days says that ct performs as expected; silence is not health");
    insta::assert_snapshot!(say(&active, 3, Some(12), 40, stage), @"withheld: only 3 labelled findings of the last 30 days say how ct performs, 5 are needed; the newest is of 2026-12-05");
    insta::assert_snapshot!(say(&active, 5, Some(12), 40, stage), @"run: 5 labelled findings of the last 30 days, at least 5 are needed");
    insta::assert_snapshot!(say(&format!("state='shadow'\n{rule}"), 0, None, 90, stage), @"run: results stay inside, so that the 0 labelled findings of 5 can become enough");
    assert!(say(&format!("{active}when_stale='alarm'"), 0, None, 90, stage).starts_with("run: no labelled finding"));
    assert_eq!(say("state='active'", 0, None, 90, stage), "run: no step");
}

#[test]
fn reasons_name_the_value_that_decided() {
    let active = deployment("state='active'");
    let takes = package("modality=['CT']\nslice_thickness_mm_max=2.5");
    let thick = study(&[&[("Modality", "CT"), ("SliceThickness", "5")]]);
    insta::assert_snapshot!(say(&thick, &active, &takes, 1), @"skip ct: slice thickness is 5 mm, the model takes at most 2.5 mm");
    let silent = study(&[&[("Modality", "CT")]]);
    insta::assert_snapshot!(say(&silent, &active, &takes, 1), @"skip ct: slice thickness is not stated in the images, the model takes at most 2.5 mm");
    insta::assert_snapshot!(say(&silent, &deployment("state='active'\nundetermined='run'"), &takes, 1), @"run ct");
    insta::assert_snapshot!(say(&silent, &deployment("state='shadow'"), &package(""), 1), @"run ct in shadow");
    insta::assert_snapshot!(say(&silent, &deployment("state='draft'"), &package(""), 1), @"withhold ct: the deployment is draft, so it sees no study");
    insta::assert_snapshot!(say(&silent, &deployment("state='active'\nexpires_after_seconds=60"), &package(""), 61), @"too late for ct: 61 s after the study was complete, results expire after 60 s");
    insta::assert_snapshot!(say(&silent, &deployment("state='active'\nvalid_until='2026-01-01T00:00:00Z'"), &package(""), 1), @"withhold ct: the deployment is out of date since 2026-01-01");
    let narrowed = deployment("state='active'\nintended_use={sex=['F']}");
    let man = study(&[&[("Modality", "CT"), ("PatientSex", "M")]]);
    insta::assert_snapshot!(say(&man, &narrowed, &package(""), 1), @"skip ct: sex is M, the model takes F");
}

#[test]
fn the_series_that_fits_is_chosen() {
    let two = study(&[&[("SliceThickness", "5")], &[("SliceThickness", "1")]]);
    let made = ask(&two, &deployment("state='active'"), &package("slice_thickness_mm_max=2.5"), 1);
    let Verdict::Run { series_instance_uid, .. } = made.verdict else { panic!("{}", made.sentence()) };
    assert_eq!(series_instance_uid.as_str(), "1.2.3.1");
}

#[test]
fn a_suspension_stops_the_very_next_study() {
    let mut stopped = deployment("state='active'");
    stopped.state = DeploymentState::Suspended;
    let ct = study(&[&[("Modality", "CT")]]);
    insta::assert_snapshot!(say(&ct, &stopped, &package(""), 1), @"withhold ct: ct is suspended");
    stopped.suspension = Some(Suspension {
        since: Timestamp::from_micros(COMPLETE),
        by: "Dr Sontag".into(),
        reason: "overcalls since the update".into(),
        resume_to: DeploymentState::Active,
    });
    insta::assert_snapshot!(say(&ct, &stopped, &package(""), 1), @"withhold ct: ct was suspended by Dr Sontag: overcalls since the update");
}

/// MV-01, MV-06: where that is declared, figures that nobody looks at withhold, at both stages; in the first period, and in
/// shadow, they do not, and where only people are told there is no step.
#[test]
fn an_overdue_review_withholds_where_that_is_declared() {
    let ct = study(&[&[("Modality", "CT")]]);
    let day = |n: i64| Timestamp::from_micros(COMPLETE).plus_seconds(n * 86_400);
    let say = |declared: &str, facts: Option<ReviewFacts>, now: i64, stage: Stage| {
        let made = decide(&GateInput {
            study: &ct,
            deployment: &deployment(declared),
            package: &package(""),
            candidates: Ok(&[0]),
            completed_at: day(now),
            stage,
            now: day(now),
            rollout: RolloutFacts::default(),
            evidence: None,
            review: facts,
            acquisition: AcquisitionFacts::default(),
        });
        let step = made.steps.iter().find(|step| step.step == StepName::Review);
        format!("{}: {}", made.verdict.name(), step.map_or("no step", |step| step.reason.text.as_str()))
    };
    let plan = "[monitoring]\nreviewed_by='medical physics'\nreview_days=30\non_overdue='suspend'\n";
    let active = format!("state='active'\n{plan}");
    let facts = |reviewed: Option<i64>| Some(ReviewFacts { since: day(0), reviewed_at: reviewed.map(day) });
    let (before, release) = (Stage::BeforeInference, Stage::BeforeRelease);
    insta::assert_snapshot!(say(&active, facts(None), 29, before), @"run: nobody has reviewed the figures yet; the next review is due by 2026-12-23");
    insta::assert_snapshot!(say(&active, facts(None), 30, before), @"withheld: nobody has reviewed the figures yet; a look every 30 days by medical physics is agreed, and overdue since 2026-12-23");
    assert!(say(&active, facts(None), 30, release).starts_with("withheld"));
    insta::assert_snapshot!(say(&active, facts(Some(29)), 58, before), @"run: the figures were last reviewed on 2026-12-22; the next review is due by 2027-01-21");
    insta::assert_snapshot!(say(&active, facts(Some(29)), 59, release), @"withheld: the figures were last reviewed on 2026-12-22; a look every 30 days by medical physics is agreed, and overdue since 2027-01-21");
    // What was reviewed of the version before gives this one no less time.
    assert!(say(&active, facts(Some(-60)), 29, before).starts_with("run"));
    insta::assert_snapshot!(say(&active, None, 0, before), @"withheld: it is not known when the figures were last reviewed");
    let shadow = format!("state='shadow'\n{plan}");
    insta::assert_snapshot!(say(&shadow, facts(None), 90, before), @"run: results stay inside, so no review is due");
    assert_eq!(say(&active.replace("suspend", "alarm"), facts(None), 90, before), "run: no step");
    assert_eq!(say("state='active'", None, 90, before), "run: no step");
}

/// MV-18: while a version is limited exactly one side is delivered, and the decision says which and why.
#[test]
fn the_assignment_decides_who_is_delivered() {
    let ct = study(&[&[("Modality", "CT")]]);
    let (active, limited) = (deployment("state='active'"), deployment("state='limited'"));
    let reason = Reason::new("assignment.limited", "new answers: it is limited to a share of 0.1 of the patients");
    let ask = |deployment: &Deployment, delivers: bool, waiting: Option<u64>| {
        let role = Role { delivers, reason: reason.clone() };
        let all = [0];
        let made = decide(&GateInput {
            study: &ct,
            deployment,
            package: &package(""),
            candidates: Ok(&all),
            completed_at: Timestamp::from_micros(COMPLETE),
            stage: Stage::BeforeInference,
            now: Timestamp::from_micros(COMPLETE),
            rollout: RolloutFacts { role: Some(&role), shadow_waiting: waiting },
            evidence: None,
            review: None,
            acquisition: AcquisitionFacts::default(),
        });
        let last: Vec<String> = made.steps.iter().rev().take(2).rev().map(|step| step.reason.text.clone()).collect();
        format!("{}; {}", made.sentence(), last.join("; "))
    };
    insta::assert_snapshot!(ask(&limited, true, None), @"run ct; new answers: it is limited to a share of 0.1 of the patients; results are delivered");
    insta::assert_snapshot!(ask(&active, false, None), @"run ct in shadow; new answers: it is limited to a share of 0.1 of the patients; results stay inside: another version answers for this study");
    insta::assert_snapshot!(ask(&limited, false, Some(99)), @"run ct in shadow; results stay inside: another version answers for this study; 99 shadow runs wait, 100 may");
    insta::assert_snapshot!(ask(&limited, false, Some(100)), @"withhold ct: 100 shadow runs already wait, 100 may; results stay inside: another version answers for this study; 100 shadow runs already wait, 100 may");
    insta::assert_snapshot!(ask(&limited, true, Some(100)), @"run ct; new answers: it is limited to a share of 0.1 of the patients; results are delivered");
}

/// MV-01: a clinical deployment runs while its acceptance counts, and not a moment longer.
#[test]
fn clinical_use_ends_with_its_acceptance() {
    let ct = study(&[&[("Modality", "CT")]]);
    let mut clinical = deployment("state='draft'\npurpose='clinical'");
    clinical.state = DeploymentState::Active;
    insta::assert_snapshot!(say(&ct, &clinical, &package(""), 1), @"withhold ct: ct is clinical, and no accepted validation is on file");
    let accepted_at = Timestamp::from_micros(COMPLETE).plus_seconds(-86_400);
    let until = Timestamp::from_micros(COMPLETE).plus_seconds(60);
    clinical.acceptance = Some(Acceptance { record: Digest::of(b"validation"), accepted_at, until });
    let made = ask(&ct, &clinical, &package(""), 59);
    assert!(matches!(made.verdict, Verdict::Run { shadow: false, .. }));
    insta::assert_snapshot!(made.steps[3].reason, @"accepted on 2026-11-22 by record a8283d77826f");
    insta::assert_snapshot!(say(&ct, &clinical, &package(""), 60), @"withhold ct: the local validation of ct counted until 2026-11-23; validate again");
}

#[test]
fn no_series_and_no_gate_both_fail_closed() {
    let ct = study(&[&[("Modality", "CT")]]);
    let active = deployment("state='active'");
    let facts = package("");
    let why = Reason::new("series.none", "no CT series with at least 20 slices");
    let input = GateInput {
        study: &ct,
        deployment: &active,
        package: &facts,
        candidates: Err(&why),
        completed_at: Timestamp::from_micros(COMPLETE),
        stage: Stage::BeforeInference,
        now: Timestamp::from_micros(COMPLETE),
        rollout: RolloutFacts::default(),
        evidence: None,
        review: None,
        acquisition: AcquisitionFacts::default(),
    };
    insta::assert_snapshot!(decide(&input).sentence(), @"skip ct: no CT series with at least 20 slices");
    assert_eq!(decide(&GateInput { candidates: Ok(&[9]), ..input }).verdict.name(), "not_eligible");
    let down = unavailable(&active, 1, Stage::BeforeRelease, Timestamp::from_micros(COMPLETE), "registry");
    insta::assert_snapshot!(down.sentence(), @"withhold ct: the gate could not decide, so nothing is released: registry is not available");
}

#[test]
fn json_form_is_stable() {
    let silent = study(&[&[("Modality", "CT")]]);
    let made = ask(&silent, &deployment("state='draft'"), &package(""), 1);
    let text = serde_json::to_string(&made).unwrap();
    assert_eq!(serde_json::from_str::<GateDecision>(&text).unwrap(), made);
    insta::assert_snapshot!(text, @r#"{"deployment":"ct","deployment_revision":1,"package_digest":"8d7c25dd2807342bccb5fe364abee5bc6a6c38b6370206a4d59b3ac4f03a64d2","study_revision":1,"stage":"before_inference","decided_at":"2026-11-23T09:12:42.000000Z","verdict":"withheld","reason":{"code":"state.not-in-use","text":"the deployment is draft, so it sees no study","criterion":"state","value":"draft"},"steps":[{"step":"in_date","outcome":"passed","reason":{"code":"in-date","text":"package and deployment are in date"}},{"step":"state","outcome":"stopped","reason":{"code":"state.not-in-use","text":"the deployment is draft, so it sees no study","criterion":"state","value":"draft"}}]}"#);
}

proptest! {
    /// Whatever else holds, a suspended, draft, accepted or retired deployment never runs, and only an active one is
    /// delivered without an assignment.
    #[test]
    fn only_states_in_use_ever_run(state in 0usize..7, age in -1000i64..100_000, modality in "(CT|MR|DX)?") {
        let mut d = deployment("state='active'\nexpires_after_seconds=3600");
        d.state = DeploymentState::ALL[state];
        let made = ask(&study(&[&[("Modality", modality.as_str())]]), &d, &package("modality=['CT']"), age);
        let ran = matches!(made.verdict, Verdict::Run { .. });
        let may = matches!(d.state, DeploymentState::Shadow | DeploymentState::Limited | DeploymentState::Active);
        prop_assert_eq!(ran, may && modality == "CT" && age <= 3600);
        let delivered = matches!(made.verdict, Verdict::Run { shadow: false, .. });
        prop_assert_eq!(delivered, ran && d.state == DeploymentState::Active);
    }
}

/// What a study gets before release under a declared envelope.
fn released(plan: &str, stage: Stage, envelope: &EnvelopeFacts, group: &GroupFacts) -> String {
    let acquisition = AcquisitionFacts { envelope: Some(envelope), group: Some(group) };
    released_as(plan, stage, acquisition, true)
}

fn released_as(plan: &str, stage: Stage, acquisition: AcquisitionFacts<'_>, can_be_marked: bool) -> String {
    let ct = study(&[&[("Modality", "CT")]]);
    let deployment = deployment(&format!("state='active'\n{plan}"));
    let made = decide(&GateInput {
        study: &ct,
        deployment: &deployment,
        package: &PackageFacts { can_be_marked, ..package("") },
        candidates: Ok(&[0]),
        completed_at: Timestamp::from_micros(COMPLETE),
        stage,
        now: Timestamp::from_micros(COMPLETE),
        rollout: RolloutFacts::default(),
        evidence: None,
        review: None,
        acquisition,
    });
    let mut told = vec![made.sentence()];
    told.extend(made.marks());
    told.join("\n")
}

/// MV-04 and MV-23: outside the envelope, or from a group that has not passed, nothing leaves unmarked.
#[test]
fn images_unlike_those_of_the_reference_set_are_withheld_or_marked() {
    let inside = EnvelopeFacts::Inside { record: "ab12cd34ef56".into(), percentile: 31.4, n_cases: 240 };
    let outside = EnvelopeFacts::Outside {
        record: "ab12cd34ef56".into(),
        sentence: "noise 41 against 3 to 12".into(),
        names: vec!["noise".into()],
    };
    let none = EnvelopeFacts::None("insufficient: 0.01 needs 99 cases".into());
    let group = |in_reference, n_inside| GroupFacts {
        key: "00ff00ff00ff00ff".into(),
        title: "GE Revolution, software 2".into(),
        in_reference,
        n_inside,
    };
    let (known, new, passed) = (group(true, 0), group(false, 19), group(false, 20));
    let plan = "[monitoring.envelope]";
    let before = Stage::BeforeRelease;
    insta::assert_snapshot!(released(plan, before, &inside, &known), @"run ct");
    insta::assert_snapshot!(released(plan, before, &inside, &passed), @"run ct");
    insta::assert_snapshot!(released(plan, before, &outside, &known), @"withhold ct: outside the acquisition envelope of record ab12cd34ef56: noise 41 against 3 to 12");
    insta::assert_snapshot!(released(plan, before, &none, &known), @"withhold ct: an acquisition envelope is declared, and nothing could be compared with it: insufficient: 0.01 needs 99 cases");
    insta::assert_snapshot!(released(plan, before, &inside, &new), @"withhold ct: a new acquisition group: 19 of the 20 studies it needs have ended inside the envelope so far: GE Revolution, software 2");
    let marks = "[monitoring.envelope]\noutside='mark'\nnew_group='mark'";
    insta::assert_snapshot!(released(marks, before, &outside, &new), @r"
    run ct
    outside the acquisition envelope of record ab12cd34ef56: noise 41 against 3 to 12
    a new acquisition group: 19 of the 20 studies it needs have ended inside the envelope so far: GE Revolution, software 2
    ");
    insta::assert_snapshot!(released("[monitoring.envelope]\nnew_group='release'", before, &inside, &new), @"run ct");
    // Nothing is measured before the model runs, and without a declaration nothing is compared.
    insta::assert_snapshot!(released(plan, Stage::BeforeInference, &outside, &new), @"run ct");
    insta::assert_snapshot!(released("", before, &outside, &new), @"run ct");
    // What is declared and was not measured, or not compared, is neither inside nor only to be marked.
    let unmeasured = released_as(marks, before, AcquisitionFacts::default(), true);
    insta::assert_snapshot!(unmeasured, @"withhold ct: an acquisition envelope is declared, and nothing could be compared with it: the images were not measured");
    insta::assert_snapshot!(released(marks, before, &none, &known), @"withhold ct: an acquisition envelope is declared, and nothing could be compared with it: insufficient: 0.01 needs 99 cases");
    // Images that do not say where they come from are from a group that has not passed.
    let from_nowhere = AcquisitionFacts { envelope: Some(&inside), group: None };
    insta::assert_snapshot!(released_as(plan, before, from_nowhere, true), @"withhold ct: it is not known from which scanner, software and protocol the images are");
    insta::assert_snapshot!(released_as(marks, before, from_nowhere, true), @r"
    run ct
    it is not known from which scanner, software and protocol the images are
    ");
    // What cannot carry the mark does not leave.
    let found = |envelope, group| AcquisitionFacts { envelope: Some(envelope), group: Some(group) };
    insta::assert_snapshot!(released_as(marks, before, found(&inside, &known), false), @"run ct");
    insta::assert_snapshot!(released_as(marks, before, found(&outside, &known), false), @"withhold ct: outside the acquisition envelope of record ab12cd34ef56: noise 41 against 3 to 12; the objects of a product leave as they came, so this cannot be marked on them");
}

/// MV-06: under a rule about evidence, not knowing is not having.
#[test]
fn evidence_that_nobody_knows_of_is_none() {
    let ct = study(&[&[("Modality", "CT")]]);
    let rule = "[monitoring.evidence]\nwindow_days=30\nn_min=5\n";
    let said = |state: &str, more: &str| {
        let deployment = deployment(&format!("state='{state}'\n{rule}{more}"));
        let made = ask(&ct, &deployment, &package(""), 1);
        let step = made.steps.iter().find(|step| step.step == StepName::Evidence).unwrap();
        format!("{} {}", made.verdict.name(), step.reason.code)
    };
    assert_eq!(said("active", ""), "withheld evidence.unknown");
    assert_eq!(said("active", "when_stale='alarm'"), "run evidence.unknown");
    assert_eq!(said("shadow", ""), "run evidence.inside");
}
