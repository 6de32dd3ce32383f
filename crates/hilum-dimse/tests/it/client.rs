//! The user side, against our own server and against peers that misbehave.

use super::raw::{CT, RELEASE_RP, RELEASE_RQ, Raw, fragment};
use super::recorder::{Recorder, Script, config, start};
use super::tools::reserved_port;
use hilum_dimse::command::{Command, CommandField};
use hilum_dimse::pdu::{
    AbortReason, AbortSource, AssociateAccept, AssociateReject, ContextResult, NegotiatedContext, decode_request,
    encode_accept, encode_reject,
};
use hilum_dimse::uids::{APPLICATION_CONTEXT, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION};
use hilum_dimse::{
    Association, AssociationOptions, ClientError, ClientErrorKind, DataSet, Outcome, ProposedContext, Server, Status,
    StatusClass, StoreRequest, Timeouts, echo,
};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// As patient as by default: a peer that does answer may take its time.
fn options(contexts: Vec<ProposedContext>) -> AssociationOptions {
    AssociationOptions::new("SENDER".parse().unwrap(), "HILUM".parse().unwrap(), contexts)
}

/// For the one step that its peer never takes.
const SHORT: Duration = Duration::from_millis(200);

fn ct() -> Vec<ProposedContext> {
    vec![ProposedContext::new(CT, EXPLICIT_VR_LITTLE_ENDIAN), ProposedContext::verification()]
}

fn ct_request(data: &[u8]) -> StoreRequest<'_> {
    StoreRequest {
        sop_class_uid: CT,
        sop_instance_uid: "1.2.3",
        transfer_syntax: EXPLICIT_VR_LITTLE_ENDIAN,
        data: DataSet::Bytes(data),
    }
}

/// A peer that accepts one connection, answers the request with `accept` and then does as the closure says.
async fn peer<F, Fut>(accept_pdu: impl Fn(&[u8]) -> Vec<u8> + Send + 'static, then: F) -> (SocketAddr, JoinHandle<()>)
where
    F: FnOnce(Raw) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut raw = Raw(listener.accept().await.unwrap().0);
        let request = raw.pdu().await;
        raw.send(&accept_pdu(&request[6..])).await;
        then(raw).await;
    });
    (addr, task)
}

/// Accepts every context with the first transfer syntax offered, taking PDUs of this length.
fn accept_all(max_pdu_length: u32) -> impl Fn(&[u8]) -> Vec<u8> {
    move |request| {
        let request = decode_request(request).unwrap();
        let context = |proposed: &hilum_dimse::pdu::ProposedPresentationContext| NegotiatedContext {
            id: proposed.id,
            result: ContextResult::Acceptance,
            transfer_syntax: proposed.transfer_syntaxes[0].clone(),
        };
        let mut user = request.user.clone();
        user.max_pdu_length = max_pdu_length;
        encode_accept(&AssociateAccept {
            called_ae: request.called_ae,
            calling_ae: request.calling_ae,
            application_context: APPLICATION_CONTEXT.to_owned(),
            contexts: request.contexts.iter().map(context).collect(),
            user,
        })
    }
}

#[tokio::test]
async fn what_is_stored_is_what_was_sent_from_memory_and_from_a_stream() {
    for max_pdu_length in [128, 4096, 16384, 256 << 10, 0] {
        let recorder = Recorder::default();
        let mut config = config();
        config.max_pdu_length = max_pdu_length;
        let server = Server::bind(config, recorder.clone()).await.unwrap();
        let mut association = Association::connect(server.local_addr(), &options(ct())).await.unwrap();
        assert_eq!(association.echo().await.unwrap(), Status::SUCCESS);
        // Around multiples of what fits into one PDU of 128 and of 4096 bytes.
        let lengths = [0, 1, 121, 122, 123, 244, 4089, 4090, 4091, 8180, 300_001];
        for length in lengths {
            let data: Vec<u8> = (0..length as u32).map(|n| (n * 31) as u8).collect();
            let response = association.store(ct_request(&data)).await.unwrap();
            assert_eq!((response.status, response.class()), (Status::SUCCESS, StatusClass::Success));
            let mut stream = &data[..];
            let request = StoreRequest { data: DataSet::Stream(&mut stream), ..ct_request(&[]) };
            assert_eq!(association.store(request).await.unwrap().status, Status::SUCCESS);
        }
        association.release().await.unwrap();
        let stored = recorder.stored();
        assert_eq!(stored.len(), 2 * lengths.len());
        for (n, (context, data)) in stored.iter().enumerate() {
            // Of odd length are deflated data sets only; a NUL makes them even (PS3.5 section A.5).
            let (data, padding) = data.split_at(lengths[n / 2]);
            assert_eq!(padding, &[0][..data.len() % 2]);
            assert!(data.iter().enumerate().all(|(n, byte)| *byte == (n as u32 * 31) as u8));
            assert_eq!(context.calling_ae.as_str(), "SENDER");
        }
    }
}

