"""Measure of many projections at once on a host of their own: the memory that they hold, and what an event costs."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GUESTS = {"Rust": "ontime-v1", "JavaScript": "ontime-js", "Python": "ontime-python"}
MANY = int(os.environ.get("MANY", "50"))
HISTORY, MORE = 2_000, 4_000
"""Events before there are projections, and in all."""
program, modules, flights = sys.argv[1:4]


@contextmanager
def host() -> Iterator[tuple[str, int]]:
    """A host with some history: its URL, and its process."""
    with tempfile.TemporaryDirectory() as data:
        said = Path(data, "said")
        command = [program, "serve", "--data", f"{data}/data", "--listen", "127.0.0.1:0"]
        with said.open("w") as output, subprocess.Popen(command, stderr=output) as process:
            try:
                while not (found := re.search(r" serving address=(\S+)", said.read_text())):
                    time.sleep(0.1)
                yield f"http://{found[1]}", process.pid
            finally:
                process.terminate()


def feed(url: str, limit: int) -> None:
    subprocess.run([flights, "feed", "--limit", str(limit), "--url", url], check=True, capture_output=True)


def memory(process: int) -> float:
    """MiB in memory, of the host alone: the compiler is a process of its own."""
    held = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert held
    return int(held[1]) / 1024


def worked(process: int) -> float:
    """Seconds of all cores."""
    user, system = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def until_caught_up(url: str) -> None:
    while True:
        found = json.load(urllib.request.urlopen(f"{url}/v1/projections"))["projections"]
        versions = [version for projection in found for version in projection["versions"]]
        if all(version["state"] == "live" and version["lag"] == 0 for version in versions):
            return
        time.sleep(0.2)


def measure(language: str) -> None:
    with host() as (url, process):
        feed(url, HISTORY)
        before = memory(process)
        for number in range(MANY):
            parts = ["--module", f"{modules}/{GUESTS[language]}.wasm", "--upcaster", f"{modules}/departures.wasm"]
            promoted = ["--wait", "--promote", "when-ready", "--url", url]
            subprocess.run([program, "deploy", f"p{number}", *parts, *promoted], check=True, capture_output=True)
        until_caught_up(url)
        held, seconds = memory(process), worked(process)
        feed(url, MORE)
        until_caught_up(url)
        cost = (worked(process) - seconds) / (MORE - HISTORY) / MANY * 1e6
        print(f"{language:12}{before:12.0f}{held:12.0f}{(held - before) / MANY:18.1f}{cost:28.1f}")


print(f"{MANY} projections: MiB of a host")
print(f"{'':12}{'without':>12}{'with them':>12}{'a projection':>18}{'µs an event and projection':>28}")
for language in GUESTS:
    measure(language)
