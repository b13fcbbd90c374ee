"""A person at a browser, by plain HTTP: follows redirects, fills in forms, and ends where the server sends the reply."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx


@dataclass
class Form:
    """The first form of a page with the values that are in it; buttons are left out, as a browser does until one is pressed."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Every control, the empty ones and the buttons too."""


@dataclass(frozen=True)
class Reply:
    """What the server sends to the client by way of the browser: by a redirect, or by a form that posts itself."""

    method: str
    url: str
    fields: dict[str, str]

    @property
    def pasted(self) -> str:
        """As a person finds it in the address bar."""
        return self.url

    def deliver(self) -> httpx.Response:
        """Takes it to the client that listens on loopback."""
        with httpx.Client(trust_env=False, timeout=30) as http:
            return http.post(self.url, data=self.fields) if self.method == "post" else http.get(self.url)


Answer = Callable[[Form, httpx.Response], dict[str, str] | None]
"""What a person writes into this form and presses: values by name. None: this page is not known, and the walk ends in an error."""


def browser(ca_file: Path, base_url: str = "") -> httpx.Client:
    """A client that trusts this authority and nothing else, keeps cookies, and follows no redirect by itself."""
    context = ssl.create_default_context(cafile=str(ca_file))
    return httpx.Client(base_url=base_url, verify=context, trust_env=False, timeout=30)


def walk(http: httpx.Client, page: httpx.Response, own: str, answer: Answer) -> Reply | httpx.Response:
    """From a page to the reply that leaves the server `own` (its origin), or to the first page without a form."""
    for _ in range(20):
        if page.is_redirect:
            target = urljoin(str(page.url), page.headers["location"])
            if not target.startswith(own + "/"):
                return Reply("get", target, dict(parse_qsl(urlsplit(target).query)))
            page = http.get(target)
            continue
        form = first_form(page)
        if form is None:
            return page
        if not form.action.startswith(own + "/"):
            return Reply(form.method, form.action, form.fields)
        filled = answer(form, page) if page.status_code == 200 else None
        if filled is None:
            break
        page = submit(http, form, filled)
    raise AssertionError(f"sign-in went no further at {page.url}: {page.status_code} {page.text}")


def submit(http: httpx.Client, form: Form, filled: dict[str, str]) -> httpx.Response:
    unknown = set(filled) - form.names
    assert not unknown, f"the form at {form.action} has no field {', '.join(sorted(unknown))}: {sorted(form.names)}"
    values = {**form.fields, **filled}
    return http.post(form.action, data=values) if form.method == "post" else http.get(form.action, params=values)


def first_form(page: httpx.Response) -> Form | None:
    parser = FormParser(str(page.url))
    parser.feed(page.text)
    return parser.form


class FormParser(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None:
            self.form = Form(urljoin(self.url, values.get("action", "")), values.get("method", "get").lower())
        elif tag in ("input", "button", "select", "textarea") and self.form and (name := values.get("name")):
            self.form.names.add(name)
            if tag == "input" and values.get("type") not in ("submit", "checkbox", "radio", "button"):
                self.form.fields[name] = values.get("value", "")
