"""A mail server (aiosmtpd, with STARTTLS and a password) and a receiver of webhooks, for the tests of alarms.

usage: alarm_peers.py FOLDER SMTP_PORT HTTP_PORT N_REFUSED
Mails go to FOLDER/mails.jsonl, webhooks to FOLDER/hooks.jsonl, one JSON object a line. The first N_REFUSED webhooks are
answered with 503. FOLDER holds cert.pem and key.pem, and `ready` once both listen.
"""
import hashlib
import hmac
import json
import pathlib
import ssl
import sys
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

folder, smtp_port, http_port, n_refused = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])


def keep(name, value):
    with open(folder / name, "a") as file:
        file.write(json.dumps(value) + "\n")


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        keep("mails.jsonl", {
            "from": envelope.mail_from, "to": envelope.rcpt_tos, "subject": mail["Subject"], "id": mail["Message-ID"],
            "auto": mail["Auto-Submitted"], "text": mail.get_content(), "tls": session.ssl is not None,
            "login": session.auth_data.login.decode() if session.auth_data else None,
        })
        return "250 kept"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=data.login == b"hilum" and data.password == b"s3cret", auth_data=data)


class Receiver(BaseHTTPRequestHandler):
    n_seen = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.n_seen += 1
        parts = dict(part.split("=", 1) for part in self.headers.get("Hilum-Signature", "t=,v1=").split(","))
        expected = hmac.new(b"key-of-the-hooks", parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        refused = Receiver.n_seen <= n_refused
        keep("hooks.jsonl", {
            "body": json.loads(body), "key": self.headers["Idempotency-Key"], "refused": refused,
            "signed": hmac.compare_digest(expected, parts["v1"]), "path": self.path,
        })
        self.send_response(503 if refused else 204)
        self.end_headers()

    def log_message(self, *_):
        pass


tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
mail = Controller(Mailbox(), hostname="127.0.0.1", port=smtp_port, tls_context=tls, require_starttls=True,
                  authenticator=authenticate, auth_required=True, ready_timeout=60)
mail.start()
http = ThreadingHTTPServer(("127.0.0.1", http_port), Receiver)
(folder / "ready").touch()
http.serve_forever()
