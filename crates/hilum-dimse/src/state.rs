//! The upper layer state table (PS3.8 section 9.2, table 9-10), restricted to what the network can cause.
//!
//! Local primitives are missing because local decisions are made at once: `Sta3`, `Sta4`, `Sta8` and `Sta9` to `Sta12`
//! last no longer than a function call here, and in `Sta13` everything received is discarded unread (AA-6).

use crate::pdu::{AbortReason, AbortSource, PduKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// `Sta2`: transport open, A-ASSOCIATE-RQ awaited.
    AwaitingRequest,
    /// `Sta5`: A-ASSOCIATE-AC or -RJ awaited.
    AwaitingResponse,
    /// `Sta6`: association established, ready for data.
    Established,
    /// `Sta7`: A-RELEASE-RP awaited.
    AwaitingRelease,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// AE-6: judge the A-ASSOCIATE-RQ.
    Negotiate,
    /// AE-3: the association is accepted.
    Accepted,
    /// AE-4: the association is rejected.
    Rejected,
    /// DT-2, AR-6: take the P-DATA-TF.
    Data,
    /// AR-2, AR-4: answer with A-RELEASE-RP, wait for the peer to close. In `Sta7` (AR-8) the release goes on after it.
    AnswerRelease,
    /// AR-3: released; close the transport.
    Released,
    /// AA-2, AA-3: the peer aborted; close the transport.
    Close,
    /// AA-1, AA-8: send this A-ABORT, wait for the peer to close.
    Abort(AbortSource, AbortReason),
}

/// What happens in `state` when a PDU of `kind` arrives.
pub(crate) fn on_pdu(state: State, kind: PduKind) -> Action {
    match (state, kind) {
        (_, PduKind::Abort) => Action::Close,
        (State::AwaitingRequest, PduKind::AssociateRequest) => Action::Negotiate,
        (State::AwaitingResponse, PduKind::AssociateAccept) => Action::Accepted,
        (State::AwaitingResponse, PduKind::AssociateReject) => Action::Rejected,
        (State::Established | State::AwaitingRelease, PduKind::Data) => Action::Data,
        (State::Established | State::AwaitingRelease, PduKind::ReleaseRequest) => Action::AnswerRelease,
        (State::AwaitingRelease, PduKind::ReleaseResponse) => Action::Released,
        (state, PduKind::Unrecognized(_)) => abort(state, AbortReason::UnrecognizedPdu),
        (state, _) => abort(state, AbortReason::UnexpectedPdu),
    }
}

/// The A-ABORT for a fault found in `state`: AA-1 before there is an association, AA-8 after.
pub(crate) fn abort(state: State, reason: AbortReason) -> Action {
    match state {
        State::AwaitingRequest => Action::Abort(AbortSource::ServiceUser, AbortReason::NotSpecified),
        _ => Action::Abort(AbortSource::ServiceProvider, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PS3.8 table 9-10, columns Sta2, Sta5, Sta6, Sta7; one row per PDU that can arrive.
    #[test]
    fn table_9_10() {
        use Action::*;
        const KINDS: [PduKind; 8] = [
            PduKind::AssociateAccept,
            PduKind::AssociateReject,
            PduKind::AssociateRequest,
            PduKind::Data,
            PduKind::ReleaseRequest,
            PduKind::ReleaseResponse,
            PduKind::Abort,
            PduKind::Unrecognized(0x99),
        ];
        let aa1 = Abort(AbortSource::ServiceUser, AbortReason::NotSpecified);
        let aa8 = Abort(AbortSource::ServiceProvider, AbortReason::UnexpectedPdu);
        let aa8_unknown = Abort(AbortSource::ServiceProvider, AbortReason::UnrecognizedPdu);
        let columns = [
            (State::AwaitingRequest, [aa1, aa1, Negotiate, aa1, aa1, aa1, Close, aa1]),
            (State::AwaitingResponse, [Accepted, Rejected, aa8, aa8, aa8, aa8, Close, aa8_unknown]),
            (State::Established, [aa8, aa8, aa8, Data, AnswerRelease, aa8, Close, aa8_unknown]),
            (State::AwaitingRelease, [aa8, aa8, aa8, Data, AnswerRelease, Released, Close, aa8_unknown]),
        ];
        for (state, wanted) in columns {
            for (kind, wanted) in KINDS.into_iter().zip(wanted) {
                assert_eq!(on_pdu(state, kind), wanted, "{state:?} {kind:?}");
            }
        }
    }
}
