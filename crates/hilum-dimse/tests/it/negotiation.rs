//! Who is let in and what is agreed (PS3.8 sections 7.1, 9.3.2 to 9.3.4).

use super::pdu::recorded_request;
use super::raw::{CT, Raw, request};
use super::recorder::{Recorder, Script, config, start};
use hilum_dimse::pdu::{AssociateAccept, ContextResult, ProposedPresentationContext, decode_accept, encode_request};
use hilum_dimse::uids::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, TRANSFER_SYNTAXES};
use hilum_dimse::{AbstractSyntaxes, Peer, Rejection, Server, ServerConfig, ServerError};

/// The answer to these bytes on a fresh connection.
async fn answer(config: ServerConfig, bytes: &[u8]) -> Vec<u8> {
    let server = Server::bind(config, Recorder::default()).await.unwrap();
    let mut raw = Raw::connect(server.local_addr()).await;
    raw.send(bytes).await;
    raw.pdu().await
}

async fn accepted(request: &hilum_dimse::pdu::AssociateRequest) -> AssociateAccept {
    let answer = answer(config(), &encode_request(request)).await;
    assert_eq!(answer[0], 2);
    decode_accept(&answer[6..]).unwrap()
}

#[tokio::test]
async fn a_recorded_request_is_answered_byte_by_byte() {
    let mut wanted = vec![
        0x02, 0x00, // A-ASSOCIATE-AC, reserved
        0x00, 0x00, 0x00, 0xc3, // 195 bytes follow
        0x00, 0x01, // protocol version 1
        0x00, 0x00, // reserved
    ];
    wanted.extend_from_slice(b"HILUM           ECHOSCU         "); // returned as received
    wanted.extend_from_slice(&[0; 32]);
    wanted.extend_from_slice(&[0x10, 0x00, 0x00, 0x15]); // application context item
    wanted.extend_from_slice(b"1.2.840.10008.3.1.1.1");
    wanted.extend_from_slice(&[0x21, 0x00, 0x00, 0x19]); // presentation context item (result), 25 bytes
    wanted.extend_from_slice(&[0x01, 0x00, 0x00, 0x00]); // context 1, acceptance
    wanted.extend_from_slice(&[0x40, 0x00, 0x00, 0x11]); // transfer syntax sub-item
    wanted.extend_from_slice(b"1.2.840.10008.1.2");
    wanted.extend_from_slice(&[0x50, 0x00, 0x00, 0x45]); // user information item, 69 bytes
    wanted.extend_from_slice(&[0x51, 0x00, 0x00, 0x04, 0x00, 0x04, 0x00, 0x00]); // maximum length 262144
    wanted.extend_from_slice(&[0x52, 0x00, 0x00, 0x2c]); // implementation class UID sub-item, 44 bytes
    wanted.extend_from_slice(b"2.25.318647252003461491555385393542079484334");
    wanted.extend_from_slice(&[0x55, 0x00, 0x00, 0x09]); // implementation version name sub-item, 9 bytes
    wanted.extend_from_slice(b"HILUM_0.1");
    assert_eq!(answer(config(), &recorded_request()).await, wanted);
}

#[tokio::test]
async fn another_called_title_is_rejected_1_1_7() {
    let mut request = request();
    request.called_ae = *b"ANY-SCP         ";
    assert_eq!(answer(config(), &encode_request(&request)).await, [3, 0, 0, 0, 0, 4, 0, 1, 1, 7]);
}

#[tokio::test]
async fn an_unknown_peer_or_a_known_one_elsewhere_is_rejected_1_1_3() {
    let peer = |title: &str, address: Option<&str>| Peer {
        ae_title: title.parse().unwrap(),
        address: address.map(|address| address.parse().unwrap()),
    };
    for (peers, accepted) in [
        (vec![peer("OTHER", None)], false),
        (vec![peer("raw", None)], false),
        (vec![peer("RAW", Some("192.0.2.1"))], false),
        (vec![peer("RAW", Some("192.0.2.0/24"))], false),
        (vec![peer("OTHER", Some("127.0.0.1")), peer("RAW", Some("192.0.2.1"))], false),
        (vec![peer("RAW", None)], true),
        (vec![peer("RAW", Some("127.0.0.1"))], true),
        (vec![peer("RAW", Some("127.0.0.0/8"))], true),
        (vec![peer("RAW", Some("192.0.2.1")), peer("RAW", Some("localhost"))], true),
    ] {
        let mut config = config();
        config.accept_any_peer = false;
        config.peers = peers;
        let answer = answer(config.clone(), &encode_request(&request())).await;
        let wanted: &[u8] = if accepted { &[2] } else { &[3, 0, 0, 0, 0, 4, 0, 1, 1, 3] };
        assert_eq!(&answer[..wanted.len()], wanted, "{:?}", config.peers);
    }
}

#[tokio::test]
async fn a_blank_calling_title_is_rejected_even_when_anybody_may_connect() {
    let mut request = request();
    request.calling_ae = [b' '; 16];
    assert_eq!(answer(config(), &encode_request(&request)).await, [3, 0, 0, 0, 0, 4, 0, 1, 1, 3]);
}

