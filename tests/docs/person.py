"""A browser that needs no person: `BROWSER` names this program, and it signs in at the emulator and takes the reply to who waits for it."""

from __future__ import annotations

import json
import os
import ssl
import sys
from pathlib import Path

import httpx


def main() -> None:
    ready = json.loads(Path(os.environ["PARTNERSAM_EMULATOR"]).read_text())
    with httpx.Client(verify=ssl.create_default_context(cafile=ready["ca_file"]), trust_env=False, timeout=30) as http:
        asked = {"authorize_url": sys.argv[1], "upn": "admin@fabrikam.com", "accept": True}
        form = http.post(ready["control"] + "/signin", json=asked).raise_for_status().json()["form"]
        http.post(form["action"], data=form["fields"]).raise_for_status()


if __name__ == "__main__":
    main()
