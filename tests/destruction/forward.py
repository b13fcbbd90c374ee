"""Listens on loopback here and leads to the same ports of loopback in another network namespace: `python forward.py PID PORT...`.

A socket belongs to the namespace in which it was made: those that listen are made before the change, those that connect after it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
import threading

CLONE_NEWNET = 0x40000000


def main(pid: int, ports: list[int]) -> int:
    listeners = [socket.create_server(("127.0.0.1", port)) for port in ports]
    libc = ctypes.CDLL(None, use_errno=True)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    # Threads that are started later are in the new namespace, too.
    if libc.setns(there, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    for listener in listeners:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()
    return 0


def accept(listener: socket.socket) -> None:
    while True:
        here, _ = listener.accept()
        try:
            there = socket.create_connection(listener.getsockname())
        except OSError:
            here.close()
            continue
        for pair in ((here, there), (there, here)):
            threading.Thread(target=carry, args=pair, daemon=True).start()


def carry(source: socket.socket, target: socket.socket) -> None:
    """Everything from one side to the other, and then its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
