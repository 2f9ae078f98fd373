"""Who does a command's work: from its options to workers that live as long as it does.

What cannot be, such as a device that is not there, is one sentence before anything is begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ncz.codec.crew import Crew


@dataclass(frozen=True)
class Workers:
    """Who works.

    Attributes:
        threads: of this process; 0 means one per core. 1 where there is a crew.
        crew: others, if they were asked for.
        most: threads that a picture's arithmetic may use; None, what it wants, if none were asked
            for.
    """

    threads: int = 1
    crew: Crew | None = None
    most: int | None = None


def chosen(
    threads: int | None,
    processes: int | None,
    devices: str | None,
    device_memory: int | None,
    cluster: str | None,
) -> Workers:
    """What the options ask for; the crew is closed with the command.

    Raises:
        click.UsageError: they ask for two things, or name a device twice.
        NczError: there is no such device, or no such cluster.
    """
    given = {
        "-T": threads,
        "--processes": processes,
        "--devices": devices,
        "--cluster": cluster,
    }
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1 and named != ["--processes", "--cluster"]:
        raise click.UsageError(f"{' and '.join(named)} contradict each other: give one of them")
    if device_memory is not None and devices is None:
        raise click.UsageError("--device-memory goes with --devices")
    if not named or threads is not None:
        return Workers(1 if threads is None else threads, most=threads or None)
    from ncz.formats.workers import workers

    try:
        crew = workers(processes, devices=devices, cluster=cluster, device_memory=device_memory)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.get_current_context().call_on_close(crew.close)
    return Workers(crew=crew)
