"""``ncz doctor``: what this installation is made of, and whether it computes what it must."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from ncz.cli import exits
from ncz.cli.reporting import Reporter, announce_waiting
from ncz.codec.errors import NczError

_REQUIRED = (
    "numpy", "numba", "torch", "zstandard", "xxhash", "safetensors", "gguf", "filelock", "click",
    "tqdm",
)  # fmt: skip
_OPTIONAL = ("brotli", "pyppmd", "matplotlib")
_PART = 6000  # bytes of each kind of data in the sample, and of a block
_WORDS = 600  # bytes of text for the language model, which restores some 40 tokens a second
_SETTINGS_AT = 6  # the level whose code is compiled for other processors
LEVELS = range(1, 7)  # those above add the language model, which has a check of its own
_DIGESTS = {
    2: "0cb3cefcdb1ba366c8a6b0455a9f752bec999657df2106fc43dd5f09601456aa",
    3: "0914f758ed45dfaae82bf400e301aa7776d78bea9d67e023565b628ef6bb0054",
    4: "ee71e8bf491a443fdccf53611251fd5e6251e837429b9a3d72f40081eeae8ed2",
    5: "5cdeb0cbb2ae3ccc28cccb4af6a1d1b9918ea9f54a77b7e5010763db876af922",
    6: "17df98672074272611532ee41b5e94c4c1780721b1596120d905fc697e35b4ce",
}
"""SHA-256 of the sample's .ncz file by level, the same on every machine. Level 1 has none: its
bytes are the business of the zstd library that is installed."""
_MODEL_DIGESTS = {
    "2282218fab1e877ce26a15c55318cc2c5b07df3ed4a4a3a91ddc21f9b6de8314": (
        "bf590dc0db30a23748ff2ad472e1954e7874c217c757e4e29c4db7a5d334fa44"
    ),
}
"""SHA-256 of what the text coder of level 7 makes of some words, by that of the model's exact
file. A failed check names the one it has found."""


@dataclass(frozen=True)
class Check:
    """One part of the self-test.

    Attributes:
        name: what was tried.
        ok: whether it came out as it must.
        detail: sizes and times, or what went wrong.
    """

    name: str
    ok: bool
    detail: str


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show versions, devices and models, and run a self-test.

    The self-test compresses and restores small data at every level, at 7 to 9 if the default
    language model is here; does the same in processes with other machine code, more threads and
    older libraries, which must give the same bytes; and damages a file to see that it is noticed.
    The exit code is 1 if anything is not as it must be. Attach the output to a report of a problem.
    """
    announce_waiting(Reporter())
    versions, devices, models = _versions(), _devices(), _models()
    if not as_json:
        parts = {"Versions": versions, "Devices": devices, "Models": models}
        for title, facts in parts.items():
            click.echo(f"{title}:")
            for name, value in facts.items():
                click.echo(f"  {name:<12} {value or 'not installed'}")
        click.echo("Self-test:")
    checks: list[Check] = []
    tries: list[Callable[[], Check]] = [partial(check_level, level) for level in LEVELS]
    for attempt in (*tries, check_model, check_settings, check_damage):
        checks.append(attempt())
        if not as_json:
            _show(checks[-1])
    healthy = all(check.ok for check in checks)
    if as_json:
        report = {
            "ok": healthy,
            "versions": versions,
            "devices": devices,
            "models": models,
            "checks": [asdict(check) for check in checks],
        }
        click.echo(json.dumps(report))
    else:
        click.echo("All is well." if healthy else "Something is wrong: see the lines above.")
    ctx.exit(exits.OK if healthy else exits.FAILED)


def check_level(level: int) -> Check:
    """Round trip at `level`; one thread, two threads and other machines give the same bytes."""
    name = f"level {level}"
    started = time.monotonic()
    try:
        import ncz

        raw = sample()
        coded = ncz.compress(raw, level, block_size=_PART)
        if ncz.compress(raw, level, threads=2, block_size=_PART) != coded:
            return Check(name, False, "two threads give other bytes than one")
        if ncz.decompress(coded) != raw:
            return Check(name, False, "what comes back is not what went in")
        digest = hashlib.sha256(coded).hexdigest()
        if digest != _DIGESTS.get(level, digest):
            return Check(name, False, "other bytes than on other machines: do not trust its files")
    except Exception as error:
        return Check(name, False, exits.explain(error)[1])
    seconds = time.monotonic() - started
    return Check(name, True, f"{len(raw):,} -> {len(coded):,} bytes and back, {seconds:.1f} s")


def check_model() -> Check:
    """Round trip through the language model; other machines give the same bytes.

    Coding reads the words at once and restoring goes token by token, so that both agree is a
    test of the arithmetic in itself.
    """
    name = "model"
    started = time.monotonic()
    try:
        from ncz.formats import levels
        from ncz.models import weights

        default = weights.have(weights.default().name)
        if default is None:
            return Check(name, True, "not here; levels 7 to 9 fetch it: ncz models pull")
        raw = sample()[:_WORDS]
        coder = levels.plan(levels.DEFAULT_TEXT).coders[-1]
        coded = coder.encode(raw)
        if coded is None or coder.decode(coded, len(raw)) != raw:
            return Check(name, False, "what comes back is not what went in")
        digest = hashlib.sha256(coded).hexdigest()
        if digest != _MODEL_DIGESTS.get(default.digest, digest):
            other = f"other bytes than on other machines ({digest}): do not trust its files"
            return Check(name, False, other)
    except Exception as error:
        return Check(name, False, exits.explain(error)[1])
    seconds = time.monotonic() - started
    return Check(name, True, f"{len(raw):,} -> {len(coded):,} bytes and back, {seconds:.1f} s")


