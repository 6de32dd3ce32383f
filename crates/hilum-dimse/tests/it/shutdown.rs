//! Graceful shutdown.

use super::raw::{ABORT, Raw, fragment, store_request};
use super::recorder::{Recorder, SOON, Script, start, until};
use hilum_dimse::Status;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

#[tokio::test]
async fn a_store_in_flight_is_finished_and_answered_and_the_rest_aborted() {
    let gate = Arc::new(Semaphore::new(0));
    let recorder = Recorder::scripted(Script { gate: Some(gate.clone()), ..Script::default() });
    let server = start(&recorder).await;
    let addr = server.local_addr();
    let mut idle = Raw::associated(addr).await;
    let mut busy = Raw::associated(addr).await;
    busy.send(&fragment(3, true, true, &store_request(1, "1.2.3"))).await;
    busy.send(&fragment(3, false, false, &[1; 100])).await;
    until("the store begins", || recorder.begun() == 1).await;
    let stopping = tokio::spawn(server.shutdown(SOON));
    assert_eq!(idle.pdu().await, ABORT, "an idle association is aborted at once");
    assert!(TcpStream::connect(addr).await.is_err(), "nobody new is accepted");
    busy.send(&fragment(3, false, true, &[2; 100])).await;
    gate.add_permits(1);
    assert_eq!(busy.response().await.1.status, Some(Status::SUCCESS));
    assert_eq!(busy.pdu().await, ABORT);
    drop((idle, busy));
    stopping.await.unwrap();
    assert_eq!(recorder.stored()[0].1.len(), 200);
}

#[tokio::test]
async fn what_does_not_finish_within_the_grace_is_cut_off_unfinished() {
    let recorder = Recorder::default();
    let server = start(&recorder).await;
    let mut raw = Raw::associated(server.local_addr()).await;
    raw.send(&fragment(3, true, true, &store_request(1, "1.2.3"))).await;
    until("the store begins", || recorder.begun() == 1).await;
    server.shutdown(Duration::from_millis(50)).await;
    assert_eq!(recorder.unfinished(), 1);
    raw.closed().await;
}

#[tokio::test]
async fn dropping_the_handle_stops_the_server() {
    let server = start(&Recorder::default()).await;
    let mut raw = Raw::associated(server.local_addr()).await;
    drop(server);
    assert_eq!(raw.pdu().await, ABORT);
}

#[tokio::test]
async fn a_connection_that_asked_nothing_is_closed_without_a_word() {
    let server = start(&Recorder::default()).await;
    let mut raw = Raw::connect(server.local_addr()).await;
    until("the connection is accepted", || server.stats().connections_accepted.get() == 1).await;
    server.shutdown(SOON).await;
    raw.closed().await;
}
