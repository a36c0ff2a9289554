"""A host for the tests: the program as it was built, which can be stopped and started again under its clients."""

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

PROGRAM = os.environ["KINORA_PROGRAM"]
MODULES = Path(os.environ["KINORA_MODULES"])


class Host:
    def __init__(self) -> None:
        self._dir = tempfile.TemporaryDirectory()
        self._port = 0
        self.start()

    def start(self) -> None:
        command = [PROGRAM, "serve", "--data", self._dir.name + "/data", "--listen", f"127.0.0.1:{self._port}"]
        environment = {**os.environ, "KINORA_LOG": "info"}
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        said = []
        for line in self._process.stderr:
            said.append(line)
            if "serving address=" in line:
                self._port = int(line.split("serving address=")[1].split()[0].rsplit(":", 1)[1])
                break
        else:
            raise AssertionError("".join(said))
        # Somebody has to read what the host says, or it would wait for a full pipe.
        threading.Thread(target=_drain, args=[self._process.stderr], daemon=True).start()
        self.url = f"http://127.0.0.1:{self._port}"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def run(self, *arguments: str) -> None:
        done = subprocess.run([PROGRAM, *arguments, "--url", self.url], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def end(self) -> None:
        self.kill()
        self._dir.cleanup()


def _drain(said) -> None:
    with said:
        said.read()


class Cutter:
    """A proxy that hands requests on, and hangs up in the place of the first `cuts` answers."""

    def __init__(self, port: int, cuts: int) -> None:
        self._port, self._cuts = port, cuts
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                host = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._hand_on, args=[client, host], daemon=True).start()
                self._answer(client, host)

    @staticmethod
    def _hand_on(client: socket.socket, host: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while sent := client.recv(1 << 16):
                host.sendall(sent)

    def _answer(self, client: socket.socket, host: socket.socket) -> None:
        with client, host:
            while answer := host.recv(1 << 16):
                if self._cuts > 0:
                    self._cuts -= 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)

    def close(self) -> None:
        self._listener.close()
