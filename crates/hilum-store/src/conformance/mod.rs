//! What every back end must do. Each suite panics at the first thing that does not hold.

mod acquisition;
mod alarms;
mod assessments;
mod blobs;
pub(crate) mod governance;
mod intake;
mod label_free;
mod labels;
mod monitoring;
mod products;
mod queue;
mod recalls;
mod references;
pub(crate) mod release;
mod rollout;
mod shared;
mod tallies;
mod together;

pub use blobs::blobs;

/// Everything a catalog promises. `fresh` gives the address of a new, empty catalog each time it is called.
///
/// # Panics
/// When a promise does not hold.
pub async fn catalog(fresh: impl AsyncFn() -> String) {
    macro_rules! cases {
        ($($module:ident::$case:ident),* $(,)?) => {$(
            println!("case {}", stringify!($case));
            $module::$case(fresh().await).await;
        )*};
    }
    cases![
        acquisition::groups_open_and_count,
        intake::duplicates_and_conflicts,
        intake::one_new_patient_from_many_tasks,
        intake::quiet_time_fires_once_across_restarts,
        intake::a_clock_that_goes_back_neither_loses_nor_doubles,
        intake::announced_count_and_signal_complete,
        intake::late_image_reopens,
        intake::reads_of_studies,
        intake::text_survives,
        queue::two_owners_never_share_a_job,
        queue::urgent_jobs_overtake,
        queue::leases_pass_on_and_fence,
        queue::retry_and_dead,
        queue::scheduled_in_the_future_by_a_wrong_clock,
        release::packages,
        release::deployments_follow_the_lifecycle,
        release::a_study_goes_through,
        release::an_evaluation_must_cover_every_deployment,
        release::suspension_takes_hold_at_once,
        release::what_was_decided_on_must_be_current,
        release::a_later_revision_supersedes,
        release::deliveries_die_and_are_retried,
        release::failures_leave_dispositions,
        release::retirement_cancels,
        governance::records_never_change,
        governance::only_the_holder_of_key_and_role_signs,
        governance::user_names_are_given_once,
        governance::aliases_move_by_comparison,
        governance::a_registered_version_is_never_overwritten,
        governance::case_lists_are_compared,
        recalls::the_list_holds_every_run_of_the_window,
        recalls::nothing_happens_before_two_people_approve,
        recalls::results_are_stopped_and_notes_queued,
        recalls::what_was_on_its_way_is_retracted_too,
        recalls::answers_to_retracted_results_stay_here,
        recalls::overlapping_recalls_retract_once,
        references::objects_of_reference_sets_are_named,
        references::uses_of_reference_sets_are_listed,
        rollout::one_version_of_a_champion_is_in_use,
        rollout::a_step_decided_on_something_else_is_refused,
        rollout::rollback_returns_to_the_version_before,
        rollout::only_the_version_in_use_is_suspended,
        rollout::a_file_does_not_undo_an_act,
        rollout::a_stopped_champion_takes_over_a_version_and_stays_stopped,
        rollout::clinical_use_is_not_declared,
        rollout::history_is_kept_and_asked_as_of,
        rollout::shadow_waits_and_goes_after,
        rollout::assignments_stay,
        rollout::results_of_two_versions_are_not_both_current,
        rollout::runs_are_read_and_paired,
        products::a_product_is_waited_for,
        products::a_question_ends_with_trust_and_with_its_job,
        products::a_wait_survives_a_clock_that_goes_back,
        products::a_canary_run_begins_once,
        products::algorithms_are_counted,
        labels::exposure_is_derived,
        labels::what_nobody_saw_is_unexposed,
        labels::a_first_impression_reveals,
        labels::exposure_is_that_of_its_time,
        labels::a_time_of_decision_is_possible_and_kept,
        labels::labels_are_told_to_whom_they_may,
        labels::a_label_is_entered_once,
        labels::an_answer_without_a_target_is_kept,
        labels::reports_are_tied_or_listed,
        labels::a_report_is_tied_to_the_study_it_names,
        labels::the_last_final_report_counts,
        labels::the_audit_sample_keeps_its_probability,
        monitoring::ended_studies_are_observed,
        monitoring::the_deciding_label_stops,
        monitoring::the_state_is_a_fold_over_the_facts,
        monitoring::a_study_counts_once_for_a_version,
        monitoring::the_past_stays_as_it_was_known,
        monitoring::a_rule_falls_back,
        monitoring::a_rule_fires_on_what_is_stopped_already,
        monitoring::a_change_gives_no_new_time_for_evidence,
        monitoring::a_review_is_what_somebody_signed,
        monitoring::a_review_is_due_one_period_after_results_reach_readers,
        monitoring::whatever_ends_a_study_is_observed,
        monitoring::a_failure_is_charged_to_the_version_that_ran,
        label_free::a_perfect_estimate_clears_nothing,
        tallies::counts_are_those_of_the_rows,
        tallies::a_damaged_count_stops_no_act,
        tallies::what_moved_is_found_with_its_group,
        together::all_numbers_are_compared_together,
        together::many_studies_are_drawn_by_lot,
        alarms::signals_of_one_incident_are_one_alarm,
        alarms::a_spent_budget_is_reported_once,
        alarms::what_nobody_answers_is_passed_on,
        alarms::messages_are_sent_until_they_end,
        alarms::destinations_are_told_of_changes,
        alarms::a_file_tells_destinations_as_an_act_does,
        alarms::books_are_looked_at_daily,
        assessments::answers_leave_once_as_reports,
        assessments::a_correction_takes_the_place_of_the_report_before,
        assessments::a_report_that_was_corrected_stays_back,
        assessments::a_clock_that_goes_back_keeps_the_order_of_answers,
        assessments::only_what_may_be_told_is_due,
        assessments::reports_go_to_whoever_holds_the_result,
        assessments::a_case_of_the_audit_sample_is_not_told,
        shared::migrations_run_once_for_many,
        shared::frequent_questions_read_no_whole_table,
        shared::alarms_count_up,
        shared::audit_chain_names_tampering,
        shared::hostile_text_stays_text,
    ];
}

