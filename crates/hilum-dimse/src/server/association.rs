//! One association from connection to close.

use super::handler::{AssociationRequest, InstanceSink, Outcome, StoreContext, StoreHandler};
use super::negotiate::{self, AcceptedContext};
use super::slots::Slot;
use super::{Shared, peers};
use crate::budget::ReadBudget;
use crate::command::{COMMAND_SET_LENGTH_MAX, Command, CommandField};
use crate::connection::{Connection, ReadError, WriteError};
use crate::pdu::{
    self, AbortReason, AbortSource, AssociateReject, AssociateRequest, PduHeader, PduKind, PdvHeader, encode_abort,
    encode_accept, encode_data_header, encode_reject, encode_release,
};
use crate::state::{self, Action, State};
use crate::status::Status;
use hilum_types::AeTitle;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;

pub(super) struct AssociationTask<H: StoreHandler> {
    shared: Arc<Shared<H>>,
    connection: Connection,
    peer_addr: SocketAddr,
    id: u64,
    shutdown: watch::Receiver<bool>,
}

/// Why an association ends.
#[derive(Debug)]
enum End {
    Released,
    PeerAborted,
    Lost,
    TimedOut,
    /// The peer does not take what we send, so that saying more is useless.
    Stuck,
    /// A-ABORT by us.
    Abort(AbortSource, AbortReason),
    Rejected(AssociateReject),
    Disconnect,
}

/// An association that was accepted.
struct Established {
    calling_ae: AeTitle,
    contexts: HashMap<u8, AcceptedContext>,
    _slot: Slot,
}

/// The message being received.
struct Message<S> {
    /// Fragments of the command set so far.
    command_set: Vec<u8>,
    /// The context of the first fragment.
    context_id: u8,
    /// The command, once complete, whose data set follows.
    receiving: Option<(Command, Target<S>)>,
}

/// Where the data set goes.
enum Target<S> {
    Sink(S),
    Discard(Outcome),
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> End {
        match error {
            ReadError::Closed | ReadError::Io(_) => End::Lost,
            ReadError::TimedOut => End::TimedOut,
        }
    }
}

impl From<WriteError> for End {
    fn from(error: WriteError) -> End {
        match error {
            WriteError::TimedOut => End::Stuck,
            WriteError::Io(_) => End::Lost,
        }
    }
}

impl<H: StoreHandler> AssociationTask<H> {
    pub(super) fn new(
        shared: Arc<Shared<H>>,
        stream: TcpStream,
        peer_addr: SocketAddr,
        id: u64,
        shutdown: watch::Receiver<bool>,
    ) -> io::Result<AssociationTask<H>> {
        Ok(AssociationTask { shared, connection: Connection::new(stream)?, peer_addr, id, shutdown })
    }

    pub(super) async fn run(mut self) {
        let end = match self.establish().await {
            Ok(established) => {
                let stats = self.shared.stats.clone();
                stats.associations_open.add(1);
                let _open = Defer(|| stats.associations_open.subtract(1));
                match self.serve(&established).await {
                    Ok(never) => match never {},
                    Err(end) => end,
                }
            }
            Err(end) => end,
        };
        tracing::debug!(peer.addr = %self.peer_addr, association.id = self.id, ?end, "association ended");
        self.close(end).await;
    }

    /// `Sta2`: receives and judges the A-ASSOCIATE-RQ.
    async fn establish(&mut self) -> Result<Established, End> {
        let mut artim = ReadBudget::new(self.shared.config.timers.association, 0);
        let header = tokio::select! {
            // Nothing was asked yet, so there is nothing to reject.
            _ = self.shutdown.wait_for(|stop| *stop) => return Err(End::Disconnect),
            header = self.connection.pdu_header(&mut artim) => header?,
        };
        match state::on_pdu(State::AwaitingRequest, header.kind) {
            Action::Negotiate => {}
            Action::Abort(source, reason) => return Err(End::Abort(source, reason)),
            _ => return Err(End::PeerAborted),
        }
        let malformed = || match state::abort(State::AwaitingRequest, AbortReason::InvalidParameterValue) {
            Action::Abort(source, reason) => End::Abort(source, reason),
            _ => End::Lost,
        };
        let header = header.check().map_err(|_| malformed())?;
        let body = self.connection.body(header.length as usize, &mut artim).await?;
        let request = pdu::decode_request(&body).map_err(|error| {
            tracing::debug!(peer.addr = %self.peer_addr, %error, "malformed association request");
            malformed()
        })?;
        self.negotiate(&request).await
    }

