"""``docs/reliability.md``: what was done to lose data, how often, and whether any was lost.

Each campaign leaves its counts as a JSON file, ``PART.json``. The page has a section for each part
that is there: what was done, the counts as they are in the file, what would have been a failure,
and the command that does it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ncz.corpora.report import table

Found = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A campaign.

    Attributes:
        name: of its file.
        title: for people.
        done: what was done.
        failure: what would have been a failure.
        bad: the counts of these.
        count: of what it is counted in.
        aim: how much of that there should be.
        repeat: the command.
    """

    name: str
    title: str
    done: str
    failure: str
    bad: tuple[str, ...]
    count: str
    aim: float | None
    repeat: str


PARTS = (
    Part(
        "mutations",
        "Mutated files",
        "Whole files of every coder, changed by chance in one place or many, some with the checks "
        "made to fit what was changed, were decoded in sequence, by the index, and in pieces.",
        "A byte that is not the content's, damage that nobody noticed, an error outside of ncz's "
        "family, a crash, a decoder that goes on for ever, or memory over the limit it was given.",
        ("wrong", "missed", "refused", "stumble", "crash", "hang", "memory"),
        "containers",
        1_000_000,
        "python -m fuzz.mutations --count 1000000",
    ),
    Part(
        "fuzz",
        "Fuzzing",
        "Inputs that grow by what code they reach, fed to whatever reads data or arguments.",
        "A crash, an error outside of ncz's family, or no end.",
        ("crashes", "hangs", "failures"),
        "runs",
        None,
        "make fuzz",
    ),
    Part(
        "faults",
        "Faults of every kind",
        "Small files of many shapes (`files: …`), among them several blocks and members, nothing "
        "at all, skippable sections, an .ncz file in an .ncz file. To each header, block, "
        "section and tail of them, and to the bytes around their boundaries: bits flipped, the "
        "part dropped, doubled, exchanged with another, the file cut there; and coded data that "
        "is wrong under checks that fit it (`forge`). Each was decoded in four ways: in sequence, "
        "by the index, a range of it, and with `--keep-going`.\n\n"
        "`named`: an error that says where the damage is. `late`: the same, but only at the end of "
        "a member, since two members exchanged blocks that stand at the same place in both: then "
        "the content check tells, and whoever reads from a pipe has read the blocks. `saved`: with "
        "`--keep-going`, what is right, and zero bytes for what is missing. `whole`: the content "
        "is right nevertheless, as where a skippable section is damaged that a reader by the index "
        "passes over, or where a file was cut between two members.",
        "`wrong`: bytes that are not the content's, or damage that went unnoticed; `unnamed`: an "
        "error that does not say where, or says another place; `crashed`: an error outside of "
        "ncz's family, or a dead process; `over_memory`: more memory, of what Python and numpy "
        "allocate, than the lowest `--memlimit` that the whole file can be decoded under, and room "
        "for the file and its content, watched wherever damage is not to coded data alone; "
        "`hung`: a minute without an end.",
        ("wrong", "unnamed", "crashed", "over_memory", "hung"),
        "faults",
        None,
        "make faults",
    ),
    Part(
        "kills",
        "Kills",
        "`ncz compress` and `ncz decompress`, of a file or a folder, with `--rm`, `--resume`, both "
        "or neither, into new names or over old files, were killed by SIGKILL: by the clock, "
        "anywhere in the time that the work takes, or at a step, before or after one of its calls "
        "that touch a file, most of them near the end, where outputs are synced and named and "
        "inputs removed. After each, the folder was looked at. Then the same command was run "
        "again, with `--resume` after up to three kills, and with `-f` where an output was "
        "there already; not where `--rm` had removed all inputs, and nothing was left to do.",
        "A content that is neither in its input nor in a whole output; anything under a final name "
        "that is not whole; an old file that is gone before the new one is there; a file that "
        "nobody would know for a temporary one; a rerun that does not finish the work.",
        ("lost",),
        "kills",
        1000,
        "python -m ncz.corpora.kills --count 1000",
    ),
    Part(
        "soak",
        "Soak",
        "Rounds without a pause, in several processes: files of every kind (text, binary, sparse, "
        "random, repetitive, tiny, empty), levels 1 to 6 and now and then 7, threads, block sizes, "
        "pipes, ranges, folders, `--rm` and `--resume`, damage, kills. Seconds are those of all "
        "processes together.",
        "A byte that differs, a command that ends otherwise than it should, or not.",
        ("lost",),
        "seconds",
        3600,
        "make soak SOAK_TIME=3600",
    ),
    Part(
        "exactness",
        "The same bytes under other settings",
        "The same files coded and restored with other numbers of threads, instruction sets, "
        "libraries and versions of Python, and compared with what the first setting made.",
        "A byte that differs.",
        ("differences",),
        "settings",
        None,
        "python -m ncz.corpora.exactness",
    ),
    Part(
        "coverage",
        "Coverage",
        "The fast tests, with coverage.py, which counts the lines and branches of `ncz/codec` and "
        "`ncz/formats` that they run. Functions that numba compiles cannot be counted so and are "
        "left out (`compiled functions`, `compiled lines`; other tests hold what is compiled "
        "against what is not). What runs in processes of its own, as workers do, counts as not "
        "run.",
        "Less than 90 percent.",
        (),
        "percent",
        90,
        "make coverage",
    ),
)

