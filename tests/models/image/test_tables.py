import hashlib
import math

from ncz.models.image.exact import HIGHEST, LOWEST, SCALES
from ncz.models.image.tables import DECISIONS, LAW


def test_a_logistic_law() -> None:
    for k in (0, 9, 30, 63):
        scale = math.exp(LOWEST + (HIGHEST - LOWEST) * k / (SCALES - 1))
        above = [2 / (1 + math.exp((n + 0.5) / scale)) for n in range(DECISIONS)]
        for n in range(DECISIONS):
            share = above[n] / (above[n - 1] if n else 1)
            wanted = min(max(share * 2**24, 16), 2**24 - 16)
            assert abs(int(LAW[k, n]) - wanted) <= 1 + wanted * 1e-6


def test_the_same_everywhere() -> None:
    assert hashlib.sha256(LAW.tobytes()).hexdigest() == (
        "ab13f55e645af6e9a25cc35978976eabe10564e401ff77a1ba7a27c703362164"
    )
