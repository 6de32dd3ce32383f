use super::material::{all_is_well, at, complete_study, instance, open, store};
use crate::{ErrorKind, StoreError};
use hilum_audit::{AuditAction, AuditEvent, AuditSubject, Checkpoint, TamperKind};

/// Promise R13: many processes start at once on a new catalog; each finds it ready.
pub(super) async fn migrations_run_once_for_many(url: String) {
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let url = url.clone();
        starting.spawn(async move { open(&url).await.ping().await });
    }
    while let Some(started) = starting.join_next().await {
        started.expect("a start ends well").expect("the catalog answers");
    }
    all_is_well(&open(&url).await).await;
}

pub(super) async fn alarms_count_up(url: String) {
    let catalog = open(&url).await;
    let key = complete_study(&catalog, "7").await;
    for i in 0..3 {
        catalog.alarm_raise("target-missed", "late", Some(&key), Some("cxr"), at(i)).await.unwrap();
    }
    catalog.alarm_raise("target-missed", "late", None, None, at(3)).await.unwrap();
    let open_alarms = catalog.alarm_list(true, 10).await.unwrap();
    assert_eq!(open_alarms.len(), 2);
    let counted = open_alarms.iter().find(|alarm| alarm.study_key.is_some()).unwrap();
    assert_eq!((counted.n_raised, counted.raised_at, counted.deployment.as_deref()), (3, at(0), Some("cxr")));
    catalog.alarm_acknowledge(&counted.key, "user:anna", at(10)).await.unwrap();
    let again = catalog.alarm_acknowledge(&counted.key, "user:anna", at(11)).await;
    assert_eq!(again.map_err(|error: StoreError| error.kind()), Err(ErrorKind::NotFound));
    catalog.alarm_raise("target-missed", "late", Some(&key), Some("cxr"), at(12)).await.unwrap();
    assert_eq!(catalog.alarm_list(true, 10).await.unwrap().len(), 2, "a new one after the acknowledgement");
    assert_eq!(catalog.alarm_list(false, 10).await.unwrap().len(), 3);
    assert_eq!(catalog.counts().await.unwrap().n_alarms_open, 2);
    all_is_well(&catalog).await;
}

pub(super) async fn audit_chain_names_tampering(url: String) {
    let catalog = open(&url).await;
    for i in 0..30 {
        store(&catalog, instance("7", i, &format!("{i}"), at(i.into()))).await;
    }
    let event = AuditEvent::new(at(99), "system:serve", AuditAction::Started, AuditSubject::system());
    let entry = catalog.audit_append(event).await.unwrap();
    assert_eq!(entry.seq, 31);
    let head = catalog.audit_head().await.unwrap();
    assert_eq!(head, Checkpoint { seq: 31, hash: entry.hash });
    let page = catalog.audit_page(10, 5).await.unwrap();
    assert_eq!(page.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
    assert!(catalog.audit_verify(&[head]).await.unwrap().is_ok());
    // A checkpoint from a later life of the catalog: this one was put back to an earlier state.
    let beyond = Checkpoint { seq: 32, hash: entry.hash };
    let rolled_back = catalog.audit_verify(&[beyond]).await.unwrap().unwrap_err();
    assert_eq!((rolled_back.seq, rolled_back.what), (32, TamperKind::Truncated));
    let forked = Checkpoint { seq: 7, hash: entry.hash };
    assert_eq!(catalog.audit_verify(&[forked]).await.unwrap().unwrap_err().what, TamperKind::Forked);
}

/// Text that would be SQL stays text, in every place that takes text from outside.
pub(super) async fn hostile_text_stays_text(url: String) {
    let catalog = open(&url).await;
    let hostile = "x'); DROP TABLE audit; --\0\"$1";
    let mut odd = instance("7", 1, "a", at(0));
    odd.origin.peer = hostile.into();
    let key = store(&catalog, odd).await.study_key().expect("an instance has a study").clone();
    catalog.alarm_raise(hostile, hostile, Some(&key), Some(hostile), at(1)).await.unwrap();
    assert!(catalog.deployment_get(hostile).await.unwrap().is_none());
    assert_eq!(catalog.books(hostile, hostile).await.unwrap(), []);
    let text = catalog.study_instances(&key, 1).await.unwrap()[0].origin.peer.clone();
    assert_eq!(text, hostile.replace('\0', "\u{fffd}"));
    let verified = catalog.audit_verify(&[]).await.unwrap();
    assert_eq!(verified.expect("the chain holds").count, 2);
}

/// What every study and every stop asks is found by an index, however much has been kept.
pub(super) async fn frequent_questions_read_no_whole_table(url: String) {
    drop(open(&url).await);
    let Some(plans) = crate::sql::inside::plans(&url).await.unwrap() else { return };
    let by = [
        ("restarted", "monitor_fact_restart"),
        ("shadow waiting", "job_live"),
        ("withhold", "delivery_by_state"),
        ("live jobs", "job_live"),
        ("open alarms", "alarm_open_by_severity"),
        ("signals", "COVERING INDEX signal_by_rule"),
        ("labels of a period", "observation_by_event (deployment=? AND event_at>? AND event_at<?)"),
        ("latest labels", "label_by_deployment"),
    ];
    // Indexes of the few rows that a question is about.
    const SMALL: [&str; 3] = ["job_live", "alarm_open_by_severity", "signal_by_rule"];
    for ((name, index), (asked, plan)) in by.into_iter().zip(&plans) {
        let whole =
            plan.lines().find(|step| step.starts_with("SCAN") && !SMALL.iter().any(|index| step.contains(index)));
        assert!(name == *asked && plan.contains(index) && whole.is_none(), "{asked}: {plan}");
    }
    assert!(plans[6].1.contains("SEARCH l USING INDEX label_by_"), "labels are found by their study: {}", plans[6].1);
    assert!(!plans[7].1.contains("TEMP B-TREE"), "it reads every label before it gives the latest: {}", plans[7].1);
    assert!(!plans[2].1.contains("inference_by_package"), "it reads every result of the version: {}", plans[2].1);
}
