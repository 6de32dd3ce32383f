//! One test per state and event of PS3.8 table 9-10 that a peer can cause, and hostile bytes.

use super::raw::{
    ABORT, RELEASE_RP, RELEASE_RQ, Raw, assert_alive, data_pdu, echo_request, fragment, item, provider_abort, request,
    store_request,
};
use super::recorder::{Recorder, SOON, config, start, until};
use hilum_dimse::Server;
use hilum_dimse::command::{COMMAND_SET_LENGTH_MAX, Command, CommandField};
use hilum_dimse::pdu::{DATA_PDU_LENGTH_MAX, encode_request};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// The last PDU after these bytes in `Sta2`, before any association.
async fn sta2(bytes: &[u8]) -> Option<Vec<u8>> {
    let server = start(&Recorder::default()).await;
    let mut raw = Raw::connect(server.local_addr()).await;
    raw.send(bytes).await;
    let last = raw.try_pdu().await;
    raw.closed().await;
    assert_alive(server.local_addr()).await;
    last
}

/// The last PDU after these bytes in `Sta6`, on an association.
async fn sta6(bytes: &[u8]) -> Option<Vec<u8>> {
    let recorder = Recorder::default();
    let server = start(&recorder).await;
    let mut raw = Raw::associated(server.local_addr()).await;
    raw.send(bytes).await;
    let last = raw.try_pdu().await;
    raw.closed().await;
    assert!(recorder.stored().is_empty());
    until("the association ends", || server.stats().associations_open.get() == 0).await;
    assert_alive(server.local_addr()).await;
    last
}

const ACCEPT_OF_NOTHING: [u8; 74] = {
    let mut pdu = [0; 74];
    pdu[0] = 2;
    pdu[5] = 68;
    pdu
};

#[tokio::test]
async fn sta2_anything_but_a_request_is_aborted_by_the_user_aa_1() {
    let reject = [3, 0, 0, 0, 0, 4, 0, 1, 1, 1];
    let data = fragment(1, true, true, &echo_request(1));
    let garbage = b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n";
    for bytes in [&ACCEPT_OF_NOTHING[..], &reject, &data, &RELEASE_RQ, &RELEASE_RP, garbage] {
        assert_eq!(sta2(bytes).await.as_deref(), Some(&ABORT[..]), "{:?}", &bytes[..6]);
    }
}

#[tokio::test]
async fn sta2_an_abort_closes_aa_2() {
    assert_eq!(sta2(&ABORT).await, None);
}

#[tokio::test]
async fn sta2_a_malformed_request_is_aborted() {
    let good = encode_request(&request());
    let mut cut_item = good.clone();
    cut_item[77] = 0xff; // the application context item claims more than there is
    let mut no_application_context = good.clone();
    no_application_context[74] = 0x11;
    let huge = [1, 0, 0xff, 0xff, 0xff, 0xff];
    let short = [1, 0, 0, 0, 0, 0];
    for bytes in [&cut_item[..], &no_application_context, &huge, &short] {
        assert_eq!(sta2(bytes).await.as_deref(), Some(&ABORT[..]), "{:?}", &bytes[..6]);
    }
}

#[tokio::test]
async fn sta6_association_pdus_are_unexpected_aa_8() {
    let reject = [3, 0, 0, 0, 0, 4, 0, 1, 1, 1];
    for bytes in [&encode_request(&request())[..], &ACCEPT_OF_NOTHING, &reject, &RELEASE_RP] {
        assert_eq!(sta6(bytes).await, Some(provider_abort(2)), "{:?}", &bytes[..6]);
    }
}

#[tokio::test]
async fn sta6_an_unknown_pdu_is_unrecognized_aa_8() {
    assert_eq!(sta6(&[0x99, 0, 0, 0, 0, 0]).await, Some(provider_abort(1)));
    assert_eq!(sta6(&[0x00; 64]).await, Some(provider_abort(1)));
}

#[tokio::test]
async fn sta6_an_abort_closes_aa_3() {
    assert_eq!(sta6(&ABORT).await, None);
}

#[tokio::test]
async fn sta6_lying_lengths_are_invalid_aa_8() {
    let release = [5, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0];
    let empty = [4, 0, 0, 0, 0, 0];
    let huge = [4, 0, 0xff, 0xff, 0xff, 0xff];
    let beyond = [&[4, 0][..], &(DATA_PDU_LENGTH_MAX + 1).to_be_bytes()].concat();
    let mut overrun = fragment(1, true, true, &echo_request(1));
    overrun[9] += 1; // the item is one byte longer than its PDU
    let mut underrun = fragment(1, true, true, &echo_request(1));
    underrun[9] = 1; // shorter than its own header
    let rest = data_pdu(&[item(1, true, false, &[0; 4]), vec![0, 0, 0]]); // three bytes that are no item
    for bytes in [&release[..], &empty, &huge, &beyond, &overrun, &underrun, &rest] {
        assert_eq!(sta6(bytes).await, Some(provider_abort(6)), "{:?}", &bytes[..6]);
    }
}