    async fn negotiate(&mut self, request: &AssociateRequest) -> Result<Established, End> {
        let config = &self.shared.config;
        let calling_ae = negotiate::caller(config, request).map_err(End::Rejected)?;
        let known = config.accept_any_peer || peers::may_connect(&config.peers, &calling_ae, self.peer_addr.ip()).await;
        if !known {
            tracing::debug!(peer.ae_title = %calling_ae, peer.addr = %self.peer_addr, "unknown peer rejected");
            return Err(End::Rejected(AssociateReject::CALLING_AE));
        }
        if *self.shutdown.borrow() {
            return Err(End::Rejected(AssociateReject::CONGESTION));
        }
        let slot = self.shared.slots.take(&calling_ae).ok_or(End::Rejected(AssociateReject::LOCAL_LIMIT))?;
        let facts = AssociationRequest {
            calling_ae: calling_ae.clone(),
            called_ae: config.ae_title.clone(),
            peer_addr: self.peer_addr,
            n_contexts: request.contexts.len(),
        };
        self.shared.handler.admit(&facts).map_err(End::Rejected)?;
        let (answer, contexts) = negotiate::accept(config, request);
        self.shared.stats.associations_accepted.add(1);
        self.connection.write(&encode_accept(&answer), self.shared.config.timers.write).await?;
        tracing::debug!(
            peer.ae_title = %calling_ae, peer.addr = %self.peer_addr, association.id = self.id,
            n_contexts = contexts.len(), "association accepted"
        );
        Ok(Established { calling_ae, contexts, _slot: slot })
    }

    /// `Sta6`: serves messages until the association ends, which is the only way out.
    async fn serve(&mut self, established: &Established) -> Result<std::convert::Infallible, End> {
        let timers = self.shared.config.timers.clone();
        let mut message = Message { command_set: Vec::new(), context_id: 0, receiving: None };
        let mut budget = ReadBudget::new(timers.message, timers.bytes_per_second_min);
        loop {
            if message.is_empty() {
                tokio::select! {
                    biased;
                    _ = self.shutdown.wait_for(|stop| *stop) => {
                        return Err(End::Abort(AbortSource::ServiceUser, AbortReason::NotSpecified));
                    }
                    ready = self.connection.wait(timers.idle) => ready?,
                }
                budget = ReadBudget::new(timers.message, timers.bytes_per_second_min);
            }
            let header = self.connection.pdu_header(&mut budget).await?;
            match state::on_pdu(State::Established, header.kind) {
                Action::Data => self.data_pdu(established, &mut message, header, &mut budget).await?,
                Action::AnswerRelease => {
                    header.check().map_err(|_| malformed())?;
                    self.connection.body(header.length as usize, &mut budget).await?;
                    self.connection.write(&encode_release(PduKind::ReleaseResponse), timers.write).await?;
                    return Err(End::Released);
                }
                Action::Abort(source, reason) => return Err(End::Abort(source, reason)),
                _ => return Err(End::PeerAborted),
            }
        }
    }

    /// Takes one P-DATA-TF apart while it arrives.
    async fn data_pdu(
        &mut self,
        established: &Established,
        message: &mut Message<H::Sink>,
        header: PduHeader,
        budget: &mut ReadBudget,
    ) -> Result<(), End> {
        let mut remaining = header.check().map_err(|_| malformed())?.length;
        while 0 < remaining {
            if remaining < pdu::PDV_HEADER_LENGTH as u32 {
                return Err(malformed());
            }
            let pdv =
                PdvHeader::decode(self.connection.pdv_header(budget).await?, remaining).map_err(|_| malformed())?;
            remaining -= pdu::PDV_HEADER_LENGTH as u32 + pdv.data_length;
            if !established.contexts.contains_key(&pdv.context_id) {
                return Err(malformed());
            }
            if pdv.is_command {
                self.command_fragment(established, message, pdv, budget).await?;
            } else {
                self.data_fragment(message, pdv, budget).await?;
            }
        }
        Ok(())
    }

