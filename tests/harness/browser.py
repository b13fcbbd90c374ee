"""Debian's Chromium without a window, with a profile of its own that trusts the test authorities and checks the rest."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType

from playwright.sync_api import BrowserContext, Page, sync_playwright

from harness.certificates import trust_in_nss

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",  # tests run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Without these it calls home at every start; tests talk to this machine only.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-domain-reliability",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


class Browser:
    """`with Browser(emulator.ca_file) as browser: page = browser.page()`."""

    def __init__(self, *ca_files: Path) -> None:
        self.ca_files = ca_files
        self._home = tempfile.TemporaryDirectory(prefix="psam-chromium-", ignore_cleanup_errors=True)

    def __enter__(self) -> Browser:
        home = Path(self._home.name)
        trust_in_nss(home, *self.ca_files)
        self._playwright = sync_playwright().start()
        try:
            self.context: BrowserContext = self._playwright.chromium.launch_persistent_context(
                home / "profile",
                executable_path=CHROMIUM,
                headless=True,
                args=list(QUIET),
                env={"HOME": str(home), "PATH": os.defpath, "LANG": "C.UTF-8"},
            )
        except BaseException:
            self._playwright.stop()
            raise
        self.context.set_default_timeout(30_000)
        return self

    def page(self) -> Page:
        return self.context.new_page()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.context.close()
        finally:
            self._playwright.stop()
            self._home.cleanup()
