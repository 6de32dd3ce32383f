"""From one signature file that holds, the classes of the conformance suite of OpenSSF Model Signing v1.0.

Arguments: signature file, private key that made it, folder to write into. Files named `valid-*` must be taken, all
others refused. What is signed is signed again after a change, so that only the change is wrong with it.
"""

import base64
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

good = json.loads(Path(sys.argv[1]).read_text())
key = serialization.load_pem_private_key(Path(sys.argv[2]).read_bytes(), None)
out = Path(sys.argv[3])
out.mkdir()
TYPE = "application/vnd.in-toto+json"


def write(name, bundle):
    (out / name).write_text(bundle if isinstance(bundle, str) else json.dumps(bundle))


def copy():
    return json.loads(json.dumps(good))


def resigned(change):
    bundle = copy()
    envelope = bundle["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    change(statement)
    payload = json.dumps(statement, indent=2).encode()
    envelope["payload"] = base64.b64encode(payload).decode()
    text = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)
    envelope["signatures"][0]["sig"] = base64.b64encode(key.sign(text, ec.ECDSA(hashes.SHA256()))).decode()
    return bundle


write("valid-key", good)
write("valid-key-resigned", resigned(lambda s: None))
older = copy()
older["verificationMaterial"] = {"publicKey": {"rawBytes": "AAAA"}, "tlogEntries": []}
write("valid-key-before-1.1-without-hint", older)
no_keyid = copy()
del no_keyid["dsseEnvelope"]["signatures"][0]["keyid"]
write("valid-key-without-keyid", no_keyid)

missing = copy()
del missing["dsseEnvelope"]
write("missing-envelope", missing)
missing = copy()
del missing["verificationMaterial"]
write("missing-verification-material", missing)
for kind, material in [
    ("certificate", {"x509CertificateChain": {"certificates": [{"rawBytes": "AAAA"}]}, "tlogEntries": []}),
    ("keyless", {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": [{}]}),
]:
    other = copy()
    other["verificationMaterial"] = material
    write(f"{kind}-method", other)
wrong = copy()
wrong["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.1+json"
write("wrong-media-type", wrong)
wrong = copy()
wrong["dsseEnvelope"]["payloadType"] = "text/plain"
write("wrong-payload-type", wrong)
none = copy()
none["dsseEnvelope"]["signatures"] = []
write("no-signature", none)
write("empty", "")
write("corrupted", "this is no JSON {")
write("truncated", json.dumps(good)[:100])
write("wrong-predicate", resigned(lambda s: s.update(predicateType="https://example.com/wrong/v1.0")))
write("wrong-statement-type", resigned(lambda s: s.update(_type="https://in-toto.io/Statement/v0")))
write("missing-serialization", resigned(lambda s: s["predicate"].pop("serialization")))
write("empty-resources", resigned(lambda s: s["predicate"].update(resources=[])))