_HEAD = """\
# Reliability

Written by `make reliability`, not by hand. Each part below is a command that anyone can run; its
counts add up over runs of the same version of ncz. What would have counted as a failure is said
with each, and every failure has a seed or a number that plays it again.

"""
_NO_COUNTS = {"seconds", "runs", "next"}
_SHOWN_FAILURES = 20


def page(found: Mapping[str, Found]) -> str:
    """The document.

    Args:
        found: the content of ``PART.json`` by part; parts that are not there are left out.
    """
    parts = [part for part in PARTS if part.name in found]
    overview = table(
        ["part", "counted in", "how many", "aim", "failures"],
        [_row(part, found[part.name]) for part in parts],
    )
    sections = [_section(part, found[part.name]) for part in parts]
    return _HEAD + "\n\n".join([overview, *sections]) + "\n"


def failures(part: Part, found: Found) -> int | None:
    """How many there were; None where none of these counts was kept."""
    kept = [name for name in part.bad if name in found]
    if not kept:
        return None
    return sum(len(found[name]) if isinstance(found[name], list) else found[name] for name in kept)


def _row(part: Part, found: Found) -> list[str]:
    bad = failures(part, found)
    aim = "" if part.aim is None else f"{part.aim:,}"
    link = part.title.lower().replace(" ", "-")
    return [
        f"[{part.title}](#{link})",
        part.count,
        _number(found.get(part.count, "")),
        aim,
        "" if bad is None else f"{bad:,}",
    ]


def _section(part: Part, found: Found) -> str:
    counts = [
        [name.replace("_", " "), _number(value)]
        for name, value in found.items()
        if name not in _NO_COUNTS and isinstance(value, (int, float))
    ]
    bad = failures(part, found)
    came = "" if bad is None else f" There {'was' if bad == 1 else 'were'} **{bad:,}**."
    pieces = [
        f"## {part.title}\n\n{part.done}",
        table(["count", "number"], counts),
        f"*A failure would have been:* {part.failure}{came}",
    ]
    said = found.get("failures")
    if isinstance(said, list) and said:
        lines = [f"- {one}" for one in said[:_SHOWN_FAILURES]]
        more = len(said) - _SHOWN_FAILURES
        pieces.append("\n".join(lines + ([f"- and {more:,} more"] if more > 0 else [])))
    pieces.append(f"Again: `{part.repeat}`. {_machine(found)}")
    return "\n\n".join(pieces)


def _machine(found: Found) -> str:
    machine = found["machine"]
    took = f", {found['seconds']:,.0f} s in all" if "seconds" in found else ""
    return (
        f"ncz {machine['ncz']}, {machine['python']}, {machine['processor']}, "
        f"{machine['cores']} cores, last on {machine['date']}{took}."
    )


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
