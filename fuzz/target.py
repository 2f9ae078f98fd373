"""One target and libFuzzer: ``python -m fuzz.target NAME FOLDER [-max_total_time=60 …]``.

What follows the folder is libFuzzer's; a file among it is tried alone. The corpus is in
FOLDER/corpus, and begins with the target's seeds; inputs that end in an error go to FOLDER/crashes.
Only modules of ncz that hold no compiled functions are instrumented: see :mod:`fuzz.targets`.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
import tempfile
from pathlib import Path

_COMPILED = re.compile(r"^@(jit|lean)\b|\b(jit|lean)\(", re.MULTILINE)


def main() -> None:
    """Attack until libFuzzer ends the process."""
    import atheris

    name, folder, *options = sys.argv[1:]
    # Modules are imported where they are first used, so hooks stay for all of the run.
    with atheris.instrument_imports(include=["ncz"], exclude=compiled()):
        from fuzz import targets

        target = targets.target(name)
        corpus, crashes = Path(folder, "corpus"), Path(folder, "crashes")
        crashes.mkdir(parents=True, exist_ok=True)
        if not corpus.is_dir():
            corpus.mkdir()
            for seed in target.seeds():
                (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
        with tempfile.TemporaryDirectory() as scratch:
            attack = target.prepare(Path(scratch))
            # libFuzzer runs this again, by a shell, to make a corpus minimal.
            again = shlex.join([sys.executable, "-m", "fuzz.target", name, folder])
            arguments = [again, f"-artifact_prefix={crashes}/", f"-max_len={target.longest}"]
            if not any(option.startswith("-merge") or Path(option).exists() for option in options):
                arguments.append(str(corpus))
            atheris.Setup([*arguments, *options], attack)
            atheris.Fuzz()


def compiled() -> list[str]:
    """Names of all modules of ncz with functions that numba compiles."""
    import importlib.util

    spec = importlib.util.find_spec("ncz")
    assert spec is not None and spec.submodule_search_locations
    root = Path(spec.submodule_search_locations[0])
    return [
        ".".join(path.relative_to(root.parent).with_suffix("").parts)
        for path in sorted(root.rglob("*.py"))
        if _COMPILED.search(path.read_text("utf-8"))
    ]


if __name__ == "__main__":
    main()
