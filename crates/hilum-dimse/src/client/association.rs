use super::{AssociationOptions, ClientError, DataSet, PROPOSED_CONTEXTS_MAX, ProposedContext, StoreRequest};
use super::{StoreResponse, Timeouts};
use crate::budget::ReadBudget;
use crate::command::{COMMAND_SET_LENGTH_MAX, Command, CommandField};
use crate::connection::{Connection, ReadError, WriteError};
use crate::pdu::{
    self, AbortReason, AbortSource, AssociateAccept, AssociateRequest, ContextResult, MAX_PDU_LENGTH_MIN,
    PDV_HEADER_LENGTH, PduHeader, PduKind, PdvHeader, ProposedPresentationContext, UserInformation, decode_abort,
    decode_accept, decode_reject, encode_abort, encode_data_header, encode_release, encode_request,
};
use crate::state::{self, Action, State};
use crate::status::Status;
use crate::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, uids};
use hilum_types::{AeTitle, Uid};
use std::time::Duration;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;

/// Longest P-DATA-TF we send, whatever the peer allows.
const SENT_PDU_LENGTH_MAX: u32 = 256 << 10;

/// For the last word on an association that failed.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Bytes before the data of a PDU with one presentation data value.
const HEADERS: usize = pdu::PDU_HEADER_LENGTH + PDV_HEADER_LENGTH;

/// An open association, as requestor. One operation at a time.
///
/// After an error other than a missing presentation context or an invalid request the association is aborted and
/// every further call gives [`ClientError::Ended`]. Dropping it closes the connection without release.
pub struct Association {
    connection: Option<Connection>,
    contexts: Vec<AcceptedContext>,
    /// Longest P-DATA-TF to send, without its header.
    pdu_length_max: usize,
    message_id: u16,
    timeouts: Timeouts,
}

struct AcceptedContext {
    id: u8,
    abstract_syntax: String,
    transfer_syntax: String,
}

impl Association {
    /// Connects and negotiates. `addr` is `host:port`, a pair of both, or a socket address.
    ///
    /// # Errors
    /// [`ClientError`]; a peer that accepts none of the contexts is no error here.
    pub async fn connect(addr: impl ToSocketAddrs, options: &AssociationOptions) -> Result<Association, ClientError> {
        if PROPOSED_CONTEXTS_MAX < options.contexts.len() {
            return Err(ClientError::TooManyContexts(options.contexts.len()));
        }
        if options.contexts.is_empty() {
            return Err(ClientError::NoContexts);
        }
        let timeouts = options.timeouts.clone();
        let stream = timeout(timeouts.connect, TcpStream::connect(addr)).await;
        let stream = stream.map_err(|_| ClientError::TimedOut("connect"))?.map_err(ClientError::Connect)?;
        let mut connection = Connection::new(stream).map_err(ClientError::Connect)?;
        let request = request(options);
        send(connection.write(&encode_request(&request), timeouts.send).await)?;
        let accept = match negotiate(&mut connection, timeouts.association).await {
            Ok(accept) => accept,
            Err(error) => {
                last_word(connection, &error).await;
                return Err(error);
            }
        };
        let contexts = accepted_contexts(&request, accept.contexts);
        let pdu_length_max = match accept.user.max_pdu_length {
            0 => SENT_PDU_LENGTH_MAX,
            length => length.min(SENT_PDU_LENGTH_MAX),
        };
        let mut association = Association {
            connection: None,
            contexts,
            pdu_length_max: pdu_length_max as usize,
            message_id: 0,
            timeouts,
        };
        if pdu_length_max < MAX_PDU_LENGTH_MIN {
            let error = ClientError::Protocol("its PDU length is too short to be used");
            last_word(connection, &error).await;
            return Err(error);
        }
        association.connection = Some(connection);
        Ok(association)
    }

    /// Whether the peer takes this SOP class in this transfer syntax.
    pub fn accepts(&self, sop_class_uid: &str, transfer_syntax: &str) -> bool {
        self.context(sop_class_uid, transfer_syntax).is_some()
    }

