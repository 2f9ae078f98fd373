import hashlib
import math

from ncz.models.image.exact import HIGHEST, LOWEST, SCALES
from ncz.models.image.tables import DECISIONS, FARTHEST, LAW, THRESHOLDS, WORTH


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


def test_a_distance_is_rounded_up_where_it_is_worth_it() -> None:
    for k in (9, 30, 50, 63):
        stops = [1 - LAW[k, n] / 2**24 for n in range(DECISIONS)]
        reaches = [1.0]
        for n in range(DECISIONS):
            reaches.append(reaches[-1] * LAW[k, n] / 2**24)
        cost = [-math.log2(reaches[n] * stops[n]) + (n > 0) for n in range(DECISIONS)]
        for n in range(DECISIONS - 1):
            fair = 0.5 + (cost[n + 1] - cost[n]) / (2 * WORTH)
            assert abs(THRESHOLDS[k, n] - min(max(fair, 0.5), FARTHEST)) < 1e-9
            # At the threshold both cost the same: bits, and what the error is worth.
            if 0.5 < fair < FARTHEST:
                down, up = fair**2, (1 - fair) ** 2
                assert abs(cost[n] + WORTH * down - cost[n + 1] - WORTH * up) < 1e-9