pub(crate) mod material {
    //! Objects the cases are made of.

    use crate::records::{IntakeOutcome, NewInstance, Origin, Package, Source};
    use crate::{Catalog, CatalogOptions, StudyKey};
    use hilum_registry::{DeploymentSpec, DeploymentState};
    use hilum_types::{Digest, InstanceHeader, Phi, Timestamp, Uid};
    use std::sync::Arc;

    /// Quiet time of every catalog here.
    pub(crate) const QUIET: i64 = 60;

    /// A moment: `seconds` after noon of 2026-11-23 UTC.
    pub(crate) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_795_435_200_000_000).plus_seconds(seconds)
    }

    pub(crate) fn uid(text: &str) -> Uid {
        text.parse().expect("a test UID is well-formed")
    }

    pub(crate) async fn open(url: &str) -> Arc<dyn Catalog> {
        let options = CatalogOptions { quiet_seconds: QUIET as u32, n_connections: 10 };
        crate::open(url, &options).await.expect("a fresh catalog opens")
    }

    /// Instance `number` of study `study`, with content `content`, received at `received_at`.
    pub(crate) fn instance(study: &str, number: u32, content: &str, received_at: Timestamp) -> NewInstance {
        let attribute = |keyword: &str, value: &str| (keyword.to_owned(), Phi::new(vec![value.to_owned()]));
        let header = InstanceHeader {
            sop_instance_uid: uid(&format!("1.2.{study}.1.{number}")),
            sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.2"),
            transfer_syntax_uid: uid("1.2.840.10008.1.2.1"),
            study_instance_uid: uid(&format!("1.2.{study}")),
            series_instance_uid: uid(&format!("1.2.{study}.1")),
            attributes: [
                attribute("AccessionNumber", &format!("ACC{study}")),
                attribute("Modality", "CT"),
                attribute("PatientName", "CANARY^PATIENT"),
                attribute("PatientID", "CANARY-1"),
                attribute("InstanceNumber", &number.to_string()),
            ]
            .into(),
        };
        let blob = Digest::of(content.as_bytes());
        let origin = Origin { peer: "SCANNER".into(), source: Source::Dimse };
        NewInstance { header, blob, content: blob, size: content.len() as u64, origin, received_at }
    }

    pub(crate) async fn store(catalog: &Arc<dyn Catalog>, instance: NewInstance) -> IntakeOutcome {
        let now = instance.received_at;
        let outcomes = catalog.instances_commit(&[instance], now).await.expect("an instance is stored");
        outcomes.into_iter().next().expect("one outcome for one instance")
    }

    /// A study of one instance, complete at `at(QUIET)` with revision 1.
    pub(crate) async fn complete_study(catalog: &Arc<dyn Catalog>, study: &str) -> StudyKey {
        let key = store(catalog, instance(study, 1, &format!("{study} bytes"), at(0)))
            .await
            .study_key()
            .expect("an instance has a study")
            .clone();
        let completed = catalog.study_complete_due(at(QUIET), 10).await.expect("studies complete");
        assert!(completed.contains(&(key.clone(), 1)));
        key
    }

    pub(crate) async fn add_package(catalog: &Arc<dyn Catalog>) -> Digest {
        let package = Package {
            digest: Digest::of(b"package"),
            name: "cxr".into(),
            version: "1.0.0".into(),
            manifest: serde_json::json!({ "name": "cxr" }),
            location: "packages/cxr".into(),
            imported_at: at(-1000),
        };
        catalog.package_add(&package, "user:test").await.expect("a package is entered");
        package.digest
    }

    pub(crate) fn spec(name: &str, state: DeploymentState) -> DeploymentSpec {
        let declared = serde_json::json!({
            "name": name,
            "package": Digest::of(b"package"),
            "state": state,
            "owner": "radiology",
            "destinations": ["pacs"],
        });
        serde_json::from_value(declared).expect("a declaration is well-formed")
    }

    /// A package and a deployment of it.
    pub(crate) async fn deploy(catalog: &Arc<dyn Catalog>, name: &str, state: DeploymentState) {
        let package = add_package(catalog).await;
        let applied = catalog.deployment_apply(&spec(name, state), package, "user:test", at(-900)).await;
        assert_eq!(applied.expect("a deployment is applied").state, state);
    }

    /// The chain holds, the books balance, and no canary is in the chain (PR-13).
    pub(crate) async fn all_is_well(catalog: &Arc<dyn Catalog>) {
        let verified = catalog.audit_verify(&[]).await.expect("the chain can be read");
        let verified = verified.expect("the chain holds");
        assert_eq!(verified.count, verified.head.seq);
        for line in catalog.books("2026-11-01", "2026-12-31").await.expect("the books can be read") {
            assert!(line.balanced, "books do not balance: {line:?}");
        }
        for entry in catalog.audit_page(0, 10_000).await.expect("the chain can be read") {
            let text = serde_json::to_string(&entry).expect("an entry can be written");
            assert!(!text.contains("CANARY") && !text.contains("\"1.2."), "identifiers in the chain: {text}");
        }
    }
}