    /// The accepted pairs of SOP class and transfer syntax.
    pub fn accepted(&self) -> impl Iterator<Item = ProposedContext> + '_ {
        self.contexts.iter().map(|context| ProposedContext::new(&context.abstract_syntax, &context.transfer_syntax))
    }

    /// C-ECHO (PS3.7 section 9.1.5).
    ///
    /// # Errors
    /// [`ClientError`], [`ClientError::NoAcceptedContext`] when Verification was not proposed or accepted.
    pub async fn echo(&mut self) -> Result<Status, ClientError> {
        let context = self.contexts.iter().find(|context| context.abstract_syntax == uids::VERIFICATION);
        let Some(context_id) = context.map(|context| context.id) else {
            return Err(no_context(uids::VERIFICATION, uids::IMPLICIT_VR_LITTLE_ENDIAN));
        };
        let command = Command {
            affected_sop_class_uid: Some(uids::VERIFICATION.to_owned()),
            message_id: Some(self.next_message_id()),
            ..Command::new(CommandField::EchoRequest)
        };
        let response = self.operation(context_id, command, DataSet::Bytes(&[])).await?;
        Ok(response.status)
    }

    /// C-STORE (PS3.7 section 9.1.1): sends one data set and waits for the answer.
    ///
    /// # Errors
    /// [`ClientError`]; a refusal of the instance is a [`StoreResponse`].
    pub async fn store(&mut self, request: StoreRequest<'_>) -> Result<StoreResponse, ClientError> {
        let uid = |uid: &str, what| uid.parse::<Uid>().map_err(|_| ClientError::InvalidUid(what));
        let sop_class_uid = uid(request.sop_class_uid, "SOP class UID")?;
        let sop_instance_uid = uid(request.sop_instance_uid, "SOP instance UID")?;
        let Some(context) = self.context(sop_class_uid.as_str(), request.transfer_syntax) else {
            return Err(no_context(sop_class_uid.as_str(), request.transfer_syntax));
        };
        let context_id = context.id;
        let command = Command {
            affected_sop_class_uid: Some(sop_class_uid.into()),
            message_id: Some(self.next_message_id()),
            priority: Some(0),
            has_data_set: true,
            affected_sop_instance_uid: Some(sop_instance_uid.into()),
            ..Command::new(CommandField::StoreRequest)
        };
        self.operation(context_id, command, request.data).await
    }

    /// Releases the association (PS3.8 section 7.2) and closes the connection.
    ///
    /// # Errors
    /// [`ClientError`] when the peer does not agree in time; what was stored before is stored.
    pub async fn release(mut self) -> Result<(), ClientError> {
        let mut connection = self.connection.take().ok_or(ClientError::Ended)?;
        match release(&mut connection, &self.timeouts).await {
            Ok(()) => Ok(()),
            Err(error) => {
                last_word(connection, &error).await;
                Err(error)
            }
        }
    }

    /// Aborts the association (PS3.8 section 7.3) and closes the connection.
    pub async fn abort(mut self) {
        if let Some(mut connection) = self.connection.take() {
            let abort = encode_abort(AbortSource::ServiceUser, AbortReason::NotSpecified);
            if connection.write(&abort, LAST_WORD).await.is_ok() {
                connection.await_close(LAST_WORD).await;
            }
        }
    }

    fn context(&self, sop_class_uid: &str, transfer_syntax: &str) -> Option<&AcceptedContext> {
        let wanted = |context: &&AcceptedContext| {
            context.abstract_syntax == sop_class_uid && context.transfer_syntax == transfer_syntax
        };
        self.contexts.iter().find(wanted)
    }

    fn next_message_id(&mut self) -> u16 {
        self.message_id = self.message_id.wrapping_add(1);
        self.message_id
    }

    /// Sends a request and receives its response; an error ends the association.
    async fn operation(
        &mut self,
        context_id: u8,
        command: Command,
        data: DataSet<'_>,
    ) -> Result<StoreResponse, ClientError> {
        // Taken out, so that a cancelled operation leaves no association in the middle of a message.
        let mut connection = self.connection.take().ok_or(ClientError::Ended)?;
        let exchanged = async {
            match self.send(&mut connection, context_id, &command, data).await {
                Ok(()) => {}
                // Why the peer closed may lie in its last PDU, which an error of sending hides.
                Err(ClientError::Closed) => return Err(last_pdu(&mut connection).await),
                Err(error) => return Err(error),
            }
            receive(&mut connection, context_id, &command, self.timeouts.response).await
        };
        match exchanged.await {
            Ok(response) => {
                self.connection = Some(connection);
                Ok(response)
            }
            Err(error) => {
                last_word(connection, &error).await;
                Err(error)
            }
        }
    }

    async fn send(
        &self,
        connection: &mut Connection,
        context_id: u8,
        command: &Command,
        data: DataSet<'_>,
    ) -> Result<(), ClientError> {
        // Fragments have an even number of bytes (PS3.8 annex F).
        let fragment_max = (self.pdu_length_max - PDV_HEADER_LENGTH) & !1;
        let mut head = Vec::with_capacity(512);
        let command_set = command.encode();
        let mut fragments = command_set.chunks(fragment_max).peekable();
        while let Some(fragment) = fragments.next() {
            head.extend_from_slice(&header(context_id, fragment.len(), true, fragments.peek().is_none()));
            head.extend_from_slice(fragment);
        }
        if !command.has_data_set {
            return send(connection.write(&head, self.timeouts.send).await);
        }
        match data {
            DataSet::Bytes(bytes) => self.send_bytes(connection, context_id, head, bytes, fragment_max).await,
            DataSet::Stream(stream) => self.send_stream(connection, context_id, head, stream, fragment_max).await,
        }
    }

    async fn send_bytes(
        &self,
        connection: &mut Connection,
        context_id: u8,
        mut head: Vec<u8>,
        bytes: &[u8],
        fragment_max: usize,
    ) -> Result<(), ClientError> {
        let mut rest = bytes;
        loop {
            let (fragment, tail) = rest.split_at(fragment_max.min(rest.len()));
            rest = tail;
            let odd = fragment.len() % 2;
            head.extend_from_slice(&header(context_id, fragment.len() + odd, false, rest.is_empty()));
            if odd == 1 {
                // Only the last fragment can be: all others are filled.
                head.extend_from_slice(fragment);
                head.push(0);
                return send(connection.write(&head, self.timeouts.send).await);
            }
            send(connection.write_both(&head, fragment, self.timeouts.send).await)?;
            if rest.is_empty() {
                return Ok(());
            }
            head.clear();
        }
    }

    async fn send_stream(
        &self,
        connection: &mut Connection,
        context_id: u8,
        mut head: Vec<u8>,
        stream: &mut (dyn tokio::io::AsyncRead + Send + Unpin),
        fragment_max: usize,
    ) -> Result<(), ClientError> {
        // One fragment is read ahead, because the last one must be marked as such.
        let mut reader = BufReader::with_capacity(fragment_max, stream);
        let mut fragment = Vec::with_capacity(fragment_max);
        let mut next = Vec::with_capacity(fragment_max);
        fill(&mut reader, &mut fragment, fragment_max).await?;
        loop {
            next.clear();
            if fragment.len() == fragment_max {
                fill(&mut reader, &mut next, fragment_max).await?;
            }
            let is_last = next.is_empty();
            if fragment.len() % 2 == 1 {
                fragment.push(0);
            }
            head.extend_from_slice(&header(context_id, fragment.len(), false, is_last));
            send(connection.write_both(&head, &fragment, self.timeouts.send).await)?;
            if is_last {
                return Ok(());
            }
            head.clear();
            std::mem::swap(&mut fragment, &mut next);
        }
    }
}

