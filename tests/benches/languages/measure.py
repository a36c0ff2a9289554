"""Measure of replays on a host, in three languages, beside the same folds without one."""

import json
import os
import statistics
import subprocess
import sys
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
GUESTS = {"Rust": "ontime-v1", "JavaScript": "ontime-js", "Python": "ontime-python"}
program, modules, events, sdk = sys.argv[1:5]


def ran(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def version(name: str, number: int) -> dict:
    url = f"{os.environ['KINORA_URL']}/v1/projections/{name}/versions/{number}"
    return json.load(urllib.request.urlopen(url))


def replayed(language: str, number: int) -> dict:
    name = f"on-{language.lower()}"
    with_upcaster = ("--upcaster", f"{modules}/departures.wasm")
    ran(program, "deploy", name, "--module", f"{modules}/{GUESTS[language]}.wasm", *with_upcaster, "--wait")
    status = version(name, number)
    ran(program, "abort", name, str(number))
    return status


def main() -> None:
    bundle = Path(events).with_name("fold.mjs")
    alias = f"--alias:kinora-sdk={Path('guest-sdk/javascript/src/index.js').resolve()}"
    built = [f"{sdk}/node_modules/.bin/esbuild", "tests/benches/languages/fold.ts", "--bundle", "--format=esm", alias]
    ran(*built, "--platform=node", "--log-level=error", f"--outfile={bundle}")
    native = {
        "JavaScript, native Node": ["node", str(bundle), events],
        "Python, native CPython": [sys.executable, str(HERE / "fold.py"), events],
    }
    rates: dict[str, list[float]] = {}
    memory: dict[str, int] = {}
    for number in range(1, int(os.environ.get("ROUNDS", "3")) + 1):
        for language in GUESTS:
            status = replayed(language, number)
            rates.setdefault(language, []).append(status["applied"] / status["replayed_in_ms"] * 1000)
            memory[language] = status["usage"]["memory_bytes"]
        for name, command in native.items():
            rates.setdefault(name, []).append(float(ran(*command)))
    print(f"{'':26}{'events/s':>10}{'least':>10}{'greatest':>10}{'MiB of an instance':>20}")
    for name, found in rates.items():
        held = f"{memory[name] / 2**20:.1f}" if name in memory else ""
        print(f"{name:26}{statistics.median(found):10.0f}{min(found):10.0f}{max(found):10.0f}{held:>20}")


main()