    async fn command_fragment(
        &mut self,
        established: &Established,
        message: &mut Message<H::Sink>,
        pdv: PdvHeader,
        budget: &mut ReadBudget,
    ) -> Result<(), End> {
        if message.receiving.is_some() || (!message.command_set.is_empty() && message.context_id != pdv.context_id) {
            return Err(provider(AbortReason::UnexpectedParameter));
        }
        if COMMAND_SET_LENGTH_MAX < message.command_set.len() + pdv.data_length as usize {
            return Err(malformed());
        }
        let fragment = self.connection.body(pdv.data_length as usize, budget).await?;
        message.context_id = pdv.context_id;
        message.command_set.extend_from_slice(&fragment);
        drop(fragment);
        if !pdv.is_last {
            return Ok(());
        }
        let command = Command::decode(&message.command_set).map_err(|error| {
            tracing::debug!(peer.addr = %self.peer_addr, association.id = self.id, %error, "malformed command set");
            malformed()
        })?;
        message.command_set.clear();
        self.command(established, message, command).await
    }

    /// A command set is complete: answers it, or says where its data set goes.
    async fn command(
        &mut self,
        established: &Established,
        message: &mut Message<H::Sink>,
        command: Command,
    ) -> Result<(), End> {
        if command.field.is_response() {
            return Err(provider(AbortReason::UnexpectedParameter));
        }
        let target = match command.field {
            // There is never anything left to cancel: operations are carried out one by one.
            CommandField::CancelRequest => return Ok(()),
            CommandField::EchoRequest => {
                self.shared.stats.echoes.add(1);
                Target::Discard(Status::SUCCESS.into())
            }
            CommandField::StoreRequest if command.has_data_set => {
                self.connection.expect_bulk();
                let context = self.store_context(established, message.context_id, &command);
                match self.shared.handler.begin(&context).await {
                    Ok(sink) => Target::Sink(sink),
                    Err(outcome) => Target::Discard(outcome),
                }
            }
            CommandField::StoreRequest => Target::Discard(Status::CANNOT_UNDERSTAND.into()),
            _ => Target::Discard(Status::UNRECOGNIZED_OPERATION.into()),
        };
        match target {
            Target::Discard(outcome) if !command.has_data_set => {
                self.respond(message.context_id, &command, outcome).await
            }
            Target::Discard(outcome @ (Outcome::Abort | Outcome::Disconnect)) => Err(ended(&outcome)),
            target => {
                message.receiving = Some((command, target));
                Ok(())
            }
        }
    }

    async fn data_fragment(
        &mut self,
        message: &mut Message<H::Sink>,
        pdv: PdvHeader,
        budget: &mut ReadBudget,
    ) -> Result<(), End> {
        let Some((_, target)) = message.receiving.as_mut() else {
            return Err(provider(AbortReason::UnexpectedParameter));
        };
        if message.context_id != pdv.context_id {
            return Err(provider(AbortReason::UnexpectedParameter));
        }
        let mut left = pdv.data_length as usize;
        while 0 < left {
            let chunk = self.connection.chunk(left, budget).await?;
            left -= chunk.len();
            self.shared.stats.data_set_bytes.add(chunk.len() as u64);
            if let Target::Sink(sink) = target
                && let Err(outcome) = sink.write(chunk).await
            {
                if !matches!(outcome, Outcome::Respond { .. }) {
                    return Err(ended(&outcome));
                }
                *target = Target::Discard(outcome);
            }
        }
        if !pdv.is_last {
            return Ok(());
        }
        let Some((command, target)) = message.receiving.take() else { return Ok(()) };
        let outcome = match target {
            Target::Sink(sink) => sink.finish().await,
            Target::Discard(outcome) => outcome,
        };
        self.respond(message.context_id, &command, outcome).await
    }

