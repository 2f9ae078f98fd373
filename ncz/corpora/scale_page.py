"""``docs/scale.md``: what :mod:`ncz.corpora.scaling` measured, and what is reckoned from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ncz.corpora import reckoning
from ncz.corpora.reckoning import Job, Setup
from ncz.corpora.report import table

Found = dict[str, Any]

# What is assumed where nothing can be measured here.
_JOB = 100 * 10**9  # bytes of text
_BLOCK = 16 << 20  # bytes: what levels 5 to 9 take unless told otherwise
_NETWORK = 1.0e9  # bytes a second: 10 Gbit/s, less what protocols take
_START_S = 15.0  # of a worker with a language model, on a machine that has it on disk
_CORES = 16  # of a node
_AIM = {"encode": 300_000.0, "decode": 50_000.0}  # tokens a second of a GPU

_HEAD = """\
# Scale

Written by `make scale`, not by hand. The first part was measured on this machine: {machine}.
Everything under [Reckoned](#reckoned) was not.

"""


def page(found: Found) -> str:
    """The document.

    Args:
        found: the content of ``scaling.json``; parts that were not measured are left out.
    """
    parts = [_HEAD.format(machine=_machine(found["machine"])) + "## Measured"]
    for name, write in (
        ("processes", _processes),
        ("overhead", _overhead),
        ("streams", _streams),
        ("memory", _memory),
    ):
        if name in found:
            parts.append(write(found[name]))
    if "processes" in found and "streams" in found:
        parts.append(_reckoned(found))
    return "\n\n".join(parts) + "\n"


def _processes(found: Found) -> str:
    lines = []
    for direction in ("encode", "decode"):
        one, two = found[direction]["1"], found[direction]["2"]
        lines.append([direction, f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f} ×"])
    head = ["direction", "one process, s", "two processes, s", "faster"]
    return (
        f"**Processes.** {found['blocks']} blocks of {found['block_size']:,} bytes of text at "
        f"`-{found['level']}`, all processes started.\n\n{table(head, lines)}"
    )


def _overhead(found: Found) -> str:
    loop, alone = found["loop"], found["alone"]
    lines = [["a plain loop", f"{loop:.3f}", "", "", ""]]
    for name in ("thread", "process"):
        whole, own = found[name], alone[name]
        parts = [f"{whole / loop - 1:+.1%}", f"{own:.3f}", f"{own / loop:.2%}"]
        lines.append([f"the scheduler, one {name}", f"{whole:.3f}", *parts])
    head = ["by", "s", "beside the loop", "without work, s", "of the loop"]
    return (
        f"**The scheduler.** {found['blocks']} blocks of {found['block_size']:,} bytes of text at "
        f"`-{found['level']}`; and the same blocks with nothing done to them, which shows what the "
        "scheduler takes by itself where the difference of two runs is within what a machine's "
        f"speed wavers by.\n\n{table(head, lines)}"
    )


def _streams(found: Found) -> str:
    rates = {int(count): each for count, each in found.items()}
    lines = [
        [
            str(count),
            f"{each['bytes']:,}",
            f"{8 * each['coded_size'] / each['bytes']:.3f}",
            f"{each['encode_tokens_s']:,.0f}",
            f"{each['decode_tokens_s']:,.0f}",
        ]
        for count, each in sorted(rates.items())
    ]
    few, many = (rates[count]["decode_tokens_s"] for count in (min(rates), max(rates)))
    head = ["streams", "bytes", "bpb", "in tok/s", "out tok/s"]
    return (
        "**Streams.** The default model at the windows of `-7`, one process. "
        f"{max(rates)} streams are restored {many / few:.1f} times as fast as one.\n\n"
        f"{table(head, lines)}"
    )


def _memory(found: Found) -> str:
    peaks = sorted(found["peaks"].values(), key=lambda peak: peak["raw_size"])
    lines = [
        [
            f"{peak['raw_size']:,}",
            f"{peak['peak_bytes'] / 1e6:,.0f}",
            f"{peak['peak_bytes'] / peaks[0]['peak_bytes'] - 1:+.1%}",
            f"{peak['seconds']:,.0f}",
        ]
        for peak in peaks
    ]
    return (
        f"**Memory.** Drawn text of two sizes at `-{found['level']}` with {found['threads']} "
        f"threads, from a pipe.\n\n{table(['bytes', 'peak MB', 'more', 's'], lines)}"
    )


def _reckoned(found: Found) -> str:
    job = f"{_JOB // 10**9} GB of text in blocks of {_BLOCK >> 20} MiB"
    gpu = "as measured" if "gpu" in found else "which is what is aimed at and was not measured"
    model = str(reckoning.__doc__).split("The model. ")[1].strip()
    rates = found.get("gpu", _AIM)
    return f"""\
## Reckoned

None of this was measured. It is {job}, and what one worker does here, put into a model
(`ncz/corpora/reckoning.py`):

> {model.replace(chr(10), chr(10) + "> ").replace("> " + chr(10), ">" + chr(10))}

Assumed: {_NETWORK / 1e9:.0f} GB/s through the machine that reads and writes, {_START_S:.0f} s to \
start a worker that has a language model, nodes of {_CORES} cores like these, and \
{rates["encode"]:,.0f} tokens a second in and {rates["decode"]:,.0f} out for a GPU, {gpu}.

{table(_COLUMNS, list(_rows(found, rates)))}"""


_COLUMNS = ["level", "workers", "direction", "each, MB/s", "shipped, GB", "time", "bound by"]


def _rows(found: Found, gpu: Found) -> Iterator[Sequence[str]]:
    mixing, streams = found["processes"], found["streams"]
    many = streams[max(streams, key=int)]
    token = many["bytes"] / many["tokens"]
    size = mixing["blocks"] * mixing["block_size"]
    for direction in ("encode", "decode"):
        rate = size / mixing[direction]["1"]
        job = Job(_JOB, _BLOCK, mixing["coded_size"] / size)
        for setup in (
            Setup("1 process", 1, rate),
            Setup(f"100 nodes, {_CORES} processes each", 100 * _CORES, rate, _NETWORK, 1.0),
        ):
            yield _row(f"-{mixing['level']}", direction, job, setup)
    for direction in ("encode", "decode"):
        here, card = token * many[f"{direction}_tokens_s"], token * gpu[direction]
        job = Job(_JOB, _BLOCK, many["coded_size"] / many["bytes"])
        for setup in (
            Setup("1 process", 1, here, None, _START_S),
            Setup("8 GPUs of one machine", 8, card, None, _START_S),
            Setup("100 nodes, 1 process each", 100, here, _NETWORK, _START_S),
            Setup("100 nodes, 8 GPUs each", 800, card, _NETWORK, _START_S),
        ):
            yield _row("-7", direction, job, setup)


def _row(level: str, direction: str, job: Job, setup: Setup) -> Sequence[str]:
    found = reckoning.reckon(job, setup)
    each, shipped = f"{setup.rate / 1e6:,.3f}", f"{found.shipped / 1e9:,.0f}"
    return [level, setup.name, direction, each, shipped, _time(found.seconds), found.bound]


def _time(seconds: float) -> str:
    for size, unit in ((86_400 * 365, "years"), (86_400, "days"), (3600, "hours"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.0f} s"


def _machine(machine: Found) -> str:
    return f"{machine['processor']}, {machine['cores']} cores, {machine['date']}"
