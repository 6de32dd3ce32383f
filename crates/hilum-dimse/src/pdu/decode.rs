use super::{
    AbortReason, AbortSource, AssociateAccept, AssociateReject, AssociateRequest, ContextResult, NegotiatedContext,
    PRESENTATION_CONTEXTS_MAX, PduError, ProposedPresentationContext, TRANSFER_SYNTAXES_MAX, UID_LENGTH_MAX,
    UserInformation,
};

/// Reads the body of an A-ASSOCIATE-RQ, the bytes after the PDU header (PS3.8 section 9.3.2).
///
/// Items of unknown type are skipped, as PS3.8 section 9.3.1 wants; of several transfer syntaxes beyond
/// [`TRANSFER_SYNTAXES_MAX`] the rest is skipped.
///
/// # Errors
/// [`PduError`], naming what is wrong with the structure. Whether the request is acceptable is not judged here.
pub fn decode_request(body: &[u8]) -> Result<AssociateRequest, PduError> {
    let (fixed, items) = Fixed::decode(body)?;
    let mut request = AssociateRequest {
        protocol_version: fixed.protocol_version,
        called_ae: fixed.called_ae,
        calling_ae: fixed.calling_ae,
        application_context: String::new(),
        contexts: Vec::new(),
        user: UserInformation::default(),
    };
    for item in Items(items) {
        match item? {
            (0x10, name) => request.application_context = uid(name)?,
            (0x20, context) => {
                let context = proposed_context(context)?;
                if request.contexts.iter().any(|other| other.id == context.id) {
                    return Err(PduError::DuplicateContext(context.id));
                }
                if request.contexts.len() == PRESENTATION_CONTEXTS_MAX {
                    return Err(PduError::TooManyContexts);
                }
                request.contexts.push(context);
            }
            (0x50, user) => request.user = user_information(user)?,
            _ => {}
        }
    }
    if request.application_context.is_empty() {
        return Err(PduError::Missing("application context"));
    }
    Ok(request)
}

/// Reads the body of an A-ASSOCIATE-AC (PS3.8 section 9.3.3).
///
/// # Errors
/// [`PduError`], naming what is wrong with the structure.
pub fn decode_accept(body: &[u8]) -> Result<AssociateAccept, PduError> {
    let (fixed, items) = Fixed::decode(body)?;
    let mut accept = AssociateAccept {
        called_ae: fixed.called_ae,
        calling_ae: fixed.calling_ae,
        application_context: String::new(),
        contexts: Vec::new(),
        user: UserInformation::default(),
    };
    for item in Items(items) {
        match item? {
            (0x10, name) => accept.application_context = uid(name)?,
            (0x21, context) => {
                if accept.contexts.len() == PRESENTATION_CONTEXTS_MAX {
                    return Err(PduError::TooManyContexts);
                }
                accept.contexts.push(negotiated_context(context)?);
            }
            (0x50, user) => accept.user = user_information(user)?,
            _ => {}
        }
    }
    Ok(accept)
}

/// Reads the body of an A-ASSOCIATE-RJ (PS3.8 section 9.3.4).
pub fn decode_reject(body: [u8; 4]) -> AssociateReject {
    let [_reserved, result, source, reason] = body;
    AssociateReject { result, source, reason }
}

/// Reads the body of an A-ABORT (PS3.8 section 9.3.8).
pub fn decode_abort(body: [u8; 4]) -> (AbortSource, AbortReason) {
    let [_, _, source, reason] = body;
    (AbortSource::from(source), AbortReason::from(reason))
}

/// The 68 bytes before the items of A-ASSOCIATE-RQ and -AC.
struct Fixed {
    protocol_version: u16,
    called_ae: [u8; 16],
    calling_ae: [u8; 16],
}

impl Fixed {
    fn decode(body: &[u8]) -> Result<(Fixed, &[u8]), PduError> {
        let (version, rest) = body.split_first_chunk::<2>().ok_or(PduError::Truncated)?;
        let (_reserved, rest) = rest.split_first_chunk::<2>().ok_or(PduError::Truncated)?;
        let (called_ae, rest) = rest.split_first_chunk::<16>().ok_or(PduError::Truncated)?;
        let (calling_ae, rest) = rest.split_first_chunk::<16>().ok_or(PduError::Truncated)?;
        let (_reserved, items) = rest.split_first_chunk::<32>().ok_or(PduError::Truncated)?;
        let protocol_version = u16::from_be_bytes(*version);
        Ok((Fixed { protocol_version, called_ae: *called_ae, calling_ae: *calling_ae }, items))
    }
}

/// Items and sub-items: type, reserved byte, 16-bit length, value.
struct Items<'a>(&'a [u8]);

impl<'a> Iterator for Items<'a> {
    type Item = Result<(u8, &'a [u8]), PduError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.0);
        let Some(([kind, _reserved, high, low], rest)) = rest.split_first_chunk::<4>() else {
            return Some(Err(PduError::Truncated));
        };
        let Some((value, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))) else {
            return Some(Err(PduError::ItemOverrun));
        };
        self.0 = rest;
        Some(Ok((*kind, value)))
    }
}

fn proposed_context(value: &[u8]) -> Result<ProposedPresentationContext, PduError> {
    let ([id, _, _, _], items) = value.split_first_chunk::<4>().ok_or(PduError::Truncated)?;
    let mut context =
        ProposedPresentationContext { id: *id, abstract_syntax: String::new(), transfer_syntaxes: Vec::new() };
    for item in Items(items) {
        match item? {
            (0x30, name) => context.abstract_syntax = uid(name)?,
            (0x40, name) if context.transfer_syntaxes.len() < TRANSFER_SYNTAXES_MAX => {
                context.transfer_syntaxes.push(uid(name)?);
            }
            _ => {}
        }
    }
    Ok(context)
}

fn negotiated_context(value: &[u8]) -> Result<NegotiatedContext, PduError> {
    let ([id, _, result, _], items) = value.split_first_chunk::<4>().ok_or(PduError::Truncated)?;
    let result = ContextResult::from(*result);
    let mut context = NegotiatedContext { id: *id, result, transfer_syntax: String::new() };
    for item in Items(items) {
        match item? {
            // Of a refused context the transfer syntax has no meaning and some peers write anything there.
            (0x40, name) if result == ContextResult::Acceptance => context.transfer_syntax = uid(name)?,
            _ => {}
        }
    }
    Ok(context)
}

fn user_information(value: &[u8]) -> Result<UserInformation, PduError> {
    let mut user = UserInformation::default();
    for item in Items(value) {
        match item? {
            (0x51, length) => {
                let length = length.first_chunk::<4>().ok_or(PduError::Truncated)?;
                user.max_pdu_length = u32::from_be_bytes(*length);
            }
            (0x52, name) => user.implementation_class_uid = uid(name)?,
            (0x53, window) => {
                let [a, b, c, d] = *window.first_chunk::<4>().ok_or(PduError::Truncated)?;
                user.async_operations = Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])));
            }
            // The version name is a remark; one that is not ASCII or too long is not worth an association.
            (0x55, name) => user.implementation_version_name = uid(name).ok(),
            _ => {}
        }
    }
    Ok(user)
}

/// Text of an item, without the padding that some writers add.
fn uid(value: &[u8]) -> Result<String, PduError> {
    if UID_LENGTH_MAX < value.len() {
        return Err(PduError::InvalidUid);
    }
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii()).ok_or(PduError::InvalidUid)?;
    Ok(text.trim_matches(['\0', ' ']).to_owned())
}
