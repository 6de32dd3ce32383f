//! PDUs of a hostile peer: no panic, and what reads is written so that it reads the same again.
#![no_main]

use hilum_dimse::pdu::{
    PDU_HEADER_LENGTH, PduHeader, PduKind, PdvHeader, decode_accept, decode_request, encode_accept, encode_request,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((header, body)) = bytes.split_first_chunk::<PDU_HEADER_LENGTH>() else { return };
    let Ok(header) = PduHeader::decode(*header).check() else { return };
    if let Ok(request) = decode_request(body) {
        let written = encode_request(&request);
        assert_eq!(decode_request(&written[PDU_HEADER_LENGTH..]), Ok(request));
    }
    if let Ok(accept) = decode_accept(body) {
        let written = encode_accept(&accept);
        assert_eq!(decode_accept(&written[PDU_HEADER_LENGTH..]), Ok(accept));
    }
    if header.kind == PduKind::Data {
        walk(body);
    }
});

/// The presentation data values of a P-DATA-TF, as the server takes them apart.
fn walk(mut body: &[u8]) {
    while let Some((header, rest)) = body.split_first_chunk() {
        let Ok(pdv) = PdvHeader::decode(*header, body.len() as u32) else { return };
        // The length was checked against the bytes at hand, so this cannot be out of range.
        body = &rest[pdv.data_length as usize..];
    }
}