    async fn respond(&mut self, context_id: u8, command: &Command, outcome: Outcome) -> Result<(), End> {
        let Outcome::Respond { status, comment } = outcome else { return Err(ended(&outcome)) };
        let response = command.respond(status, comment).encode();
        let pdv = PdvHeader { data_length: response.len() as u32, context_id, is_command: true, is_last: true };
        let mut out = Vec::with_capacity(response.len() + 12);
        out.extend_from_slice(&encode_data_header(pdv));
        out.extend_from_slice(&response);
        self.connection.write(&out, self.shared.config.timers.write).await?;
        if command.field == CommandField::StoreRequest {
            let stats = &self.shared.stats;
            if status.is_stored() { stats.instances_stored.add(1) } else { stats.instances_refused.add(1) }
        }
        Ok(())
    }

    fn store_context(&self, established: &Established, context_id: u8, command: &Command) -> StoreContext {
        let context = established.contexts.get(&context_id);
        let syntax = |of: fn(&AcceptedContext) -> &String| context.map(of).cloned().unwrap_or_default();
        StoreContext {
            calling_ae: established.calling_ae.clone(),
            called_ae: self.shared.config.ae_title.clone(),
            peer_addr: self.peer_addr,
            association_id: self.id,
            presentation_context_id: context_id,
            abstract_syntax: syntax(|context| &context.abstract_syntax),
            transfer_syntax: syntax(|context| &context.transfer_syntax),
            sop_class_uid: command.affected_sop_class_uid.clone().unwrap_or_default(),
            sop_instance_uid: command.affected_sop_instance_uid.clone().unwrap_or_default(),
            message_id: command.message_id.unwrap_or(0),
        }
    }

    /// Says the last word, if any, counts the end and waits for the peer to close.
    async fn close(mut self, end: End) {
        let (stats, timers) = (&self.shared.stats, &self.shared.config.timers);
        let last_word = match end {
            End::Released => {
                stats.associations_released.add(1);
                return self.connection.await_close(timers.close).await;
            }
            End::PeerAborted | End::Lost => {
                stats.associations_lost.add(1);
                return;
            }
            End::Stuck => {
                stats.timeouts.add(1);
                return;
            }
            End::Disconnect => {
                stats.associations_aborted.add(1);
                return;
            }
            End::TimedOut => {
                stats.timeouts.add(1);
                encode_abort(AbortSource::ServiceProvider, AbortReason::NotSpecified)
            }
            End::Abort(source, reason) => {
                stats.associations_aborted.add(1);
                encode_abort(source, reason)
            }
            End::Rejected(reject) => {
                match reject {
                    AssociateReject::CALLING_AE | AssociateReject::CALLED_AE => {
                        stats.associations_rejected_unknown.add(1)
                    }
                    reject if reject.is_transient() => stats.associations_rejected_busy.add(1),
                    _ => stats.associations_rejected_other.add(1),
                }
                encode_reject(reject)
            }
        };
        if self.connection.write(&last_word, timers.close).await.is_ok() {
            self.connection.finish_sending().await;
            self.connection.await_close(timers.close).await;
        }
    }
}

impl<S> Message<S> {
    fn is_empty(&self) -> bool {
        self.command_set.is_empty() && self.receiving.is_none()
    }
}

/// How an association ends on the handler's wish; a wish to respond is not one.
fn ended(outcome: &Outcome) -> End {
    match outcome {
        Outcome::Disconnect => End::Disconnect,
        Outcome::Abort | Outcome::Respond { .. } => End::Abort(AbortSource::ServiceUser, AbortReason::NotSpecified),
    }
}

fn provider(reason: AbortReason) -> End {
    End::Abort(AbortSource::ServiceProvider, reason)
}

fn malformed() -> End {
    provider(AbortReason::InvalidParameterValue)
}

/// Runs when dropped, also when the task is cancelled.
struct Defer<F: FnMut()>(F);

impl<F: FnMut()> Drop for Defer<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