/// Connects, sends one C-ECHO, releases: what `hilum check` asks of a peer.
///
/// # Errors
/// [`ClientError`] of the step that failed.
pub async fn echo(
    addr: impl ToSocketAddrs,
    calling_ae: &AeTitle,
    called_ae: &AeTitle,
    timeouts: &Timeouts,
) -> Result<Status, ClientError> {
    let contexts = vec![ProposedContext::verification()];
    let mut options = AssociationOptions::new(calling_ae.clone(), called_ae.clone(), contexts);
    options.timeouts = timeouts.clone();
    let mut association = Association::connect(addr, &options).await?;
    let status = association.echo().await?;
    association.release().await?;
    Ok(status)
}

fn request(options: &AssociationOptions) -> AssociateRequest {
    let context = |(n, context): (usize, &ProposedContext)| ProposedPresentationContext {
        // Odd numbers from 1 to 255; the caller has checked that there are at most 128.
        id: (2 * n + 1) as u8,
        abstract_syntax: context.abstract_syntax.clone(),
        transfer_syntaxes: vec![context.transfer_syntax.clone()],
    };
    AssociateRequest {
        protocol_version: 1,
        called_ae: padded(&options.called_ae),
        calling_ae: padded(&options.calling_ae),
        application_context: uids::APPLICATION_CONTEXT.to_owned(),
        contexts: options.contexts.iter().enumerate().map(context).collect(),
        user: UserInformation {
            max_pdu_length: options.max_pdu_length,
            implementation_class_uid: IMPLEMENTATION_CLASS_UID.to_owned(),
            implementation_version_name: Some(IMPLEMENTATION_VERSION_NAME.to_owned()),
            async_operations: None,
        },
    }
}

