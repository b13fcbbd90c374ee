"""The Python package in a process that goes on whatever happens: asks for one token over and over, and prints how each call ended.

`python use_token.py PARTNER` until it is stopped. One line a call: `token`, `fresh` (a new one), or the error's id.
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
        try:
            token = app.token(partner, "graph")
            if token.expires_on <= time.time():
                print("expired", flush=True)
            print("token" if token.token == last else "fresh", flush=True)
            last = token.token
        except PartnerSamError as error:
            print(error.to_dict()["id"], flush=True)
        # libfaketime does not know the way in which `time.sleep` sleeps.
        select.select([], [], [], 0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
