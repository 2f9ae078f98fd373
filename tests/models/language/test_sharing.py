from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from ncz.models.language.sharing import Sharing


def double(value: int) -> int:
    return 2 * value


def test_results_come_in_order() -> None:
    sharing = Sharing(2)
    assert sharing.all(double, range(1, 9)) == [2 * i for i in range(1, 9)]
    assert list(sharing.ahead(double, iter(range(20)))) == [2 * i for i in range(20)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_has_threads_of_its_own() -> None:
    """As a program has that compresses, forks, and compresses in the child."""
    sharing = Sharing(2)
    for _ in range(3):
        assert sharing.all(double, [1, 2, 3]) == [2, 4, 6]
        time.sleep(0.1)  # until the threads have said that they wait for more
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if list(sharing.ahead(double, [4, 5, 6])) == [8, 10, 12] else 2
        finally:
            sys.stdout.flush()
            os._exit(code)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the fork waits for threads that only its parent has")
