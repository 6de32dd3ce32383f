//! A peer that sends any bytes and reads whole PDUs.

use hilum_dimse::command::{Command, CommandField};
use hilum_dimse::pdu::{
    AssociateRequest, PdvHeader, ProposedPresentationContext, UserInformation, encode_data_header, encode_request,
};
use hilum_dimse::uids::{APPLICATION_CONTEXT, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const RELEASE_RQ: [u8; 10] = [5, 0, 0, 0, 0, 4, 0, 0, 0, 0];
pub(crate) const RELEASE_RP: [u8; 10] = [6, 0, 0, 0, 0, 4, 0, 0, 0, 0];
/// A-ABORT by the service user, reason not significant.
pub(crate) const ABORT: [u8; 10] = [7, 0, 0, 0, 0, 4, 0, 0, 0, 0];

/// A-ABORT by the service provider.
pub(crate) fn provider_abort(reason: u8) -> Vec<u8> {
    vec![7, 0, 0, 0, 0, 4, 0, 0, 2, reason]
}

pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(addr: SocketAddr) -> Raw {
        Raw(TcpStream::connect(addr).await.unwrap())
    }

    /// Connects and negotiates Verification (context 1) and CT (context 3).
    pub(crate) async fn associated(addr: SocketAddr) -> Raw {
        let mut raw = Raw::connect(addr).await;
        raw.send(&encode_request(&request())).await;
        let accept = raw.pdu().await;
        assert_eq!(accept[0], 2, "A-ASSOCIATE-AC expected, got {:?}", &accept[..10]);
        raw
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next PDU with its header.
    pub(crate) async fn pdu(&mut self) -> Vec<u8> {
        self.try_pdu().await.expect("a PDU, not the end of the connection")
    }

    /// The next PDU, or `None` when the connection ends without one.
    pub(crate) async fn try_pdu(&mut self) -> Option<Vec<u8>> {
        let read = async {
            let mut pdu = vec![0; 6];
            self.0.read_exact(&mut pdu).await.ok()?;
            let length = u32::from_be_bytes(pdu[2..6].try_into().unwrap()) as usize;
            pdu.resize(6 + length, 0);
            self.0.read_exact(&mut pdu[6..]).await.ok()?;
            Some(pdu)
        };
        timeout(super::recorder::SOON, read).await.expect("the server answers or closes")
    }

    /// The next PDU, which must be a response in one fragment: its context and command.
    pub(crate) async fn response(&mut self) -> (u8, Command) {
        let pdu = self.pdu().await;
        assert_eq!((pdu[0], pdu[11]), (4, 3), "P-DATA-TF with one last command fragment: {:?}", &pdu[..10]);
        (pdu[10], Command::decode(&pdu[12..]).unwrap())
    }

    /// Nothing more comes.
    pub(crate) async fn closed(&mut self) {
        assert_eq!(self.try_pdu().await, None);
    }
}

pub(crate) fn request() -> AssociateRequest {
    let context = |id, uid: &str| ProposedPresentationContext {
        id,
        abstract_syntax: uid.to_owned(),
        transfer_syntaxes: vec![EXPLICIT_VR_LITTLE_ENDIAN.to_owned(), IMPLICIT_VR_LITTLE_ENDIAN.to_owned()],
    };
    AssociateRequest {
        protocol_version: 1,
        called_ae: *b"HILUM           ",
        calling_ae: *b"RAW             ",
        application_context: APPLICATION_CONTEXT.to_owned(),
        contexts: vec![context(1, VERIFICATION), context(3, CT)],
        user: UserInformation {
            max_pdu_length: 16384,
            implementation_class_uid: "1.2.3".to_owned(),
            implementation_version_name: None,
            async_operations: None,
        },
    }
}

/// One fragment as a P-DATA-TF of its own.
pub(crate) fn fragment(context_id: u8, is_command: bool, is_last: bool, data: &[u8]) -> Vec<u8> {
    let pdv = PdvHeader { data_length: data.len() as u32, context_id, is_command, is_last };
    [&encode_data_header(pdv)[..], data].concat()
}

/// The same without the PDU header, to put several into one PDU.
pub(crate) fn item(context_id: u8, is_command: bool, is_last: bool, data: &[u8]) -> Vec<u8> {
    fragment(context_id, is_command, is_last, data)[6..].to_vec()
}

/// One P-DATA-TF around items.
pub(crate) fn data_pdu(items: &[Vec<u8>]) -> Vec<u8> {
    let body = items.concat();
    [&[4, 0][..], &(body.len() as u32).to_be_bytes(), &body].concat()
}

pub(crate) fn echo_request(message_id: u16) -> Vec<u8> {
    Command {
        affected_sop_class_uid: Some(VERIFICATION.to_owned()),
        message_id: Some(message_id),
        ..Command::new(CommandField::EchoRequest)
    }
    .encode()
}

pub(crate) fn store_request(message_id: u16, sop_instance_uid: &str) -> Vec<u8> {
    Command {
        affected_sop_class_uid: Some(CT.to_owned()),
        message_id: Some(message_id),
        priority: Some(0),
        has_data_set: true,
        affected_sop_instance_uid: Some(sop_instance_uid.to_owned()),
        ..Command::new(CommandField::StoreRequest)
    }
    .encode()
}

/// C-ECHO works, whatever happened before to others.
pub(crate) async fn assert_alive(addr: SocketAddr) {
    let mut raw = Raw::associated(addr).await;
    raw.send(&fragment(1, true, true, &echo_request(77))).await;
    let (_, response) = raw.response().await;
    assert_eq!((response.message_id_responded_to, response.status.unwrap().0), (Some(77), 0));
    raw.send(&RELEASE_RQ).await;
    assert_eq!(raw.pdu().await, RELEASE_RP);
}
