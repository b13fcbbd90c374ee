"""A machine configured for the OAuth server that nobody here wrote: a generic authority, named `lab`."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from harness import canary
from harness.cli import Answer, Cli
from harness.oidc_provider import OidcProvider
from harness.places import PRINT_TOKEN, VENV

NAME = "lab"
GRAPH = "https://graph.test/"
PARTNER_CENTER = "https://partner-center.test/"
BOTH = f"{GRAPH},{PARTNER_CENTER}"


class Lab:
    """`Lab(home, peer)` writes the configuration; `lab.consent()` signs in; `lab.token(GRAPH)` is one process of the command line."""

    def __init__(
        self,
        home: Path,
        peer: OidcProvider,
        *,
        ca_file: Path | None = None,
        client_secret: str | None = None,
        env: Mapping[str, str] | None = None,
        credential: tuple[str, ...] = ('client_secret_file = "client-secret"',),
    ) -> None:
        """`ca_file`: what the configuration names as to be trusted; the peer's own where left out, and nothing where it is empty."""
        self.credential = credential
        self.home = home
        self.peer = peer
        self.config = home / "lab.toml"
        self.store = home / "lab" / "grants.db"
        self.env = {"PARTNERSAM_CONFIG": str(self.config), **(env or {})}
        private(home / "client-secret", client_secret or peer.client["client_secret"])
        if not (home / "store-key").exists():
            key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
            canary.know("a store", key)
            private(home / "store-key", f"partnersam-key-1:{key}")
        self.configure(ca_file=peer.ca_file if ca_file is None else ca_file)

    def configure(self, *, ca_file: Path, authority: bool = True) -> None:
        """Writes the configuration file; without `authority` the table that makes the peer reachable is left out."""
        lines = [
            f'client_id = "{self.peer.client["client_id"]}"',
            *self.credential,
            f'store = "sqlite:{self.store}"',
            'key = "file:store-key"',
        ]
        if authority:
            lines += [
                "[authority]",
                f'name = "{NAME}"',
                f'issuer = "{self.peer.issuer}"',
                "one_use_refresh_tokens = true",
            ]
            lines += [f'ca_file = "{ca_file}"'] if ca_file.name else []
        lines += ["[scopes]", f'"{GRAPH}" = ["graph.read"]', f'"{PARTNER_CENTER}" = ["user_impersonation"]']
        self.config.write_text("\n".join([*lines, ""]))

    @property
    def cli(self) -> Cli:
        return Cli(self.home, self.env)

    def program(self, face: str) -> Cli:
        """What prints a token: `cli` or `python`."""
        return self.cli if face == "cli" else Cli(self.home, self.env, (VENV / "bin" / "python", PRINT_TOKEN))

    def ask(self, face: str, audience: str, *more: str) -> list[str]:
        return [*(["token"] if face == "cli" else []), NAME, "--for", audience, *more]

    def token(self, audience: str = GRAPH, *more: str) -> Answer:
        return self.cli(*self.ask("cli", audience, *more))

    def consent(self, *more: str, audiences: str = BOTH, answer: str = "yes") -> Answer:
        """Somebody else opens the link and signs in; the answer's standard output has two lines, the link's and the result's."""
        with self.cli.start("consent", NAME, "--for", audiences, "--link", "--json", *more) as process:
            link = json.loads(process.first_line())["link"]
            self.peer.sign_in(link, answer=answer).deliver()
            return Answer(process.wait(), process.stdout, process.stderr)


def private(file: Path, text: str) -> None:
    """A file with one line that only its owner can read."""
    file.touch(mode=0o600)
    file.write_text(f"{text}\n")
