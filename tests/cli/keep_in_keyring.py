"""Files standard input in the session's Secret Service through libsecret, GNOME's own client: `python keep_in_keyring.py SERVICE USER`.

With the attributes that Python's keyring gives its entries, and in a process of its own, with the bus in the environment.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_uint32, c_void_p


class Error(Structure):
    """GError."""

    _fields_ = (("domain", c_uint32), ("code", c_int), ("message", c_char_p))


def main(service: str, user: str) -> int:
    glib = ctypes.CDLL("libglib-2.0.so.0")
    libsecret = ctypes.CDLL("libsecret-1.so.0")
    glib.g_hash_table_new.restype = c_void_p
    glib.g_hash_table_insert.argtypes = [c_void_p, c_char_p, c_char_p]
    libsecret.secret_value_new.restype = c_void_p
    libsecret.secret_value_new.argtypes = [c_char_p, c_int, c_char_p]
    store = libsecret.secret_service_store_sync
    store.argtypes = [c_void_p, c_void_p, c_void_p, c_char_p, c_char_p, c_void_p, c_void_p, POINTER(POINTER(Error))]

    attributes = glib.g_hash_table_new(glib.g_str_hash, glib.g_str_equal)
    # The table keeps what it is given, so the texts must live as long.
    texts = [b"application", b"Python keyring library", b"service", service.encode(), b"username", user.encode()]
    for name, value in zip(texts[::2], texts[1::2], strict=True):
        glib.g_hash_table_insert(attributes, name, value)
    secret = libsecret.secret_value_new(sys.stdin.buffer.read(), -1, b"text/plain")
    failed = POINTER(Error)()
    if not store(None, None, attributes, None, b"a test's entry", secret, None, byref(failed)):
        print(failed.contents.message.decode() if failed else "not stored", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
