"""A person with a browser at the emulator: Chromium, with its own checks of certificates and its own idea of forms."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode

import pytest
from playwright.sync_api import Page

from harness import canary
from harness.browser import Browser
from harness.emulator import Emulator

pytestmark = pytest.mark.needs("chromium", "libnss3-tools")


class Listener:
    """What a client listens with while the browser is away: keeps the first reply."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                listener.fields = dict(parse_qsl(body))
                canary.know("the emulator", listener.fields.get("code", ""))
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(b"<title>back at the client</title>")

            def log_message(self, format: str, *arguments: object) -> None:
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.redirect = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    started = Listener()
    yield started
    started.stop()


def authorize(emulator: Emulator, listener: Listener) -> str:
    query = {
        "client_id": emulator.app("cpv")["client_id"],
        "response_type": "code",
        "response_mode": "form_post",
        "redirect_uri": listener.redirect,
        "scope": "openid offline_access https://graph.microsoft.com/.default",
        "state": "test-state",
        "prompt": "login",
    }
    return f"{emulator.authority}/organizations/oauth2/v2.0/authorize?{urlencode(query)}"


def sign_in(page: Page, emulator: Emulator) -> None:
    user = emulator.user()
    page.get_by_label("Account").fill(user["upn"])
    page.get_by_label("Password").fill(user["password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Code from your authenticator").fill(user["otp"])
    page.get_by_role("button", name="Verify").click()


def test_a_person_signs_in_with_mfa_consents_and_comes_back(emulator: Emulator, listener: Listener) -> None:
    with Browser(emulator.ca_file) as browser:
        page = browser.page()
        page.goto(authorize(emulator, listener))
        sign_in(page, emulator)
        page.get_by_role("button", name="Accept").click()
        page.wait_for_url(f"{listener.redirect}/**")
        assert page.title() == "back at the client"
    assert listener.fields["state"] == "test-state"
    assert listener.fields["code"]


def test_a_person_who_cancels_comes_back_without_a_code(emulator: Emulator, listener: Listener) -> None:
    with Browser(emulator.ca_file) as browser:
        page = browser.page()
        page.goto(authorize(emulator, listener))
        sign_in(page, emulator)
        page.get_by_role("button", name="Cancel").click()
        page.wait_for_url(f"{listener.redirect}/**")
    assert listener.fields["error"] == "access_denied"
    assert "code" not in listener.fields