def check_settings() -> Check:
    """Other processes, with other machine code and libraries told otherwise, give the same bytes.

    ``python -m ncz.corpora.exactness`` does so at length.
    """
    name = "settings"
    started = time.monotonic()
    try:
        from ncz.corpora import agreement, settings
        from ncz.formats import levels
        from ncz.models import weights

        with tempfile.TemporaryDirectory(prefix="ncz-doctor-") as temporary:
            folder = Path(temporary)
            raw, kind = sample(), settings.BYTES
            files = [agreement.file(folder, "sample", kind, raw, _SETTINGS_AT, _PART)]
            if weights.have(weights.default().name) is not None:
                words, level = raw[:_WORDS], levels.DEFAULT_TEXT
                files.append(agreement.file(folder, "words", settings.TEXT, words, level))
            known = agreement.first(files)
            tried = settings.quick(importlib.util.find_spec("torch") is not None)
            ask = partial(agreement.compare, agreement.Python(folder), files=known)
            with ThreadPoolExecutor(len(tried)) as pool:
                rows = list(pool.map(ask, tried))
    except Exception as error:
        return Check(name, False, exits.explain(error)[1])
    for row in rows:
        if row.failure or row.differences:
            wrong = row.failure or "; ".join(row.differences)
            return Check(name, False, f"{row.name}: {wrong}")
    seconds = time.monotonic() - started
    names = "; ".join(row.name for row in rows)
    return Check(name, True, f"the same bytes, {seconds:.1f} s ({names})")


def check_damage() -> Check:
    """A changed byte must be refused."""
    name = "damage"
    try:
        import ncz
        from ncz.codec.errors import FormatError

        damaged = bytearray(ncz.compress(sample(), level=1))
        damaged[len(damaged) // 2] ^= 1
        try:
            ncz.decompress(bytes(damaged))
        except FormatError:
            return Check(name, True, "noticed")
    except Exception as error:
        return Check(name, False, exits.explain(error)[1])
    return Check(name, False, "a damaged file was decoded without a word")


def sample() -> bytes:
    """The same bytes everywhere: text, records, x86 code and noise, a block of each."""
    state = 1

    def below(limit: int) -> int:
        nonlocal state
        state = (state * 1_103_515_245 + 12_345) % 2**31
        return (state >> 16) % limit

    words = b"any file goes in a smaller one comes out and the same bytes come back".split()
    text, code = bytearray(), bytearray()
    while len(text) < _PART:
        text += words[below(len(words))] + b" "
    records = b"".join(
        number.to_bytes(4, "little") + (number * number).to_bytes(8, "little")
        for number in range(_PART // 12)
    )
    pieces = [bytes.fromhex(piece) for piece in ("5589e5", "8b4508", "83ec18", "c9c3", "890424")]
    while len(code) < _PART:  # between calls of a few functions
        code += pieces[below(len(pieces))] + pieces[below(len(pieces))]
        code += b"\xe8" + (below(9) * 512 - len(code)).to_bytes(4, "little", signed=True)
    noise = bytes(below(256) for _ in range(_PART))
    return b"".join(bytes(part[:_PART]) for part in (text, records, code, noise))


def _versions() -> dict[str, str | None]:
    import ncz

    return {
        "ncz": ncz.__version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        **{package: _version(package) for package in (*_REQUIRED, *_OPTIONAL)},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices() -> dict[str, Any]:
    from ncz.codec.crew import cores

    facts: dict[str, Any] = {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": f"{cores()} of {os.cpu_count()} usable",
    }
    with_sysconf = hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names
    if with_sysconf:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        facts["memory"] = f"{memory / 2**30:.1f} GiB"
    facts["gpu"] = ", ".join(_gpus()) or "none"
    facts["products"] = _way()
    return facts


def _way() -> str:
    """How language models multiply here."""
    try:
        from ncz.models.language import products

        return f"{products.on_cpu().name} on the CPU"
    except (ImportError, OSError, NczError) as error:
        return f"none that works: {error}"


def _models() -> dict[str, str]:
    from ncz.models import weights

    facts = {
        model.name: f"{model.size / 1e6:.0f} MB, SHA-256 {model.digest}"
        for model in weights.installed()
    }
    return {weights.default().name: "", **facts}


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    """The NVIDIA devices that their driver's own tool lists; nothing is loaded to find out."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.strip().splitlines() if listed.returncode == 0 else []


def _show(check: Check) -> None:
    click.echo(f"  {check.name:<12} {'ok    ' if check.ok else 'FAILED'} {check.detail}")
