//! C-ECHO and C-STORE as provider: fragments, statuses, refusals.

use super::raw::{ABORT, CT, RELEASE_RP, RELEASE_RQ, Raw, data_pdu, echo_request, fragment, item, store_request};
use super::recorder::{Recorder, Script, start, until};
use hilum_dimse::command::{Command, CommandField};
use hilum_dimse::uids::EXPLICIT_VR_LITTLE_ENDIAN;
use hilum_dimse::{Outcome, Status};

#[tokio::test]
async fn echoes_carry_the_message_id_they_answer() {
    let server = start(&Recorder::default()).await;
    let mut raw = Raw::associated(server.local_addr()).await;
    for id in [7, 8, 0, 65535] {
        raw.send(&fragment(1, true, true, &echo_request(id))).await;
        let (context, response) = raw.response().await;
        assert_eq!(context, 1);
        assert_eq!(response.field, CommandField::EchoResponse);
        assert_eq!((response.message_id_responded_to, response.status), (Some(id), Some(Status::SUCCESS)));
        assert_eq!(response.affected_sop_class_uid.as_deref(), Some("1.2.840.10008.1.1"));
    }
    raw.send(&RELEASE_RQ).await;
    assert_eq!(raw.pdu().await, RELEASE_RP);
    drop(raw);
    until("release", || server.stats().associations_released.get() == 1).await;
    assert_eq!(server.stats().echoes.get(), 4);
    assert_eq!(server.stats().associations_open.get(), 0);
}

#[tokio::test]
async fn a_data_set_arrives_whole_however_it_is_cut() {
    let recorder = Recorder::default();
    let server = start(&recorder).await;
    let mut raw = Raw::associated(server.local_addr()).await;
    let data: Vec<u8> = (0..100_003u32).map(|n| (n * 7) as u8).collect();
    let command = store_request(5, "1.2.3");

    // Command set in fragments of one byte; data set in PDUs of one item.
    let mut one: Vec<u8> = command[..command.len() - 1].iter().flat_map(|b| fragment(3, true, false, &[*b])).collect();
    one.extend(fragment(3, true, true, &command[command.len() - 1..]));
    let (tail, chunks) = (data.len() % 1000, data.len() / 1000);
    one.extend(data.chunks(1000).take(chunks).flat_map(|chunk| fragment(3, false, false, chunk)));
    one.extend(fragment(3, false, true, &data[data.len() - tail..]));

    // Everything as items of one PDU, with an empty last fragment.
    let two = data_pdu(&[
        item(3, true, true, &command),
        item(3, false, false, &data[..1]),
        item(3, false, false, &[]),
        item(3, false, false, &data[1..]),
        item(3, false, true, &[]),
    ]);

    for bytes in [one, two] {
        raw.send(&bytes).await;
        let (context, response) = raw.response().await;
        assert_eq!((context, response.status), (3, Some(Status::SUCCESS)));
        assert_eq!(response.message_id_responded_to, Some(5));
        assert_eq!(response.affected_sop_instance_uid.as_deref(), Some("1.2.3"));
    }
    let stored = recorder.stored();
    assert_eq!(stored.len(), 2);
    for (context, received) in stored {
        assert!(received == data, "the bytes received are the bytes sent");
        assert_eq!(context.calling_ae.as_str(), "RAW");
        assert_eq!(context.called_ae.as_str(), "HILUM");
        assert_eq!((context.presentation_context_id, context.message_id), (3, 5));
        assert_eq!(context.sop_instance_uid, "1.2.3");
        assert!(!format!("{context:?}").contains("1.2.3\""), "instance UIDs are not for logs");
        assert_eq!(context.transfer_syntax, EXPLICIT_VR_LITTLE_ENDIAN);
        assert_eq!((context.abstract_syntax.as_str(), context.sop_class_uid.as_str()), (CT, CT));
    }
    assert_eq!(server.stats().data_set_bytes.get(), 2 * data.len() as u64);
    assert_eq!(server.stats().instances_stored.get(), 2);
}

#[tokio::test]
async fn several_messages_in_one_segment_are_answered_in_order() {
    let recorder = Recorder::default();
    let server = start(&recorder).await;
    let mut raw = Raw::associated(server.local_addr()).await;
    let mut bytes = Vec::new();
    for id in 1..=20u16 {
        bytes.extend(fragment(3, true, true, &store_request(id, &format!("1.2.{id}"))));
        bytes.extend(fragment(3, false, true, &id.to_be_bytes()));
    }
    bytes.extend(RELEASE_RQ);
    raw.send(&bytes).await;
    for id in 1..=20 {
        assert_eq!(raw.response().await.1.message_id_responded_to, Some(id));
    }
    assert_eq!(raw.pdu().await, RELEASE_RP);
    assert_eq!(recorder.stored().len(), 20);
}

