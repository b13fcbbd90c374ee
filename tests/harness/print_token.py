"""The Python package in a process of its own: prints one access token. Its log goes to standard error, all of it."""

from __future__ import annotations

import argparse
import logging
import sys

from partnersam import PartnerApp, PartnerSamError


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("partner")
    parser.add_argument("--for", dest="audience", required=True)
    parser.add_argument("--fresh", action="store_true")
    asked = parser.parse_args()
    logging.basicConfig(level=1, stream=sys.stderr)
    try:
        token = PartnerApp.from_env().token(asked.partner, asked.audience, fresh=asked.fresh)
    except PartnerSamError as error:
        print(error.to_dict(), file=sys.stderr)
        return 1
    for warning in token.warnings:
        print(repr(warning), file=sys.stderr)
    print(token.token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
