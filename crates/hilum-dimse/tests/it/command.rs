//! Command sets against the encoding rules of PS3.7 and against properties.

use hilum_dimse::Status;
use hilum_dimse::command::{COMMAND_SET_LENGTH_MAX, Command, CommandError, CommandField};
use proptest::prelude::*;

/// C-STORE-RQ written by hand after PS3.7 table 9.3-1.
fn store_request() -> Vec<u8> {
    let mut bytes = vec![
        0x00, 0x00, 0x00, 0x00, 4, 0, 0, 0, 0x6c, 0, 0, 0, // (0000,0000) group length 108
        0x00, 0x00, 0x02, 0x00, 26, 0, 0, 0, // (0000,0002) affected SOP class UID, 26 bytes
    ];
    bytes.extend_from_slice(b"1.2.840.10008.5.1.4.1.1.2\0");
    bytes.extend_from_slice(&[0x00, 0x00, 0x00, 0x01, 2, 0, 0, 0, 0x01, 0x00]); // (0000,0100) C-STORE-RQ
    bytes.extend_from_slice(&[0x00, 0x00, 0x10, 0x01, 2, 0, 0, 0, 0x07, 0x00]); // (0000,0110) message id 7
    bytes.extend_from_slice(&[0x00, 0x00, 0x00, 0x07, 2, 0, 0, 0, 0x00, 0x00]); // (0000,0700) priority medium
    bytes.extend_from_slice(&[0x00, 0x00, 0x00, 0x08, 2, 0, 0, 0, 0x01, 0x00]); // (0000,0800) a data set follows
    bytes.extend_from_slice(&[0x00, 0x00, 0x00, 0x10, 26, 0, 0, 0]); // (0000,1000) affected SOP instance UID
    bytes.extend_from_slice(b"1.2.3.4.5.6.7.8.9.10.11.12");
    bytes
}

#[test]
fn a_store_request_reads_and_writes_as_the_standard_says() {
    let command = Command::decode(&store_request()).unwrap();
    assert_eq!(command.field, CommandField::StoreRequest);
    assert_eq!(command.affected_sop_class_uid.as_deref(), Some("1.2.840.10008.5.1.4.1.1.2"));
    assert_eq!(command.affected_sop_instance_uid.as_deref(), Some("1.2.3.4.5.6.7.8.9.10.11.12"));
    assert_eq!((command.message_id, command.priority, command.has_data_set), (Some(7), Some(0), true));
    assert_eq!(command.encode(), store_request());
}

#[test]
fn a_response_repeats_id_and_uids_and_bounds_its_comment() {
    let comment = "disk reserve reached, ä, and much more text than the sixty-four characters of an LO value";
    let request = Command::decode(&store_request()).unwrap();
    let response = request.respond(Status::OUT_OF_RESOURCES, Some(comment.to_owned()));
    let read = Command::decode(&response.encode()).unwrap();
    assert_eq!(read.field, CommandField::StoreResponse);
    assert_eq!(read.message_id_responded_to, Some(7));
    assert_eq!(read.status, Some(Status(0xA700)));
    assert!(!read.has_data_set);
    assert_eq!(read.affected_sop_instance_uid, request.affected_sop_instance_uid);
    let wanted = "disk reserve reached, ?, and much more text than the sixty-four ";
    assert_eq!(read.error_comment.as_deref(), Some(wanted.trim_end()));
}

#[test]
fn uids_that_never_were_valid_are_not_sent_back() {
    let mut command = Command::new(CommandField::StoreRequest);
    command.affected_sop_instance_uid = Some("9".repeat(65));
    let response = Command::decode(&command.respond(Status::SUCCESS, None).encode()).unwrap();
    assert_eq!(response.affected_sop_instance_uid, None);
}

#[test]
fn what_is_wrong_is_named() {
    let good = store_request();
    assert_eq!(Command::decode(&[]), Err(CommandError::NoCommandField));
    assert_eq!(Command::decode(&good[..good.len() - 1]), Err(CommandError::Truncated));
    assert_eq!(Command::decode(&good[..5]), Err(CommandError::Truncated));
    let element = |group: u16, number: u16, length: u32, value: &[u8]| {
        [&group.to_le_bytes()[..], &number.to_le_bytes(), &length.to_le_bytes(), value].concat()
    };
    assert_eq!(Command::decode(&element(0, 0x0100, u32::MAX, &[1, 0])), Err(CommandError::Truncated));
    assert_eq!(Command::decode(&element(0, 0x0100, 1, &[1])), Err(CommandError::NotANumber(0x0100)));
    assert_eq!(Command::decode(&element(8, 0x0018, 0, &[])), Err(CommandError::ForeignGroup(8)));
    // At the limit and one beyond: an element without meaning fills the set up.
    let filler = |length: usize| {
        let filled = length - 10 - 8;
        [element(0, 0x0100, 2, &[0x30, 0]), element(0, 0x5000, filled as u32, &vec![0; filled])].concat()
    };
    assert!(Command::decode(&filler(COMMAND_SET_LENGTH_MAX)).is_ok());
    assert_eq!(Command::decode(&filler(COMMAND_SET_LENGTH_MAX + 1)), Err(CommandError::TooLong));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Command::decode(&bytes);
    }

    #[test]
    fn no_mutation_panics_and_what_reads_writes_again(position in 0usize..120, byte in any::<u8>()) {
        let mut bytes = store_request();
        let position = position % bytes.len();
        bytes[position] = byte;
        if let Ok(command) = Command::decode(&bytes) {
            let again = Command::decode(&command.encode()).unwrap();
            prop_assert_eq!(again.field, command.field);
            prop_assert_eq!(again.message_id, command.message_id);
        }
    }
}
