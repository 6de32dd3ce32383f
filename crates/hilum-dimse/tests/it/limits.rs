//! Caps on associations, and many of them at once.

use super::raw::{RELEASE_RP, RELEASE_RQ, Raw, assert_alive, request};
use super::recorder::{Recorder, config, start, until};
use hilum_dimse::Server;
use hilum_dimse::pdu::encode_request;

const LOCAL_LIMIT: [u8; 10] = [3, 0, 0, 0, 0, 4, 0, 2, 3, 2];

#[tokio::test]
async fn beyond_a_cap_associations_are_rejected_as_transient_and_places_come_back() {
    for per_peer in [true, false] {
        let mut config = config();
        if per_peer {
            config.associations_per_peer_max = 2
        } else {
            config.associations_max = 2
        }
        let server = Server::bind(config, Recorder::default()).await.unwrap();
        let addr = server.local_addr();
        let mut first = Raw::associated(addr).await;
        let _second = Raw::associated(addr).await;
        let mut third = Raw::connect(addr).await;
        third.send(&encode_request(&request())).await;
        assert_eq!(third.pdu().await, LOCAL_LIMIT);
        let mut other = request();
        other.calling_ae = *b"OTHER           ";
        let mut raw = Raw::connect(addr).await;
        raw.send(&encode_request(&other)).await;
        assert_eq!(raw.pdu().await[0], if per_peer { 2 } else { 3 }, "another peer, cap per peer: {per_peer}");
        drop(raw);
        first.send(&RELEASE_RQ).await;
        assert_eq!(first.pdu().await, RELEASE_RP);
        until("the place comes back", || server.stats().associations_open.get() == 1).await;
        assert_alive(addr).await;
    }
}

/// R8 in small: the measured version with latencies is `examples/echo_latency.rs`.
#[tokio::test]
async fn two_hundred_idle_associations_stand_while_others_work() {
    let server = start(&Recorder::default()).await;
    let addr = server.local_addr();
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(Raw::associated(addr).await);
    }
    assert_eq!(server.stats().associations_open.get(), 200);
    assert_alive(addr).await;
    for mut raw in idle {
        raw.send(&RELEASE_RQ).await;
        assert_eq!(raw.pdu().await, RELEASE_RP);
    }
    until("all are released", || server.stats().associations_released.get() == 201).await;
    assert_eq!(server.stats().associations_open.get(), 0);
}
