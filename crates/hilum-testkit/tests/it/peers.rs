use crate::{has_tool, morning, title};
use hilum_dimse::{Status, Timeouts, echo};
use hilum_testkit::{
    Acquisition, Behaviour, Keep, Order, PhantomInstance, Rule, Script, SimulatedModality, SimulatedPacs, Subject,
    When, dx,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

const LONG: Duration = Duration::from_secs(30);

fn instances(n: u64) -> Vec<PhantomInstance> {
    let acquisition = Acquisition::radiograph().with_matrix(32, 32);
    let one = |seed| dx(seed, &Subject::seeded(seed, morning()), &acquisition, &[]).unwrap().instances;
    (0..n).flat_map(one).collect()
}

async fn pacs(script: Script) -> SimulatedPacs {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    SimulatedPacs::start_on(any, title("PACS"), Keep::Memory, script).await.unwrap()
}

fn modality(pacs: &SimulatedPacs) -> SimulatedModality {
    SimulatedModality::new(title("MODALITY"), title("PACS"), pacs.address())
}

#[tokio::test]
async fn what_is_acknowledged_is_what_was_sent_over_several_associations() {
    let pacs = pacs(Script::default()).await;
    let sender =
        SimulatedModality { associations: 3, order: Order::Shuffled, duplicates: 0.3, seed: 1, ..modality(&pacs) };
    let objects = instances(20);
    let ledger = sender.send(objects.clone()).await;
    assert_eq!(ledger.failures().count(), 0);
    assert!(20 < ledger.sent.len(), "some were sent twice");
    let acknowledged = ledger.acknowledged();
    assert_eq!(acknowledged.len(), 20);
    for object in &objects {
        let kept = pacs.kept(object.sop_instance_uid.as_str());
        assert!(kept.iter().all(|one| one.data_set.as_deref() == Some(object.data_set())));
        assert!(acknowledged[object.sop_instance_uid.as_str()].contains(&kept[0].digest));
    }
    let associations: BTreeSet<u64> = pacs.received().iter().map(|one| one.association_id).collect();
    assert_eq!(associations.len(), 3);
    let stats = pacs.stats().unwrap();
    assert_eq!(stats.instances_stored.get(), ledger.sent.len() as u64);
}

#[test]
fn the_plan_of_a_modality_is_pure_and_sends_everything() {
    let base = SimulatedModality::new(title("A"), title("B"), SocketAddr::from(([127, 0, 0, 1], 1)));
    assert_eq!(base.plan(3), [[0, 1, 2]]);
    assert_eq!(SimulatedModality { order: Order::Reversed, ..base.clone() }.plan(3), [[2, 1, 0]]);
    let mixed = SimulatedModality { associations: 2, order: Order::Shuffled, duplicates: 0.5, seed: 3, ..base.clone() };
    let plan = mixed.plan(50);
    assert_eq!(plan, mixed.plan(50));
    let sent: BTreeSet<usize> = plan.concat().into_iter().collect();
    assert_eq!(sent, (0..50).collect());
    assert!(60 < plan.concat().len() && plan.concat().len() < 90);
}

#[tokio::test]
async fn an_archive_misbehaves_by_script() {
    let rule = |number: u64, then: Behaviour| Rule { when: When::Instances(number..number + 1), then };
    let script = Script {
        seed: 0,
        rules: vec![
            rule(0, Behaviour::Refuse(Status::OUT_OF_RESOURCES)),
            rule(1, Behaviour::Abort),
            rule(2, Behaviour::Disconnect),
            rule(3, Behaviour::AcknowledgeAndDrop),
            rule(4, Behaviour::StoreAndAbort),
            rule(5, Behaviour::Delay(Duration::from_millis(50))),
        ],
    };
    let pacs = pacs(script).await;
    let objects = instances(7);
    let begun = Instant::now();
    let ledger = modality(&pacs).send(objects.clone()).await;
    assert!(Duration::from_millis(50) <= begun.elapsed());
    let statuses: Vec<Option<Status>> = ledger.sent.iter().map(|sent| sent.status).collect();
    let stored = Some(Status::SUCCESS);
    assert_eq!(statuses, [Some(Status::OUT_OF_RESOURCES), None, None, stored, None, stored, stored]);
    // Acknowledged and held differ exactly where the archive lied.
    let uid = |index: usize| objects[index].sop_instance_uid.as_str().to_owned();
    assert_eq!(pacs.kept_uids(), [uid(4), uid(5), uid(6)]);
    let acknowledged: Vec<usize> = (0..7).filter(|n| ledger.acknowledged().contains_key(uid(*n).as_str())).collect();
    assert_eq!(acknowledged, [3, 5, 6]);
}

#[tokio::test]
async fn a_sender_with_retries_gets_through_an_archive_that_aborts_now_and_then() {
    let script = Script { seed: 7, rules: vec![Rule { when: When::Probability(0.3), then: Behaviour::Abort }] };
    let pacs = pacs(script).await;
    let sender = SimulatedModality { associations: 2, retries: 20, ..modality(&pacs) };
    let ledger = sender.send(instances(30)).await;
    assert_eq!(ledger.acknowledged().len(), 30);
    assert!(0 < ledger.failures().count());
    assert_eq!(pacs.kept_uids().len(), 30);
}

#[tokio::test]
async fn an_archive_goes_down_and_comes_back_with_what_it_had() {
    // Bound, and not listening: while the archive is down, nobody else gets its port.
    let place = TcpSocket::new_v4().unwrap();
    place.set_reuseaddr(true).unwrap();
    place.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listen = place.local_addr().unwrap();
    let mut pacs = SimulatedPacs::start_on(listen, title("PACS"), Keep::Memory, Script::default()).await.unwrap();
    let objects = instances(2);
    modality(&pacs).send(vec![objects[0].clone()]).await;
    pacs.stop().await;
    assert_eq!(modality(&pacs).send(vec![objects[1].clone()]).await.failures().count(), 1);
    // A program that another test starts holds everything that is open here until it runs, the archive's port too.
    let begun = Instant::now();
    while let Err(error) = pacs.restart().await {
        assert!(begun.elapsed() < LONG, "{error:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    pacs.set_accepting(false);
    assert_eq!(modality(&pacs).send(vec![objects[1].clone()]).await.failures().count(), 1);
    pacs.set_accepting(true);
    assert_eq!(modality(&pacs).send(vec![objects[1].clone()]).await.failures().count(), 0);
    pacs.wait_for(2, LONG).await.unwrap();
    assert_eq!(pacs.kept_uids().len(), 2);
    assert!(pacs.wait_for(3, Duration::ZERO).await.is_err());
}

#[tokio::test]
async fn echo_is_answered_and_files_can_be_read_by_another_toolkit() {
    let folder = tempfile::tempdir().unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let keep = Keep::Folder(folder.path().to_owned());
    let pacs = SimulatedPacs::start_on(any, title("PACS"), keep, Script::default()).await.unwrap();
    let status = echo(pacs.address(), &title("MODALITY"), &title("PACS"), &Timeouts::default()).await.unwrap();
    assert_eq!(status, Status::SUCCESS);
    let objects = instances(2);
    modality(&pacs).send(objects.clone()).await;
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    for file in &files {
        let read = PhantomInstance::from_part10(std::fs::read(file).unwrap()).unwrap();
        assert!(objects.iter().any(|object| object.data_set() == read.data_set()));
    }
    if has_tool("dcmdump") {
        let status = Command::new("dcmdump").arg("-q").args(&files).output().unwrap().status;
        assert!(status.success());
    }
}
