"""A real browser without a window, driven through Chromium's own protocol over a pipe.

No driver and no package is needed: commands and events are JSON, ended by a zero byte, on two
file descriptors (https://chromedevtools.github.io/devtools-protocol/).
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
# The protocol wants its two ends to be descriptors 3 and 4, and either may be the other's yet.
_START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_PATIENCE_S = 60
_KEYS = {"Tab": 9, "Escape": 27, "End": 35, "Home": 36}
_KEYS |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def found() -> str | None:
    """The browser of this machine, None if it has none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page.

    Attributes:
        problems: whatever the page wrote to its console, threw, or was forbidden.
        requests: the address of everything that was asked for.
    """

    def __init__(self, commands: int, events: int) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._commands, self._events = commands, events
        self._pending = b""
        self._number = 0
        self._session: str | None = None
        self._happened: set[str] = set()
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Load a page to its end."""
        self._happened.clear()
        self._call("Page.navigate", url=address)
        while "Page.loadEventFired" not in self._happened:
            self._take()

    def look(self, width: int, height: int, scheme: str = "light", phone: bool = False) -> None:
        """Be a screen of that size, in pixels, where people like their pages light or dark."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self._call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", features=[scheme_feature])
        self.until(f"Math.abs(innerWidth - {width}) < 1")
        # Whoever listens for a new size has heard of it when the next frame but one is drawn.
        next_frame = "requestAnimationFrame(() => requestAnimationFrame(() => { settled = true; }))"
        self.run(f"settled = false; {next_frame}; 0")
        self.until("settled")

    def run(self, script: str) -> Any:
        """The value of an expression, as JSON has it."""
        done = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, script: str) -> Any:
        """The value of an expression once it is true."""
        end = time.monotonic() + _PATIENCE_S
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)
        return value

    def middle(self, element: str) -> tuple[float, float]:
        """Where an element, given as an expression, is on the screen; it is scrolled there."""
        x, y = self.run(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const b = e.getClientRects()[0]; "
            f"return [b.left + b.width / 2, b.top + b.height / 2]; }})({element})"
        )
        return x, y

    def point(self, x: float, y: float) -> None:
        """Move the mouse."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse's button."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = "none" if kind == "mouseMoved" else "left"
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse's button, move on with it held, and release it."""
        for kind, (x, y), held in (
            ("mouseMoved", start, 0),
            ("mousePressed", start, 1),
            ("mouseMoved", end, 1),
            ("mouseReleased", end, 0),
        ):
            button = "left" if kind != "mouseMoved" or held else "none"
            self._call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button=button,
                buttons=held,
                clickCount=1,
            )

    def tap(self, x: float, y: float) -> None:
        """Touch and let go."""
        self._call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self._call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, *keys: str) -> None:
        """Press and release keys, one after the other."""
        for key in keys:
            for kind in ("keyDown", "keyUp"):
                self._call(
                    "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=_KEYS[key]
                )

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as a PNG file."""
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._take()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def _take(self) -> dict[str, Any]:
        """The next message; what there is to learn from an event is noted."""
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._events], [], [], _PATIENCE_S)
            piece = os.read(self._events, 1 << 16) if ready else b""
            assert piece, "the browser does not answer"
            self._pending += piece
        first, _, self._pending = self._pending.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, about: dict[str, Any]) -> None:
        self._happened.add(event)
        if event == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif event == "Runtime.consoleAPICalled":
            self.problems.append(f"{about['type']}: {about['args']}")
        elif event == "Runtime.exceptionThrown":
            self.problems.append(str(about["exceptionDetails"]))
        elif event == "Log.entryAdded":
            self.problems.append(about["entry"]["text"])


@contextmanager
def tab(program: str, profile: Path) -> Iterator[Tab]:
    """A browser with one page, and with a profile of its own in a folder."""
    command_end, commands = os.pipe()
    events, event_end = os.pipe()
    with (profile.parent / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _START, str(command_end), str(event_end)),
                *(program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(command_end, event_end),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    os.close(command_end)
    os.close(event_end)
    try:
        yield Tab(commands, events)
    finally:
        os.close(commands)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(_PATIENCE_S)
        os.close(events)