#[tokio::test]
async fn statuses_come_back_with_their_class_and_comment() {
    for (status, class) in [
        (Status::COERCION_OF_DATA_ELEMENTS, StatusClass::Warning),
        (Status::OUT_OF_RESOURCES, StatusClass::TransientRefusal),
        (Status::DATA_SET_DOES_NOT_MATCH_SOP_CLASS, StatusClass::PermanentRefusal),
        (Status::SOP_CLASS_NOT_SUPPORTED, StatusClass::PermanentRefusal),
    ] {
        let finish = Outcome::with_comment(status, "because");
        let server = start(&Recorder::scripted(Script { finish, ..Script::default() })).await;
        let mut association = Association::connect(server.local_addr(), &options(ct())).await.unwrap();
        let response = association.store(ct_request(&[0; 10])).await.unwrap();
        assert_eq!((response.status, response.class()), (status, class));
        assert_eq!(response.error_comment.as_deref(), Some("because"));
        association.release().await.unwrap();
    }
}

#[tokio::test]
async fn each_pair_of_class_and_syntax_is_found_and_a_missing_one_spoils_nothing() {
    let server = start(&Recorder::default()).await;
    let jpip = "1.2.840.10008.1.2.4.94";
    let mut contexts = ct();
    contexts.push(ProposedContext::new(CT, IMPLICIT_VR_LITTLE_ENDIAN));
    contexts.push(ProposedContext::new(CT, jpip));
    let mut association = Association::connect(server.local_addr(), &options(contexts)).await.unwrap();
    assert!(association.accepts(CT, IMPLICIT_VR_LITTLE_ENDIAN) && !association.accepts(CT, jpip));
    assert_eq!(association.accepted().count(), 3);
    let refused = StoreRequest { transfer_syntax: jpip, ..ct_request(&[]) };
    let error = association.store(refused).await.unwrap_err();
    assert!(matches!(error, ClientError::NoAcceptedContext { .. }), "{error}");
    assert_eq!(error.kind(), ClientErrorKind::Permanent);
    let invalid = StoreRequest { sop_instance_uid: "1..2", ..ct_request(&[]) };
    assert_eq!(association.store(invalid).await.unwrap_err().kind(), ClientErrorKind::Local);
    assert_eq!(association.store(ct_request(&[])).await.unwrap().status, Status::SUCCESS);
    association.release().await.unwrap();
}

#[tokio::test]
async fn one_hundred_and_twenty_eight_contexts_and_not_one_more() {
    let server = start(&Recorder::default()).await;
    let context = |n: usize| ProposedContext::new(format!("1.2.840.10008.5.1.4.1.1.{n}"), EXPLICIT_VR_LITTLE_ENDIAN);
    let contexts: Vec<_> = (1..=129).map(context).collect();
    let association = Association::connect(server.local_addr(), &options(contexts[..128].to_vec())).await.unwrap();
    assert_eq!(association.accepted().count(), 128);
    association.release().await.unwrap();
    let error = Association::connect(server.local_addr(), &options(contexts)).await.err().unwrap();
    assert!(matches!(error, ClientError::TooManyContexts(129)));
}

#[tokio::test]
async fn echo_names_what_is_wrong() {
    let server = start(&Recorder::default()).await;
    let (us, hilum, other) = ("US".parse().unwrap(), "HILUM".parse().unwrap(), "OTHER".parse().unwrap());
    let addr = server.local_addr();
    let timeouts = Timeouts::default();
    assert_eq!(echo(addr, &us, &hilum, &timeouts).await.unwrap(), Status::SUCCESS);
    let error = echo(addr, &us, &other, &timeouts).await.unwrap_err();
    assert!(matches!(error, ClientError::Rejected(AssociateReject::CALLED_AE)), "{error}");
    assert_eq!(error.kind(), ClientErrorKind::Permanent);
    assert!(error.to_string().contains("called AE title not recognized"), "{error}");
    drop(server);
    let (_reserved, closed) = reserved_port();
    let error = echo(closed, &us, &hilum, &timeouts).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect(_)), "{error}");
    assert_eq!(error.kind(), ClientErrorKind::Transient);
}

#[tokio::test]
async fn transient_rejects_are_told_from_permanent_ones() {
    for (reject, kind) in [
        (AssociateReject::LOCAL_LIMIT, ClientErrorKind::Transient),
        (AssociateReject::CONGESTION, ClientErrorKind::Transient),
        (AssociateReject::CALLING_AE, ClientErrorKind::Permanent),
    ] {
        let (addr, task) = peer(move |_| encode_reject(reject).to_vec(), async |_| ()).await;
        let error = Association::connect(addr, &options(ct())).await.err().unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        task.await.unwrap();
    }
}

/// What a store ends with when the peer, after accepting, sends these bytes and closes.
async fn store_against(bytes: Vec<u8>) -> ClientError {
    let (addr, task) = peer(accept_all(16384), async move |mut raw: Raw| {
        raw.pdu().await;
        raw.pdu().await;
        raw.send(&bytes).await;
    })
    .await;
    let mut association = Association::connect(addr, &options(ct())).await.unwrap();
    let error = association.store(ct_request(&[0; 100])).await.unwrap_err();
    assert!(matches!(association.store(ct_request(&[])).await, Err(ClientError::Ended)), "after {error}");
    task.await.unwrap();
    error
}

