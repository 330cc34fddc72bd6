"""A receiver of webhooks: verifies who sent them, drops repetitions, and goes by their order. Python 3.9 or newer, nothing else.

    WEBHOOK_SECRET=whsec_… PORT=8080 python3 receiver.py
"""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

SECRET = os.environ.get("WEBHOOK_SECRET", "")
KEY = base64.b64decode(SECRET[6:]) if SECRET.startswith("whsec_") else SECRET.encode()
TOLERANCE_SECONDS = 5 * 60
MAX_BODY_BYTES = 64 * 1024

# In a real receiver these two live in its database and change in the transaction that handles the event.
handled_ids = set()
last_sequences = {}
lock = Lock()


def is_genuine(headers, body):
    """Over the very bytes that came: parsing and printing JSON again would change them."""
    event_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isascii() or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    digest = hmac.new(KEY, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    # While a secret is being rotated there is one signature for each.
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(signature.encode(), expected.encode()) for signature in signatures)


def handle(headers, event):
    with lock:
        if headers["webhook-id"] in handled_ids:
            return "repeated"
        handled_ids.add(headers["webhook-id"])
        sequence = int(headers["webhook-sequence"])
        # Something newer is known already, for instance because this event was sent again by hand.
        if sequence <= last_sequences.get(event["instanceId"], 0):
            return "outdated"
        last_sequences[event["instanceId"]] = sequence
        return "handled"


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("content-length", "0"))
        body = self.rfile.read(length) if length <= MAX_BODY_BYTES else b""
        if length > MAX_BODY_BYTES or not is_genuine(self.headers, body):
            self.close_connection = True
            return self.answer(400)
        event = json.loads(body)
        result = handle(self.headers, event)
        told = {"result": result, "id": self.headers["webhook-id"], "event": event["event"], "instanceId": event["instanceId"]}
        print(json.dumps(told), flush=True)
        # Answer at once: after 15 seconds the sender takes it for a failure and sends it again.
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver)
print(json.dumps({"listening": server.server_address[1]}), flush=True)
server.serve_forever()