#[tokio::test]
async fn refusals_are_answered_after_the_data_set_and_the_association_lives_on() {
    let full = Outcome::with_comment(Status::OUT_OF_RESOURCES, "disk reserve reached");
    let scripts = [
        Script { begin: Some(full.clone()), ..Script::default() },
        Script { write: Some((10_000, full.clone())), ..Script::default() },
        Script { finish: full, ..Script::default() },
    ];
    for (n, script) in scripts.into_iter().enumerate() {
        let recorder = Recorder::scripted(script);
        let server = start(&recorder).await;
        let mut raw = Raw::associated(server.local_addr()).await;
        raw.send(&fragment(3, true, true, &store_request(1, "1.2.3"))).await;
        for _ in 0..30 {
            raw.send(&fragment(3, false, false, &[0; 1000])).await;
        }
        raw.send(&fragment(3, false, true, &[0; 1000])).await;
        let (_, response) = raw.response().await;
        assert_eq!(response.status, Some(Status::OUT_OF_RESOURCES), "script {n}");
        assert_eq!(response.error_comment.as_deref(), Some("disk reserve reached"), "script {n}");
        raw.send(&fragment(1, true, true, &echo_request(2))).await;
        assert_eq!(raw.response().await.1.status, Some(Status::SUCCESS), "script {n}");
        assert_eq!(recorder.unfinished(), usize::from(n == 1), "script {n}");
        assert_eq!(server.stats().instances_refused.get(), 1, "script {n}");
    }
}

#[tokio::test]
async fn the_handler_may_abort_or_vanish_at_any_step() {
    for (outcome, last_word) in [(Outcome::Abort, Some(ABORT.to_vec())), (Outcome::Disconnect, None)] {
        let scripts = [
            Script { begin: Some(outcome.clone()), ..Script::default() },
            Script { write: Some((1, outcome.clone())), ..Script::default() },
            Script { finish: outcome, ..Script::default() },
        ];
        for script in scripts {
            let server = start(&Recorder::scripted(script)).await;
            let mut raw = Raw::associated(server.local_addr()).await;
            raw.send(&fragment(3, true, true, &store_request(1, "1.2.3"))).await;
            // The server may be gone before the data set is.
            let _sent = tokio::io::AsyncWriteExt::write_all(&mut raw.0, &fragment(3, false, true, &[1; 64])).await;
            assert_eq!(raw.try_pdu().await, last_word);
        }
    }
}

#[tokio::test]
async fn a_sink_is_dropped_unfinished_when_the_sender_aborts_releases_or_vanishes() {
    for last in [ABORT.to_vec(), RELEASE_RQ.to_vec(), Vec::new()] {
        let recorder = Recorder::default();
        let server = start(&recorder).await;
        let mut raw = Raw::associated(server.local_addr()).await;
        raw.send(&fragment(3, true, true, &store_request(1, "1.2.3"))).await;
        raw.send(&fragment(3, false, false, &[0; 5000])).await;
        raw.send(&last).await;
        drop(raw);
        until("the sink is dropped", || recorder.unfinished() == 1).await;
        assert!(recorder.stored().is_empty());
    }
}

#[tokio::test]
async fn operations_we_do_not_have_are_answered_and_cancels_ignored() {
    let server = start(&Recorder::default()).await;
    let mut raw = Raw::associated(server.local_addr()).await;
    let find = Command {
        affected_sop_class_uid: Some(CT.to_owned()),
        message_id: Some(9),
        has_data_set: true,
        ..Command::new(CommandField::Other(0x0020))
    };
    raw.send(&fragment(3, true, true, &find.encode())).await;
    raw.send(&fragment(3, false, true, &[0; 100])).await;
    let (_, response) = raw.response().await;
    assert_eq!(response.field, CommandField::Other(0x8020));
    assert_eq!(response.status, Some(Status::UNRECOGNIZED_OPERATION));
    assert_eq!(response.message_id_responded_to, Some(9));

    let cancel = Command { message_id_responded_to: Some(9), ..Command::new(CommandField::CancelRequest) };
    raw.send(&fragment(3, true, true, &cancel.encode())).await;
    raw.send(&fragment(1, true, true, &echo_request(10))).await;
    assert_eq!(raw.response().await.1.message_id_responded_to, Some(10), "no response to the cancel");

    let empty = Command { has_data_set: false, ..Command::decode(&store_request(11, "1.2.3")).unwrap() };
    raw.send(&fragment(3, true, true, &empty.encode())).await;
    assert_eq!(raw.response().await.1.status, Some(Status::CANNOT_UNDERSTAND), "a store without a data set");
}