#[tokio::test]
async fn sta6_fragments_out_of_place_are_aborted() {
    let store = fragment(3, true, true, &store_request(1, "1.2.3"));
    let data_without_command = fragment(3, false, true, &[0; 10]);
    let command_within_data = [store.clone(), fragment(3, true, true, &echo_request(2))].concat();
    let other_context = [store.clone(), fragment(1, false, true, &[0; 10])].concat();
    let response = Command::new(CommandField::EchoResponse).encode();
    let unasked_response = fragment(1, true, true, &response);
    let split = [fragment(1, true, false, &echo_request(1)[..9]), fragment(3, true, true, &echo_request(1)[9..])];
    for bytes in [data_without_command, command_within_data, other_context, unasked_response, split.concat()] {
        assert_eq!(sta6(&bytes).await, Some(provider_abort(5)), "{:?}", &bytes[..12]);
    }
    let unknown_context = fragment(9, true, true, &echo_request(1));
    let no_command_set = fragment(1, true, true, &[1, 2, 3]);
    for bytes in [unknown_context, no_command_set] {
        assert_eq!(sta6(&bytes).await, Some(provider_abort(6)), "{:?}", &bytes[..12]);
    }
}

#[tokio::test]
async fn sta6_a_command_set_without_end_is_aborted() {
    let piece = fragment(1, true, false, &[0; 16 << 10]);
    let bytes = piece.repeat(COMMAND_SET_LENGTH_MAX / (16 << 10) + 1);
    assert_eq!(sta6(&bytes).await, Some(provider_abort(6)));
}

#[tokio::test]
async fn a_request_byte_by_byte_is_understood() {
    let server = start(&Recorder::default()).await;
    let mut raw = Raw::connect(server.local_addr()).await;
    raw.0.set_nodelay(true).unwrap();
    let echo = fragment(1, true, true, &echo_request(3));
    for byte in [&encode_request(&request())[..], &echo].concat() {
        raw.send(&[byte]).await;
    }
    assert_eq!(raw.pdu().await[0], 2);
    assert_eq!(raw.response().await.1.message_id_responded_to, Some(3));
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_half_a_request_is_closed_by_artim() {
    let mut config = config();
    config.timers.association = Duration::from_millis(50);
    let server = Server::bind(config, Recorder::default()).await.unwrap();
    for bytes in [&[][..], &encode_request(&request())[..100]] {
        let mut raw = Raw::connect(server.local_addr()).await;
        raw.send(bytes).await;
        assert_eq!(raw.try_pdu().await, Some(provider_abort(0)));
        raw.closed().await;
    }
    assert_eq!(server.stats().timeouts.get(), 2);
}

#[tokio::test]
async fn an_idle_association_is_aborted() {
    let mut config = config();
    config.timers.idle = Duration::from_millis(50);
    let server = Server::bind(config, Recorder::default()).await.unwrap();
    let mut raw = Raw::associated(server.local_addr()).await;
    assert_eq!(raw.try_pdu().await, Some(provider_abort(0)));
    raw.closed().await;
    until("the association ends", || server.stats().associations_open.get() == 0).await;
}

#[tokio::test]
async fn a_peer_that_stops_or_crawls_within_a_message_is_aborted() {
    let mut config = config();
    config.timers.message = Duration::from_millis(50);
    config.timers.bytes_per_second_min = 1 << 20;
    let recorder = Recorder::default();
    let server = Server::bind(config, recorder.clone()).await.unwrap();
    let store = fragment(3, true, true, &store_request(1, "1.2.3"));
    let half_a_header = vec![4, 0, 0];
    let half_a_data_set = [&store[..], &fragment(3, false, false, &[0; 100])].concat();
    let half_a_pdu = [&store[..], &fragment(3, false, false, &[0; 100])[..50]].concat();
    for bytes in [half_a_header, half_a_data_set, half_a_pdu] {
        let mut raw = Raw::associated(server.local_addr()).await;
        raw.send(&bytes).await;
        assert_eq!(raw.try_pdu().await, Some(provider_abort(0)));
    }
    // Each of these tiny PDUs is complete and in time, but they do not earn the time they take.
    let mut raw = Raw::associated(server.local_addr()).await;
    raw.0.set_nodelay(true).unwrap();
    raw.send(&store).await;
    let crawl = async {
        loop {
            if raw.0.write_all(&fragment(3, false, false, &[0])).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, crawl).await.expect("a crawling peer is cut off");
    until("sinks are dropped", || recorder.unfinished() == 3).await;
    assert_eq!(server.stats().timeouts.get(), 4);
}

#[tokio::test]
async fn a_peer_that_never_reads_is_cut_off() {
    let mut config = config();
    config.timers.write = Duration::from_millis(100);
    let server = Server::bind(config, Recorder::default()).await.unwrap();
    let mut raw = Raw::associated(server.local_addr()).await;
    let echoes = fragment(1, true, true, &echo_request(1)).repeat(1000);
    let flood = async { while raw.0.write_all(&echoes).await.is_ok() {} };
    timeout(SOON, flood).await.expect("the server gives up on a peer that does not take responses");
    until("the association ends", || server.stats().associations_open.get() == 0).await;
    assert_eq!(server.stats().timeouts.get(), 1);
    assert_alive(server.local_addr()).await;
}

#[tokio::test]
async fn a_reset_within_a_pdu_ends_the_association() {
    let recorder = Recorder::default();
    let server = start(&recorder).await;
    let mut raw = Raw::associated(server.local_addr()).await;
    raw.send(&fragment(3, true, true, &store_request(1, "1.2.3"))).await;
    raw.send(&fragment(3, false, false, &[0; 100])[..60]).await;
    until("the store begins", || recorder.begun() == 1).await;
    raw.0.set_zero_linger().unwrap();
    drop(raw);
    until("the sink is dropped", || recorder.unfinished() == 1).await;
    assert_alive(server.local_addr()).await;
}