#[tokio::test]
async fn a_server_that_nobody_may_use_does_not_start() {
    let mut config = config();
    config.accept_any_peer = false;
    assert!(matches!(Server::bind(config, Recorder::default()).await.err(), Some(ServerError::NoPeers)));
}

#[tokio::test]
async fn another_application_context_protocol_version_or_no_context_is_rejected() {
    let mut wrong = request();
    wrong.application_context = "1.2.3".to_owned();
    assert_eq!(answer(config(), &encode_request(&wrong)).await, [3, 0, 0, 0, 0, 4, 0, 1, 1, 2]);
    let mut wrong = request();
    wrong.protocol_version = 2;
    assert_eq!(answer(config(), &encode_request(&wrong)).await, [3, 0, 0, 0, 0, 4, 0, 1, 2, 2]);
    let mut wrong = request();
    wrong.contexts.clear();
    assert_eq!(answer(config(), &encode_request(&wrong)).await, [3, 0, 0, 0, 0, 4, 0, 1, 1, 1]);
}

#[tokio::test]
async fn the_handler_may_reject() {
    let script = Script { admit: Some(Rejection::CONGESTION), ..Script::default() };
    let server = start(&Recorder::scripted(script)).await;
    let mut raw = Raw::connect(server.local_addr()).await;
    raw.send(&encode_request(&request())).await;
    assert_eq!(raw.pdu().await, [3, 0, 0, 0, 0, 4, 0, 2, 3, 1]);
    assert_eq!(server.stats().associations_rejected_busy.get(), 1);
}

#[tokio::test]
async fn every_storage_class_and_transfer_syntax_is_accepted_and_nothing_else() {
    let mut request = request();
    let context = |id: usize, abstract_syntax: &str, transfer_syntax: &str| ProposedPresentationContext {
        id: id as u8,
        abstract_syntax: abstract_syntax.to_owned(),
        transfer_syntaxes: vec![transfer_syntax.to_owned()],
    };
    request.contexts = TRANSFER_SYNTAXES.iter().enumerate().map(|(n, ts)| context(2 * n + 1, CT, ts)).collect();
    let all = accepted(&request).await.contexts;
    assert_eq!(all.len(), TRANSFER_SYNTAXES.len());
    for (answer, wanted) in all.iter().zip(TRANSFER_SYNTAXES) {
        assert_eq!((answer.result, answer.transfer_syntax.as_str()), (ContextResult::Acceptance, *wanted));
    }
    request.contexts = vec![
        context(1, "1.2.840.10008.5.1.4.1.1.999.9", EXPLICIT_VR_LITTLE_ENDIAN), // storage of a later edition
        context(3, "1.3.12.2.1107.5.9.1", EXPLICIT_VR_LITTLE_ENDIAN),           // private
        context(5, "1.2.840.10008.5.1.4.1.2.2.1", EXPLICIT_VR_LITTLE_ENDIAN),   // Study Root FIND
        context(7, CT, "1.2.840.10008.1.2.4.94"),                               // JPIP: the pixels are elsewhere
        context(8, CT, EXPLICIT_VR_LITTLE_ENDIAN),                              // even identifier, as some senders use
    ];
    let results: Vec<_> = accepted(&request).await.contexts.iter().map(|context| context.result).collect();
    use ContextResult::*;
    assert_eq!(results, [Acceptance, Acceptance, AbstractSyntaxNotSupported, TransferSyntaxesNotSupported, Acceptance]);
}

#[tokio::test]
async fn of_several_transfer_syntaxes_the_one_that_loses_nothing_is_chosen() {
    let mut request = request();
    request.contexts.truncate(1);
    for (offered, wanted) in [
        (vec![IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN], EXPLICIT_VR_LITTLE_ENDIAN),
        (vec!["1.2.840.10008.1.2.4.50", IMPLICIT_VR_LITTLE_ENDIAN], IMPLICIT_VR_LITTLE_ENDIAN),
        (vec!["1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.90"], "1.2.840.10008.1.2.4.90"),
        (vec!["1.2.3.4", "1.2.840.10008.1.2.4.50"], "1.2.840.10008.1.2.4.50"),
    ] {
        request.contexts[0].abstract_syntax = CT.to_owned();
        request.contexts[0].transfer_syntaxes = offered.iter().map(|uid| (*uid).to_owned()).collect();
        assert_eq!(accepted(&request).await.contexts[0].transfer_syntax, wanted, "{offered:?}");
    }
}

#[tokio::test]
async fn operations_are_never_asynchronous() {
    let mut request = request();
    request.user.async_operations = Some((0, 0));
    assert_eq!(accepted(&request).await.user.async_operations, Some((1, 1)));
}

#[tokio::test]
async fn sop_classes_can_be_listed() {
    let mut config = config();
    config.abstract_syntaxes = AbstractSyntaxes::Only(vec!["1.2.840.10008.5.1.4.1.1.4".to_owned()]);
    let answer = answer(config, &encode_request(&request())).await;
    let results: Vec<_> = decode_accept(&answer[6..]).unwrap().contexts.iter().map(|context| context.result).collect();
    assert_eq!(results, [ContextResult::Acceptance, ContextResult::AbstractSyntaxNotSupported]);
}
