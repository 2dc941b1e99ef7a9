"""A token endpoint as an identity provider has it, and a broker that takes its tokens."""

from __future__ import annotations

import base64
import json
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from typing_extensions import override

from outbox_worker.local.ports import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLIENT: Final = "worker"
SECRET: Final = "client-s3cret"
LIFE_S: Final = 20
"""How long a token is good. Clients ask for the next one after four fifths of it."""

BROKER: Final[Mapping[str, str]] = {
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,BEHIND:SASL_PLAINTEXT",
    "listener.name.behind.sasl.enabled.mechanisms": "OAUTHBEARER",
    "listener.name.behind.oauthbearer.sasl.jaas.config": (
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
        'unsecuredLoginStringClaim_sub="broker";'
    ),
    # Who does not show a new token by then is cut off.
    "listener.name.behind.oauthbearer.connections.max.reauth.ms": str(LIFE_S * 1_000),
}
"""Kafka's own validator for tests: it takes tokens without a signature, and looks at their time."""

PROPERTIES: Final = """
security.protocol=SASL_PLAINTEXT
sasl.mechanisms=OAUTHBEARER
sasl.oauthbearer.method=oidc
sasl.oauthbearer.client.id={client}
sasl.oauthbearer.client.secret={secret}
sasl.oauthbearer.token.endpoint.url={url}
"""


class TokenEndpoint(ThreadingHTTPServer):
    """Gives tokens to whoever knows the secret, and counts them."""

    def __init__(self) -> None:
        """Listen on a free port of the loopback interface."""
        super().__init__((HOST, 0), partial(_Handler, self))
        self.given = 0

    @property
    def properties(self) -> str:
        """What OUTBOX_KAFKA_PROPERTIES has to hold."""
        url = f"http://{HOST}:{self.server_port}/token"
        return PROPERTIES.format(client=CLIENT, secret=SECRET, url=url)


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, endpoint: TokenEndpoint, *given: Any) -> None:  # noqa: ANN401  the library's
        self._endpoint = endpoint
        super().__init__(*given)

    def do_POST(self) -> None:
        """The client credentials grant (RFC 6749, 4.4)."""
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        is_known = self.headers["Authorization"] == f"Basic {known}"
        is_known = is_known and asked.get("grant_type") == ["client_credentials"]
        self._endpoint.given += is_known
        body = json.dumps({"access_token": _token()} if is_known else {"error": "invalid_client"})
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    @override
    def log_message(self, *_: object) -> None:
        """Nothing."""


def _token() -> str:
    now = int(time.time())
    claims = {"sub": CLIENT, "iat": now, "exp": now + LIFE_S}
    parts = (json.dumps(each).encode() for each in ({"alg": "none"}, claims))
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts) + "."


@contextmanager
def token_endpoint() -> Iterator[TokenEndpoint]:
    """One that answers for as long as the block lasts."""
    with TokenEndpoint() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
