use hilum_sign::{MakerKey, PersonKey, SignatureMeaning, ToSign};
use hilum_types::{Digest, Timestamp};
use std::process::Command;

/// Ed25519 over the documented text, and SHA-256 of the PEM text, by Python's `cryptography` and `hashlib`. Nothing of
/// this crate is needed to check a signature: key, text and signature are enough for an auditor.
const CHECK: &str = "
import hashlib, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
key, text, signature, pem, fingerprint = sys.argv[1:]
Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), text.encode())
assert hashlib.sha256(pem.encode()).hexdigest() == fingerprint
";

#[test]
fn cryptography_verifies_what_a_person_signed() {
    let python = std::env::var("HILUM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import cryptography"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "python needs cryptography under CI=true");
        println!("skipped: {python} cannot import cryptography");
        return;
    }
    let what = ToSign {
        record: Digest::of(b"a report"),
        meaning: SignatureMeaning::ApprovedClinical,
        signer: "anna".into(),
        role: "clinical".into(),
        signed_at: Timestamp::from_micros(1_795_435_200_000_000),
    };
    let signature = PersonKey::from_seed([7; 32]).sign(&what);
    let maker = MakerKey::from_random([7; 32]).unwrap().public();
    let check = |text: &str| {
        let (pem, fingerprint) = (maker.to_pem().unwrap(), maker.fingerprint().unwrap());
        let arguments = [&signature.public_key, text, &signature.signature, &pem, &fingerprint];
        Command::new(&python).args(["-c", CHECK]).args(arguments).output().unwrap()
    };
    let held = check(&what.text());
    assert!(held.status.success(), "{}", String::from_utf8_lossy(&held.stderr));
    assert!(!check(&what.text().replace("anna", "bo")).status.success());
}
