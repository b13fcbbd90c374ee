"""The Python package in a process that goes on whatever happens: asks for one token over and over, and prints how each call ended.

`python use_token.py PARTNER` until it is stopped. One line a call: `token`, `fresh` (a new one), or the error's id, and after how many seconds.
"""

from __future__ import annotations

import select
import sys
import time

from partnersam import PartnerApp, PartnerSamError


def main(partner: str) -> int:
    app = PartnerApp.from_env()
    last = ""
    while True:
        # The clock that libfaketime leaves alone.
        began = time.monotonic()
        try:
            token = app.token(partner, "graph")
            how = "token" if token.token == last else "fresh"
            if token.expires_on <= time.time():
                how = "expired"
            last = token.token
        except PartnerSamError as error:
            how = error.to_dict()["id"]
        print(how, f"{time.monotonic() - began:.3f}", flush=True)
        # libfaketime does not know the way in which `time.sleep` sleeps.
        select.select([], [], [], 0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