#[tokio::test]
async fn aborts_silence_and_nonsense_of_the_peer_are_named() {
    let error = store_against(vec![7, 0, 0, 0, 0, 4, 0, 0, 2, 6]).await;
    assert!(
        matches!(
            error,
            ClientError::Aborted {
                abort_source: AbortSource::ServiceProvider,
                reason: AbortReason::InvalidParameterValue
            }
        ),
        "{error}"
    );
    let error = store_against(Vec::new()).await;
    assert!(matches!(error, ClientError::Closed), "{error}");
    let error = store_against(vec![4, 0, 0xff, 0xff, 0xff, 0xff]).await;
    assert!(matches!(error, ClientError::Pdu(_)), "{error}");
    let error = store_against(fragment(1, true, true, &[1, 2, 3])).await;
    assert!(matches!(error, ClientError::Command(_)), "{error}");
    let error = store_against(RELEASE_RQ.to_vec()).await;
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
    let mut other = Command::new(CommandField::StoreResponse);
    (other.message_id_responded_to, other.status) = (Some(999), Some(Status::SUCCESS));
    let error = store_against(fragment(1, true, true, &other.encode())).await;
    assert!(matches!(error, ClientError::Protocol(_)), "an answer to another message: {error}");
}

#[tokio::test]
async fn every_step_with_a_silent_peer_ends() {
    // Accepts the connection and never answers the request.
    let (addr, task) = peer(|_| Vec::new(), async |mut raw: Raw| drop(raw.try_pdu().await)).await;
    let mut impatient = options(ct());
    impatient.timeouts.association = SHORT;
    let error = Association::connect(addr, &impatient).await.err().unwrap();
    assert!(matches!(error, ClientError::TimedOut("answer the association request")), "{error}");
    task.await.unwrap();
    // Never answers the store.
    let (addr, task) = peer(accept_all(16384), async |mut raw: Raw| while raw.try_pdu().await.is_some() {}).await;
    let mut impatient = options(ct());
    impatient.timeouts.response = SHORT;
    let mut association = Association::connect(addr, &impatient).await.unwrap();
    let error = association.store(ct_request(&[0; 100])).await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut("respond")), "{error}");
    drop(association);
    task.await.unwrap();
    // Never reads: the socket buffers fill up.
    let (release, wait) = tokio::sync::oneshot::channel::<()>();
    let (addr, task) = peer(accept_all(0), async move |raw: Raw| {
        let _released = wait.await;
        drop(raw);
    })
    .await;
    let mut impatient = options(ct());
    impatient.timeouts.send = SHORT;
    let mut association = Association::connect(addr, &impatient).await.unwrap();
    let error = association.store(ct_request(&vec![0; 64 << 20])).await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut("take what was sent")), "{error}");
    release.send(()).unwrap();
    task.await.unwrap();
    // Never answers the release.
    let (addr, task) = peer(accept_all(16384), async |mut raw: Raw| while raw.try_pdu().await.is_some() {}).await;
    let mut impatient = options(ct());
    impatient.timeouts.release = SHORT;
    let association = Association::connect(addr, &impatient).await.unwrap();
    let error = association.release().await.unwrap_err();
    assert!(matches!(error, ClientError::TimedOut("release the association")), "{error}");
    task.await.unwrap();
}

#[tokio::test]
async fn release_requests_that_cross_are_both_answered() {
    let (addr, task) = peer(accept_all(16384), async |mut raw: Raw| {
        raw.send(&RELEASE_RQ).await;
        assert_eq!(raw.pdu().await, RELEASE_RQ);
        assert_eq!(raw.pdu().await, RELEASE_RP);
        raw.send(&RELEASE_RP).await;
        raw.closed().await;
    })
    .await;
    let association = Association::connect(addr, &options(ct())).await.unwrap();
    association.release().await.unwrap();
    task.await.unwrap();
}

#[tokio::test]
async fn a_syntax_that_was_not_proposed_counts_as_refused() {
    let other_syntax = |request: &[u8]| {
        let mut answer = accept_all(16384)(request);
        let at = answer.windows(19).rposition(|bytes| bytes == EXPLICIT_VR_LITTLE_ENDIAN.as_bytes()).unwrap();
        answer[at + 18] = b'9';
        answer
    };
    let (addr, task) = peer(other_syntax, async |mut raw: Raw| while raw.try_pdu().await.is_some() {}).await;
    let association = Association::connect(addr, &options(ct())).await.unwrap();
    assert!(!association.accepts(CT, EXPLICIT_VR_LITTLE_ENDIAN));
    assert!(association.accepts(VERIFICATION, IMPLICIT_VR_LITTLE_ENDIAN));
    association.abort().await;
    task.await.unwrap();
}

#[tokio::test]
async fn a_peer_with_unusably_short_pdus_is_refused() {
    let (addr, task) = peer(accept_all(127), async |mut raw: Raw| drop(raw.try_pdu().await)).await;
    let error = Association::connect(addr, &options(ct())).await.err().unwrap();
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
    task.await.unwrap();
}
