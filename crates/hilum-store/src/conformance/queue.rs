use super::material::{all_is_well, at, deploy, instance, open, store};
use crate::{ErrorKind, Job, JobFilter, JobKind, JobState, NewJob, Priority, Queue, StoreError};
use hilum_registry::DeploymentState;
use hilum_types::{Reason, Timestamp};
use std::collections::HashSet;

fn job(dedup_key: &str, priority: Priority, due_at: Timestamp) -> NewJob {
    NewJob {
        kind: JobKind::Infer,
        dedup_key: dedup_key.into(),
        study_key: None,
        revision: None,
        deployment: None,
        delivery_key: None,
        payload: serde_json::json!({ "name": dedup_key }),
        priority,
        due_at,
    }
}

async fn lease(queue: &(impl Queue + ?Sized), owner: &str, now: Timestamp) -> Option<Job> {
    queue.job_lease(&[JobKind::Infer], owner, now, 30).await.expect("the queue answers")
}

fn name(job: Option<Job>) -> String {
    job.map_or("-".to_owned(), |job| job.payload["name"].as_str().unwrap_or_default().to_owned())
}

fn is_lost<T>(outcome: Result<T, StoreError>) -> bool {
    matches!(outcome, Err(error @ StoreError::LeaseLost) if error.kind() == ErrorKind::Conflict)
}

/// Two processes with four tasks each empty a queue of 100; every job is done exactly once.
pub(super) async fn two_owners_never_share_a_job(url: String) {
    let catalogs = [open(&url).await, open(&url).await];
    for i in 0..100 {
        let new = job(&format!("job {i}"), Priority::ROUTINE, at(0));
        assert!(catalogs[0].job_enqueue(new.clone(), at(0)).await.unwrap());
        assert!(!catalogs[1].job_enqueue(new, at(0)).await.unwrap(), "a key is taken once");
    }
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let catalog = catalogs[worker % 2].clone();
        tasks.spawn(async move {
            let mut mine = vec![];
            while let Some(job) = lease(&*catalog, &format!("worker {worker}"), at(1)).await {
                assert_eq!((job.state, job.attempts), (JobState::Leased, 1));
                catalog.job_complete(&job.lease(), at(1)).await.expect("the lease is held");
                mine.push(job.key);
            }
            mine
        });
    }
    let mut done = vec![];
    while let Some(mine) = tasks.join_next().await {
        done.extend(mine.expect("a worker ends well"));
    }
    assert_eq!(done.len(), 100);
    assert_eq!(done.iter().collect::<HashSet<_>>().len(), 100);
    let depth = catalogs[0].queue_depth().await.unwrap();
    assert_eq!((depth.len(), depth[0].state, depth[0].n_jobs), (1, JobState::Done, 100));
}

/// AV-06: STAT overtakes; then the one due earlier; nothing before it is due; only the kinds asked for.
pub(super) async fn urgent_jobs_overtake(url: String) {
    let catalog = open(&url).await;
    for (key, priority, due) in [("late", 0, 5), ("early", 0, 1), ("stat", 100, 7), ("future", 100, 50)] {
        catalog.job_enqueue(job(key, Priority(priority), at(due)), at(0)).await.unwrap();
    }
    assert_eq!(catalog.job_lease(&[JobKind::Evaluate, JobKind::Deliver], "w", at(10), 30).await.unwrap(), None);
    let mut order = vec![];
    for _ in 0..4 {
        order.push(name(lease(&*catalog, "w", at(10)).await));
    }
    assert_eq!(order, ["stat", "early", "late", "-"]);
}

/// A killed worker's job passes on when its lease runs out; the slow worker can no longer finish it.
pub(super) async fn leases_pass_on_and_fence(url: String) {
    let catalog = open(&url).await;
    catalog.job_enqueue(job("a", Priority::ROUTINE, at(0)), at(0)).await.unwrap();
    let slow = lease(&*catalog, "slow", at(0)).await.unwrap();
    assert_eq!(slow.lease_until, Some(at(30)));
    assert!(lease(&*catalog, "quick", at(29)).await.is_none());
    catalog.job_heartbeat(&slow.lease(), at(29), 30).await.unwrap();
    assert!(lease(&*catalog, "quick", at(58)).await.is_none());
    let quick = lease(&*catalog, "quick", at(59)).await.expect("the lease passes on");
    assert_eq!((quick.key.clone(), quick.attempts, quick.lease_owner.as_deref()), (slow.key.clone(), 2, Some("quick")));
    assert!(is_lost(catalog.job_heartbeat(&slow.lease(), at(60), 30).await));
    assert!(is_lost(catalog.job_complete(&slow.lease(), at(60)).await));
    assert!(is_lost(catalog.job_retry(&slow.lease(), at(61), "x", at(60)).await));
    assert!(is_lost(catalog.job_dead(&slow.lease(), &Reason::new("x", "x"), at(60)).await));
    catalog.job_complete(&quick.lease(), at(60)).await.unwrap();
    assert!(is_lost(catalog.job_complete(&quick.lease(), at(60)).await), "a job is finished once");
}

pub(super) async fn retry_and_dead(url: String) {
    let catalog = open(&url).await;
    deploy(&catalog, "cxr", DeploymentState::Active).await;
    let key = store(&catalog, instance("7", 1, "a", at(0))).await.study_key().expect("an instance has a study").clone();
    catalog.study_complete_due(at(1000), 10).await.unwrap();
    let take = |now| catalog.job_lease(&[JobKind::Evaluate], "w", now, 30);
    let job = take(at(1000)).await.unwrap().unwrap();
    catalog.job_retry(&job.lease(), at(1010), "the gate was out of reach", at(1001)).await.unwrap();
    assert!(take(at(1009)).await.unwrap().is_none());
    let job = take(at(1010)).await.unwrap().unwrap();
    assert_eq!((job.attempts, job.last_error.as_deref()), (2, Some("the gate was out of reach")));
    catalog
        .job_dead(&job.lease(), &Reason::new("gate.unavailable", "the gate was out of reach"), at(1011))
        .await
        .unwrap();
    assert!(take(at(5000)).await.unwrap().is_none());
    let study = catalog.study_get(&key).await.unwrap().unwrap();
    assert_eq!(study.dispositions.len(), 1, "no study is left without a disposition");
    assert_eq!(study.dispositions[0].disposition.name(), "failed");
    assert_eq!(catalog.alarm_list(true, 10).await.unwrap()[0].code, "job-dead");
    let dead = JobFilter { states: vec![JobState::Dead], study_key: Some(key), ..JobFilter::default() };
    assert_eq!(catalog.job_list(&dead, 10).await.unwrap().len(), 1);
    all_is_well(&catalog).await;
}

/// Scheduled or leased while the clock was a day ahead: when it is put right nothing waits for a day.
pub(super) async fn scheduled_in_the_future_by_a_wrong_clock(url: String) {
    let catalog = open(&url).await;
    let day = 86_400;
    catalog.job_enqueue(job("queued", Priority::STAT, at(day)), at(day)).await.unwrap();
    catalog.job_enqueue(job("leased", Priority::ROUTINE, at(day)), at(day)).await.unwrap();
    assert_eq!(name(lease(&*catalog, "lost", at(day)).await), "queued");
    let mut order = vec![];
    for _ in 0..3 {
        order.push(name(lease(&*catalog, "w", at(0)).await));
    }
    assert_eq!(order, ["queued", "leased", "-"]);
}
