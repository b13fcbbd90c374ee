"""What the tests of every language lean on: one emulator, keyring, browser, peer and command line, each a context manager.

`run.py`, `stage.py` and `counts.py` run before there is an environment and use the standard library only.
"""
