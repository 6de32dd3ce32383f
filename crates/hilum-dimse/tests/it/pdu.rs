//! Encoding and decoding against bytes recorded from DCMTK and against properties.

use hilum_dimse::pdu::*;
use proptest::prelude::*;

/// A-ASSOCIATE-RQ of DCMTK 3.6.7 `echoscu -aet ECHOSCU -aec HILUM`, as recorded.
pub(crate) fn recorded_request() -> Vec<u8> {
    let mut bytes = vec![
        0x01, 0x00, // A-ASSOCIATE-RQ, reserved
        0x00, 0x00, 0x00, 0xcd, // 205 bytes follow
        0x00, 0x01, // protocol version 1
        0x00, 0x00, // reserved
    ];
    bytes.extend_from_slice(b"HILUM           "); // called AE title
    bytes.extend_from_slice(b"ECHOSCU         "); // calling AE title
    bytes.extend_from_slice(&[0; 32]); // reserved
    bytes.extend_from_slice(&[0x10, 0x00, 0x00, 0x15]); // application context item, 21 bytes
    bytes.extend_from_slice(b"1.2.840.10008.3.1.1.1");
    bytes.extend_from_slice(&[0x20, 0x00, 0x00, 0x2e]); // presentation context item, 46 bytes
    bytes.extend_from_slice(&[0x01, 0x00, 0xff, 0x00]); // context 1, reserved bytes, DCMTK writes ff
    bytes.extend_from_slice(&[0x30, 0x00, 0x00, 0x11]); // abstract syntax sub-item, 17 bytes
    bytes.extend_from_slice(b"1.2.840.10008.1.1");
    bytes.extend_from_slice(&[0x40, 0x00, 0x00, 0x11]); // transfer syntax sub-item, 17 bytes
    bytes.extend_from_slice(b"1.2.840.10008.1.2");
    bytes.extend_from_slice(&[0x50, 0x00, 0x00, 0x3a]); // user information item, 58 bytes
    bytes.extend_from_slice(&[0x51, 0x00, 0x00, 0x04, 0x00, 0x00, 0x40, 0x00]); // maximum length 16384
    bytes.extend_from_slice(&[0x52, 0x00, 0x00, 0x1b]); // implementation class UID sub-item, 27 bytes
    bytes.extend_from_slice(b"1.2.276.0.7230010.3.0.3.6.7");
    bytes.extend_from_slice(&[0x55, 0x00, 0x00, 0x0f]); // implementation version name sub-item, 15 bytes
    bytes.extend_from_slice(b"OFFIS_DCMTK_367");
    bytes
}

#[test]
fn a_recorded_request_reads_field_by_field() {
    let bytes = recorded_request();
    let header = PduHeader::decode(*bytes.first_chunk().unwrap()).check().unwrap();
    assert_eq!(header, PduHeader { kind: PduKind::AssociateRequest, length: 205 });
    let request = decode_request(&bytes[6..]).unwrap();
    assert_eq!(&request.called_ae, b"HILUM           ");
    assert_eq!(&request.calling_ae, b"ECHOSCU         ");
    assert_eq!(request.application_context, "1.2.840.10008.3.1.1.1");
    assert_eq!(request.contexts.len(), 1);
    assert_eq!(request.contexts[0].id, 1);
    assert_eq!(request.contexts[0].abstract_syntax, "1.2.840.10008.1.1");
    assert_eq!(request.contexts[0].transfer_syntaxes, ["1.2.840.10008.1.2"]);
    assert_eq!(request.user.max_pdu_length, 16384);
    assert_eq!(request.user.implementation_version_name.as_deref(), Some("OFFIS_DCMTK_367"));
    assert_eq!(request.user.async_operations, None);
}

#[test]
fn a_request_written_is_the_one_recorded_apart_from_reserved_bytes() {
    let mut recorded = recorded_request();
    let written = encode_request(&decode_request(&recorded[6..]).unwrap());
    let reserved = recorded.iter().position(|byte| *byte == 0xff).unwrap();
    recorded[reserved] = 0;
    assert_eq!(written, recorded);
}

#[test]
fn unknown_user_items_are_skipped_and_known_ones_after_them_are_read() {
    let mut bytes = recorded_request();
    let user = bytes.len() - 62;
    let extra = [
        0x58, 0x00, 0x00, 0x08, 0x01, 0x01, 0x00, 0x02, b'm', b'e', 0x00,
        0x00, // user identity: name, wants an answer
        0x53, 0x00, 0x00, 0x04, 0x00, 0x05, 0x00, 0x07, // asynchronous operations 5, 7
        0x5f, 0x00, 0x00, 0x01, 0x2a, // no such item
    ];
    bytes.extend_from_slice(&extra);
    bytes[user + 3] += extra.len() as u8;
    let request = decode_request(&bytes[6..]).unwrap();
    assert_eq!(request.user.async_operations, Some((5, 7)));
    assert_eq!(request.user.max_pdu_length, 16384);
}

#[test]
fn a_request_cut_anywhere_is_an_error_and_never_a_panic() {
    let bytes = recorded_request();
    // Whole items make a shorter but well-formed request once the application context is there.
    let whole = [68 + 25, 68 + 25 + 50];
    for length in 0..bytes.len() - 6 {
        assert_eq!(decode_request(&bytes[6..6 + length]).is_ok(), whole.contains(&length), "{length} bytes");
    }
}

