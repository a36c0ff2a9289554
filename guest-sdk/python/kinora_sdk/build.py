"""Builder of guests: makes a module of a folder with a pyproject.toml."""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from types import ModuleType

from kinora_sdk.fault import said

SDK = Path(__file__).resolve().parent.parent

IMPORTS = {
    "projector": ["types", "diagnostics", "projection", "rows"],
    "upcaster": ["types", "diagnostics", "upcasting"],
    "decider": ["types", "diagnostics", "deciding"],
}
"""What a world imports, by the names of its interfaces."""

ENTRY = """import {module} as guest
from componentize_py_types import Err
from wit_world.imports import {imports}
from kinora_sdk.component import World, component
WitWorld = component(guest.{name}, World(Err, {given}))
"""


class Refused(Exception):
    """A folder is not one of a guest."""


def build(folder: Path, wit: Path, out: Path | None) -> Path:
    """Makes a module of the guest that `[tool.kinora] guest = "MODULE:NAME"` names."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    guest = project.get("tool", {}).get("kinora", {}).get("guest", "")
    module, _, name = guest.partition(":")
    if not module or not name:
        raise Refused(f'{folder / "pyproject.toml"} has no [tool.kinora] with guest = "MODULE:NAME"')
    source = folder / "src" if (folder / "src").is_dir() else folder
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(source), str(SDK)]
    declared = getattr(getattr(_loaded(module), name, None), "kinora", None)
    world = getattr(declared, "world", None)
    if world not in IMPORTS:
        raise Refused(f"{guest} is neither a class with @projector(...) nor an Upcaster or a Decider")
    out = (out or folder / f"{project['project']['name']}.wasm").resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        imports = ", ".join(IMPORTS[world])
        given = ", ".join(f"{name}={name}" for name in IMPORTS[world])
        entry = ENTRY.format(module=module, name=name, imports=imports, given=given)
        # The tool leaves compiled files beside what it reads, and shows its place in stacks: so it is given copies.
        skipped = shutil.ignore_patterns("__pycache__", "*.wasm")
        shutil.copytree(source, Path(place, "src"), ignore=skipped)
        shutil.copytree(SDK / "kinora_sdk", Path(place, "sdk", "kinora_sdk"), ignore=skipped)
        Path(place, "src", "kinora_entry.py").write_text(entry)
        _componentize(["-d", str(wit), "-w", world], [str(Path(place, "src")), str(Path(place, "sdk"))], out)
    return out


def _loaded(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as cause:
        raise Refused(f"{module} cannot be imported: {said(cause)}") from cause


def _componentize(world: list[str], paths: list[str], out: Path) -> None:
    tool = Path(sys.executable).with_name("componentize-py")
    taken = [argument for path in paths for argument in ("-p", path)]
    command = [str(tool), "-q", *world, "componentize", "kinora_entry", *taken, "--stub-wasi", "-o", str(out)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise Refused(f"componentize-py failed:\n{made.stderr.strip()}")


def main() -> None:
    """The command: `python -m kinora_sdk.build [FOLDER] [--wit FOLDER] [--out FILE]`."""
    parser = argparse.ArgumentParser(prog="kinora-guest-py", description="Make a module of a guest in Python.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("."))
    parser.add_argument("--wit", type=Path, default=SDK / "wit", help="the folder with kinora.wit")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    try:
        out = build(given.folder.resolve(), given.wit.resolve(), given.out)
    except (OSError, Refused) as cause:
        sys.exit(f"kinora-guest-py: {cause}")
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