fn padded(title: &AeTitle) -> [u8; 16] {
    let mut padded = [b' '; 16];
    for (place, byte) in padded.iter_mut().zip(title.as_str().bytes()) {
        *place = byte;
    }
    padded
}

async fn negotiate(connection: &mut Connection, longest: Duration) -> Result<AssociateAccept, ClientError> {
    let mut budget = ReadBudget::new(longest, 0);
    let step = |error| received(error, "answer the association request");
    let header = connection.pdu_header(&mut budget).await.map_err(step)?;
    let action = state::on_pdu(State::AwaitingResponse, header.kind);
    if let Action::Abort(..) = action {
        return Err(ClientError::Protocol("it answered an association request with something else"));
    }
    let header = header.check()?;
    let body = connection.body(header.length as usize, &mut budget).await.map_err(step)?;
    match action {
        Action::Accepted => Ok(decode_accept(&body)?),
        Action::Rejected => Err(ClientError::Rejected(decode_reject(four(&body)?))),
        _ => Err(aborted(&body)?),
    }
}

fn accepted_contexts(request: &AssociateRequest, answers: Vec<pdu::NegotiatedContext>) -> Vec<AcceptedContext> {
    let mut contexts = Vec::new();
    for answer in answers.into_iter().filter(|answer| answer.result == ContextResult::Acceptance) {
        // A syntax that was not proposed cannot be sent; such a context counts as refused.
        let proposed = request.contexts.iter().find(|proposed| proposed.id == answer.id);
        if let Some(proposed) = proposed.filter(|proposed| proposed.transfer_syntaxes.contains(&answer.transfer_syntax))
        {
            let abstract_syntax = proposed.abstract_syntax.clone();
            contexts.push(AcceptedContext { id: answer.id, abstract_syntax, transfer_syntax: answer.transfer_syntax });
        }
    }
    contexts
}

/// Receives the response to `request`.
async fn receive(
    connection: &mut Connection,
    context_id: u8,
    request: &Command,
    longest: Duration,
) -> Result<StoreResponse, ClientError> {
    let mut budget = ReadBudget::new(longest, 0);
    let step = |error| received(error, "respond");
    let mut command_set = Vec::new();
    loop {
        let header = connection.pdu_header(&mut budget).await.map_err(step)?;
        data_only(connection, header, &mut budget).await?;
        let mut remaining = header.length;
        while 0 < remaining {
            if remaining < PDV_HEADER_LENGTH as u32 {
                return Err(pdu::PduError::Truncated.into());
            }
            let pdv = PdvHeader::decode(connection.pdv_header(&mut budget).await.map_err(step)?, remaining)?;
            remaining -= PDV_HEADER_LENGTH as u32 + pdv.data_length;
            if !pdv.is_command || pdv.context_id != context_id {
                return Err(ClientError::Protocol("its response has a data set or another presentation context"));
            }
            if COMMAND_SET_LENGTH_MAX < command_set.len() + pdv.data_length as usize {
                return Err(crate::command::CommandError::TooLong.into());
            }
            command_set.extend_from_slice(&connection.body(pdv.data_length as usize, &mut budget).await.map_err(step)?);
            if pdv.is_last {
                return response(&Command::decode(&command_set)?, request);
            }
        }
    }
}

/// Lets a P-DATA-TF pass; everything else is the end of the association.
async fn data_only(connection: &mut Connection, header: PduHeader, budget: &mut ReadBudget) -> Result<(), ClientError> {
    let header = header.check()?;
    match state::on_pdu(State::Established, header.kind) {
        Action::Data => Ok(()),
        Action::Close => {
            let body = connection.array::<4>(budget).await.map_err(|error| received(error, "abort"))?;
            Err(aborted(&body)?)
        }
        _ => Err(ClientError::Protocol("it sent something else than the response")),
    }
}

fn response(response: &Command, request: &Command) -> Result<StoreResponse, ClientError> {
    if response.field != request.field.response() || response.message_id_responded_to != request.message_id {
        return Err(ClientError::Protocol("its response belongs to another request"));
    }
    let status = response.status.ok_or(ClientError::Protocol("its response has no status"))?;
    Ok(StoreResponse { status, error_comment: response.error_comment.clone() })
}