#[test]
fn lengths_are_checked_at_the_limit_and_one_beyond() {
    let ok = |kind, length| PduHeader { kind, length }.check().is_ok();
    for (kind, shortest, longest) in [
        (PduKind::AssociateRequest, 68, ASSOCIATE_PDU_LENGTH_MAX),
        (PduKind::AssociateAccept, 68, ASSOCIATE_PDU_LENGTH_MAX),
        (PduKind::Data, 6, DATA_PDU_LENGTH_MAX),
        (PduKind::ReleaseRequest, 4, 4),
        (PduKind::ReleaseResponse, 4, 4),
        (PduKind::AssociateReject, 4, 4),
        (PduKind::Abort, 4, 4),
    ] {
        assert!(ok(kind, shortest) && ok(kind, longest), "{kind:?}");
        assert!(!ok(kind, shortest - 1) && !ok(kind, longest + 1) && !ok(kind, u32::MAX), "{kind:?}");
    }
}

#[test]
fn presentation_data_value_lengths_agree_with_the_pdu() {
    let decode = |length: u32, remaining| {
        let [a, b, c, d] = length.to_be_bytes();
        PdvHeader::decode([a, b, c, d, 3, 2], remaining)
    };
    assert_eq!(
        decode(12, 16),
        Ok(PdvHeader { data_length: 10, context_id: 3, is_command: false, is_last: true }),
        "an item that fills the rest of its PDU"
    );
    assert_eq!(decode(13, 16), Err(PduError::ItemOverrun), "one byte more than there is");
    assert_eq!(decode(u32::MAX, 16), Err(PduError::ItemOverrun));
    assert_eq!(decode(2, 6).map(|pdv| pdv.data_length), Ok(0), "an empty fragment");
    assert_eq!(decode(1, 6), Err(PduError::ItemOverrun), "shorter than its own header");
    assert_eq!(decode(2, 3), Err(PduError::Truncated));
}

#[test]
fn contexts_are_distinct() {
    let mut request = decode_request(&recorded_request()[6..]).unwrap();
    request.contexts.push(request.contexts[0].clone());
    assert_eq!(decode_request(&encode_request(&request)[6..]), Err(PduError::DuplicateContext(1)));
}

#[test]
fn fixed_pdus_have_the_bytes_of_the_standard() {
    assert_eq!(encode_reject(AssociateReject::CALLED_AE), [3, 0, 0, 0, 0, 4, 0, 1, 1, 7]);
    assert_eq!(encode_reject(AssociateReject::LOCAL_LIMIT), [3, 0, 0, 0, 0, 4, 0, 2, 3, 2]);
    assert_eq!(encode_release(PduKind::ReleaseRequest), [5, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    assert_eq!(encode_release(PduKind::ReleaseResponse), [6, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    let abort = encode_abort(AbortSource::ServiceProvider, AbortReason::UnexpectedPdu);
    assert_eq!(abort, [7, 0, 0, 0, 0, 4, 0, 0, 2, 2]);
    assert_eq!(decode_reject([0, 2, 3, 2]), AssociateReject::LOCAL_LIMIT);
    assert_eq!(decode_abort([0, 0, 2, 2]), (AbortSource::ServiceProvider, AbortReason::UnexpectedPdu));
}

fn uid() -> impl Strategy<Value = String> {
    "[0-9]{1,4}(\\.[0-9]{1,9}){1,5}"
}

fn user() -> impl Strategy<Value = UserInformation> {
    let parts = (any::<u32>(), uid(), proptest::option::of("[A-Z0-9_.]{1,16}"), any::<Option<(u16, u16)>>());
    parts.prop_map(|(max_pdu_length, implementation_class_uid, implementation_version_name, async_operations)| {
        UserInformation { max_pdu_length, implementation_class_uid, implementation_version_name, async_operations }
    })
}

proptest! {
    #[test]
    fn requests_survive_a_round_trip(
        called_ae in any::<[u8; 16]>(), calling_ae in any::<[u8; 16]>(), user in user(),
        contexts in proptest::collection::btree_map(any::<u8>(), (uid(), proptest::collection::vec(uid(), 0..5)), 0..40),
    ) {
        let contexts = contexts.into_iter().map(|(id, (abstract_syntax, transfer_syntaxes))| {
            ProposedPresentationContext { id, abstract_syntax, transfer_syntaxes }
        });
        let request = AssociateRequest {
            protocol_version: 1, called_ae, calling_ae, application_context: "1.2.840.10008.3.1.1.1".to_owned(),
            contexts: contexts.collect(), user,
        };
        prop_assert_eq!(decode_request(&encode_request(&request)[6..]), Ok(request));
    }

    #[test]
    fn answers_survive_a_round_trip(
        called_ae in any::<[u8; 16]>(), user in user(),
        contexts in proptest::collection::vec((any::<u8>(), uid()), 0..40),
    ) {
        let contexts = contexts.into_iter().map(|(id, transfer_syntax)| {
            NegotiatedContext { id, result: ContextResult::Acceptance, transfer_syntax }
        });
        let accept = AssociateAccept {
            called_ae, calling_ae: called_ae, application_context: "1.2.840.10008.3.1.1.1".to_owned(),
            contexts: contexts.collect(), user,
        };
        prop_assert_eq!(decode_accept(&encode_accept(&accept)[6..]), Ok(accept));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = decode_request(&bytes);
        let _ = decode_accept(&bytes);
    }

    #[test]
    fn no_mutation_of_a_request_panics(position in 0usize..205, byte in any::<u8>()) {
        let mut bytes = recorded_request();
        bytes[6 + position] = byte;
        let _ = decode_request(&bytes[6..]);
    }
}
