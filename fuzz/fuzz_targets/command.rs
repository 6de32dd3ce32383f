//! Command sets of a hostile peer: no panic, bounded, and numbers survive being written again.
#![no_main]

use hilum_dimse::Status;
use hilum_dimse::command::{COMMAND_SET_LENGTH_MAX, Command};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(command) = Command::decode(bytes) else { return };
    assert!(bytes.len() <= COMMAND_SET_LENGTH_MAX);
    let again = Command::decode(&command.encode()).expect("what we write is well formed");
    assert_eq!((again.field, again.message_id, again.status), (command.field, command.message_id, command.status));
    let response = Command::decode(&command.respond(Status::SUCCESS, None).encode()).expect("and so is the response");
    assert_eq!(response.message_id_responded_to, Some(command.message_id.unwrap_or(0)));
});