/// `Sta7`: sends A-RELEASE-RQ and waits for A-RELEASE-RP; a request of the peer that crosses ours is answered (AR-8).
async fn release(connection: &mut Connection, timeouts: &Timeouts) -> Result<(), ClientError> {
    send(connection.write(&encode_release(PduKind::ReleaseRequest), timeouts.send).await)?;
    let mut budget = ReadBudget::new(timeouts.release, 0);
    let step = |error| received(error, "release the association");
    loop {
        let header = connection.pdu_header(&mut budget).await.map_err(step)?.check()?;
        let action = state::on_pdu(State::AwaitingRelease, header.kind);
        if let Action::Abort(..) = action {
            return Err(ClientError::Protocol("it answered a release request with something else"));
        }
        let body = connection.body(header.length as usize, &mut budget).await.map_err(step)?;
        match action {
            Action::Released => return Ok(()),
            Action::AnswerRelease => {
                send(connection.write(&encode_release(PduKind::ReleaseResponse), timeouts.send).await)?;
            }
            Action::Close => return Err(aborted(&body)?),
            _ => {}
        }
    }
}

/// The A-ABORT that may explain why sending failed.
async fn last_pdu(connection: &mut Connection) -> ClientError {
    let mut budget = ReadBudget::new(LAST_WORD, 0);
    match connection.pdu_header(&mut budget).await.map(PduHeader::check) {
        Ok(Ok(header)) if header.kind == PduKind::Abort => match connection.array::<4>(&mut budget).await {
            Ok(body) => aborted(&body).unwrap_or(ClientError::Closed),
            Err(_) => ClientError::Closed,
        },
        _ => ClientError::Closed,
    }
}

/// Aborts after an error of ours or a fault of the peer, if there still is somebody to tell.
async fn last_word(mut connection: Connection, error: &ClientError) {
    let (source, reason) = match error {
        ClientError::Rejected(_) | ClientError::Aborted { .. } | ClientError::Closed | ClientError::Io(_) => return,
        ClientError::Pdu(_) | ClientError::Command(_) => {
            (AbortSource::ServiceProvider, AbortReason::InvalidParameterValue)
        }
        ClientError::Protocol(_) => (AbortSource::ServiceProvider, AbortReason::UnexpectedPdu),
        _ => (AbortSource::ServiceUser, AbortReason::NotSpecified),
    };
    // Best effort: the association is over whether or not the peer hears it.
    let _told = connection.write(&encode_abort(source, reason), LAST_WORD).await;
}

fn header(context_id: u8, length: usize, is_command: bool, is_last: bool) -> [u8; HEADERS] {
    // Fragments are cut to SENT_PDU_LENGTH_MAX, so the length fits.
    encode_data_header(PdvHeader { data_length: length as u32, context_id, is_command, is_last })
}

/// Reads until `fragment` is full or the data set ends.
async fn fill(
    reader: &mut (impl tokio::io::AsyncRead + Unpin),
    fragment: &mut Vec<u8>,
    length: usize,
) -> Result<(), ClientError> {
    let read = reader.take(length as u64).read_to_end(fragment).await;
    read.map(|_| ()).map_err(ClientError::DataSet)
}

fn send(result: Result<(), WriteError>) -> Result<(), ClientError> {
    result.map_err(|error| match error {
        WriteError::TimedOut => ClientError::TimedOut("take what was sent"),
        WriteError::Io(error)
            if matches!(error.kind(), std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset) =>
        {
            ClientError::Closed
        }
        WriteError::Io(error) => ClientError::Io(error),
    })
}

fn received(error: ReadError, step: &'static str) -> ClientError {
    match error {
        ReadError::Closed => ClientError::Closed,
        ReadError::TimedOut => ClientError::TimedOut(step),
        ReadError::Io(error) => ClientError::Io(error),
    }
}

fn aborted(body: &[u8]) -> Result<ClientError, ClientError> {
    let (abort_source, reason) = decode_abort(four(body)?);
    Ok(ClientError::Aborted { abort_source, reason })
}

fn four(body: &[u8]) -> Result<[u8; 4], ClientError> {
    body.first_chunk::<4>().copied().ok_or(ClientError::Pdu(pdu::PduError::Truncated))
}

fn no_context(sop_class_uid: &str, transfer_syntax: &str) -> ClientError {
    ClientError::NoAcceptedContext {
        sop_class_uid: sop_class_uid.to_owned(),
        transfer_syntax: transfer_syntax.to_owned(),
    }
}
