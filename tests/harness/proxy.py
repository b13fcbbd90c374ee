"""What may stand between a client and its server: a proxy that counts the tunnels through it, and a listener that counts what should never come."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

PATIENCE = 30.0
"""Seconds for one read. A limit for the broken case."""


class Listener:
    """Accepts on loopback and hands each connection to `serve` in a thread of its own. Gone, with all its threads, at the end."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]

    def serve(self, client: socket.socket) -> None:
        """Does what it is for with one connection."""

    def hold(self, connection: socket.socket) -> None:
        """Has this connection cut off at the end, so that nobody waits on it."""
        connection.settimeout(PATIENCE)
        self._open.add(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self.hold(client)
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            self.serve(client)

    def __enter__(self) -> Listener:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Shutting down wakes whoever waits in accept or recv; closing alone does not.
        for each in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()


class Counter(Listener):
    """Takes whatever comes and answers nothing. `received` is what came, from all who came."""

    def __init__(self) -> None:
        super().__init__()
        self.received = b""

    def serve(self, client: socket.socket) -> None:
        while data := client.recv(65536):
            self.received += data

    def __enter__(self) -> Counter:
        super().__enter__()
        return self


class Proxy(Listener):
    """An HTTP proxy for tunnels (RFC 9110 section 9.3.6). `tunnels` names each target, as it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.tunnels: list[str] = []
        self.others: list[str] = []
        """First lines of requests that asked for no tunnel: with these the proxy would have read what was sent."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(65536)
            if not more:
                return
            head += more
        line = head.split(b"\r\n", 1)[0].decode()
        method, target, _ = line.split(" ")
        if method != "CONNECT":
            self.others.append(line)
            client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        self.tunnels.append(target)
        host, _, port = target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE) as server:
            self.hold(server)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=carry, args=(server, client))
            back.start()
            carry(client, server)
            back.join()

    def __enter__(self) -> Proxy:
        super().__enter__()
        return self


def carry(source: socket.socket, target: socket.socket) -> None:
    """Everything from one side to the other, and then its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
