use super::{
    AbortReason, AbortSource, AssociateAccept, AssociateReject, AssociateRequest, PDU_HEADER_LENGTH, PDV_HEADER_LENGTH,
    PduKind, PdvHeader, UserInformation,
};

/// A-ASSOCIATE-RQ as bytes (PS3.8 section 9.3.2).
pub fn encode_request(request: &AssociateRequest) -> Vec<u8> {
    let mut out = associate(1, request.protocol_version, &request.called_ae, &request.calling_ae);
    item(&mut out, 0x10, |out| out.extend_from_slice(request.application_context.as_bytes()));
    for context in &request.contexts {
        item(&mut out, 0x20, |out| {
            out.extend_from_slice(&[context.id, 0, 0, 0]);
            item(out, 0x30, |out| out.extend_from_slice(context.abstract_syntax.as_bytes()));
            for syntax in &context.transfer_syntaxes {
                item(out, 0x40, |out| out.extend_from_slice(syntax.as_bytes()));
            }
        });
    }
    user_information(&mut out, &request.user);
    finish(out)
}

/// A-ASSOCIATE-AC as bytes (PS3.8 section 9.3.3).
pub fn encode_accept(accept: &AssociateAccept) -> Vec<u8> {
    let mut out = associate(2, 1, &accept.called_ae, &accept.calling_ae);
    item(&mut out, 0x10, |out| out.extend_from_slice(accept.application_context.as_bytes()));
    for context in &accept.contexts {
        item(&mut out, 0x21, |out| {
            out.extend_from_slice(&[context.id, 0, context.result.code(), 0]);
            item(out, 0x40, |out| out.extend_from_slice(context.transfer_syntax.as_bytes()));
        });
    }
    user_information(&mut out, &accept.user);
    finish(out)
}

/// A-ASSOCIATE-RJ as bytes (PS3.8 section 9.3.4).
pub fn encode_reject(reject: AssociateReject) -> [u8; 10] {
    [3, 0, 0, 0, 0, 4, 0, reject.result, reject.source, reject.reason]
}

/// A-RELEASE-RQ or, for any other kind, A-RELEASE-RP as bytes (PS3.8 sections 9.3.6 and 9.3.7).
pub fn encode_release(kind: PduKind) -> [u8; 10] {
    let code = if kind == PduKind::ReleaseRequest { 5 } else { 6 };
    [code, 0, 0, 0, 0, 4, 0, 0, 0, 0]
}

/// A-ABORT as bytes (PS3.8 section 9.3.8).
pub fn encode_abort(source: AbortSource, reason: AbortReason) -> [u8; 10] {
    [7, 0, 0, 0, 0, 4, 0, 0, source.code(), reason.code()]
}

/// The bytes before the data of a P-DATA-TF that holds one presentation data value (PS3.8 section 9.3.5).
pub fn encode_data_header(pdv: PdvHeader) -> [u8; PDU_HEADER_LENGTH + PDV_HEADER_LENGTH] {
    let [a, b, c, d] = pdv.data_length.saturating_add(PDV_HEADER_LENGTH as u32).to_be_bytes();
    let [e, f, g, h] = pdv.data_length.saturating_add(2).to_be_bytes();
    let control = u8::from(pdv.is_command) | u8::from(pdv.is_last) << 1;
    [4, 0, a, b, c, d, e, f, g, h, pdv.context_id, control]
}

fn associate(kind: u8, version: u16, called: &[u8; 16], calling: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(&[kind, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(called);
    out.extend_from_slice(calling);
    out.extend_from_slice(&[0; 32]);
    out
}

fn user_information(out: &mut Vec<u8>, user: &UserInformation) {
    item(out, 0x50, |out| {
        item(out, 0x51, |out| out.extend_from_slice(&user.max_pdu_length.to_be_bytes()));
        item(out, 0x52, |out| out.extend_from_slice(user.implementation_class_uid.as_bytes()));
        if let Some((invoked, performed)) = user.async_operations {
            item(out, 0x53, |out| {
                out.extend_from_slice(&invoked.to_be_bytes());
                out.extend_from_slice(&performed.to_be_bytes());
            });
        }
        if let Some(name) = &user.implementation_version_name {
            item(out, 0x55, |out| out.extend_from_slice(name.as_bytes()));
        }
    });
}

/// Writes an item around what `value` writes. Values are our own, or were read from items of the same bound, so the
/// 16-bit length holds them; cut would be what did not fit.
fn item(out: &mut Vec<u8>, kind: u8, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[kind, 0, 0, 0]);
    let start = out.len();
    value(out);
    out.truncate(start + usize::from(u16::MAX));
    let length = (out.len() - start) as u16;
    out[start - 2..start].copy_from_slice(&length.to_be_bytes());
}

/// Fills in the length of the PDU.
fn finish(mut out: Vec<u8>) -> Vec<u8> {
    let length = (out.len() - PDU_HEADER_LENGTH) as u32;
    out[2..PDU_HEADER_LENGTH].copy_from_slice(&length.to_be_bytes());
    out
}
