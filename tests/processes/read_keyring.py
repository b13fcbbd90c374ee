"""Reads every secret of the session's Secret Service through libsecret, GNOME's own client, and prints it in hexadecimal.

In a process of its own: `python read_keyring.py SERVICE`, with the bus in the environment. One line for each entry filed under SERVICE.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p

ALL, LOAD_SECRETS = 1 << 1, 1 << 3


class List(Structure):
    """GList."""


List._fields_ = [("data", c_void_p), ("next", POINTER(List)), ("prev", POINTER(List))]


class Error(Structure):
    """GError."""

    _fields_ = (("domain", c_uint32), ("code", c_int), ("message", c_char_p))


def main(service: str) -> int:
    glib = ctypes.CDLL("libglib-2.0.so.0")
    libsecret = ctypes.CDLL("libsecret-1.so.0")
    glib.g_hash_table_new.restype = c_void_p
    glib.g_hash_table_insert.argtypes = [c_void_p, c_char_p, c_char_p]
    search = libsecret.secret_service_search_sync
    search.restype = POINTER(List)
    search.argtypes = [c_void_p, c_void_p, c_void_p, c_int, c_void_p, POINTER(POINTER(Error))]
    libsecret.secret_item_get_secret.restype = c_void_p
    libsecret.secret_item_get_secret.argtypes = [c_void_p]
    libsecret.secret_value_get.restype = c_void_p
    libsecret.secret_value_get.argtypes = [c_void_p, POINTER(c_size_t)]

    attributes = glib.g_hash_table_new(glib.g_str_hash, glib.g_str_equal)
    name, value = b"service", service.encode()
    glib.g_hash_table_insert(attributes, name, value)
    failed = POINTER(Error)()
    item = search(None, None, attributes, ALL | LOAD_SECRETS, None, byref(failed))
    if failed:
        print(failed.contents.message.decode(), file=sys.stderr)
        return 1
    while item:
        length = c_size_t()
        secret = libsecret.secret_item_get_secret(item.contents.data)
        print(ctypes.string_at(libsecret.secret_value_get(secret, byref(length)), length.value).hex())
        item = item.contents.next
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
