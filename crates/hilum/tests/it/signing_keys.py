"""Make an ECDSA key pair as others make it. Arguments: curve of `cryptography`, file of the private key (+ `.pub`)."""

import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

key = ec.generate_private_key(getattr(ec, sys.argv[1])())
Path(sys.argv[2]).write_bytes(
    key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
)
Path(sys.argv[2] + ".pub").write_bytes(
    key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)
