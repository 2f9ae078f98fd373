"""The output's end on a device: cumulative sums of all entries, and probabilities along paths.

:mod:`ncz.models.language.head` says what the numbers are; these are the same. What comes back
from a device is little: for the encoder some twenty numbers a token, for a decoder one row of
sums a stream.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ncz.codec.jit import jit
from ncz.models.language import steps
from ncz.models.language.canonical import Mask
from ncz.models.language.head import Head
from ncz.models.language.plain import Matrix, Network
from ncz.models.language.room import MASKS
from ncz.models.language.vocabulary import Vocabulary, longest_path, side

_ONE = float(1 << 24)  # of a probability


class Top:
    """A head of a network that is on a device.

    Args:
        top: the head.
        mask: what cannot follow a token.
    """

    def __init__(self, top: Head, mask: Mask) -> None:
        assert isinstance(top.network, Network)
        self.network = top.network
        self._prepared: Matrix = top.prepared
        self._said = self.network.tensor(top.said)
        self._vocabulary = top.vocabulary
        self._low = self.network.tensor(top.vocabulary.low)
        self._high = self.network.tensor(top.vocabulary.high)
        self._longest_path = longest_path(top.vocabulary)
        self._mask = mask
        self.entries = top.vocabulary.order.size
        packed = -(-self.entries // 8)
        rows = max(2, min(self.entries + 1, MASKS // packed))
        self._masks = torch.zeros((rows, packed), dtype=torch.uint8, device=self.network.device)
        self._shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=self.network.device)
        self._places: dict[int, int] = {}  # token -> its row of the masks
        self.most = rows
        """Tokens that :meth:`places` takes at once."""

    def places(self, before: np.ndarray) -> Tensor:
        """Where the masks of some tokens are on the device, until the next call; int64[m].

        Args:
            before: int64[m], of at most :attr:`most` kinds.
        """
        kinds = list(dict.fromkeys(before.tolist()))
        new = [token for token in kinds if token not in self._places]
        if len(self._places) + len(new) > self.most:
            self._places.clear()
            new = kinds
        if new:
            first = len(self._places)
            rows = np.stack([self._mask.packed(token) for token in new])
            self._masks[first : first + len(new)] = self.network.tensor(rows)
            self._places.update({token: first + k for k, token in enumerate(new)})
        return self.network.tensor(np.array([self._places[token] for token in before.tolist()]))

    def sums(self, x: Tensor, places: Tensor) -> Tensor:
        """int64[m, entries + 1] as :func:`head.cumulate` has them, on the device.

        Args:
            x: float32[m, width], residuals.
            places: int64[m], of the tokens before those that are to come.
        """
        product, units = self.network.product_of(x, self._prepared)
        weights = steps.entry_weights(product, units, self._prepared.scale)
        bits = (self._masks[places][..., None] >> self._shifts) & 1
        never = bits.reshape(x.shape[0], -1)[:, : self.entries]
        return steps.cumulate(weights, self._said, never)

    def paths(
        self, x: Tensor, before: np.ndarray, entries: np.ndarray, at_once: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of side 1 along the paths to some entries.

        Args:
            x: float32[m, width], residuals, on the device.
            before: int64[m], the tokens before.
            entries: int32[m], what came then.
            at_once: rows whose sums are held at once.

        Returns:
            uint32[...], those of all tokens end to end, and int64[m], how many each one has.
        """
        found, counts = [], []
        step = min(at_once, self.most)
        for at in range(0, entries.size, step):
            some = np.ascontiguousarray(entries[at : at + step])
            nodes = np.empty(some.size * self._longest_path, np.int32)
            count = np.empty(some.size, np.int64)
            nodes = nodes[: _nodes(self._vocabulary, some, nodes, count)]
            sums = self.sums(x[at : at + step], self.places(before[at : at + step]))
            rows = self.network.tensor(np.repeat(np.arange(some.size), count))
            found.append(self._decisions(sums, rows, self.network.tensor(nodes).long()))
            counts.append(count)
        trace = torch.cat(found).cpu().numpy().view(np.uint32)
        return trace, np.concatenate(counts)

    def _decisions(self, sums: Tensor, rows: Tensor, nodes: Tensor) -> Tensor:
        """int32[n], see :func:`vocabulary.probability`: of `nodes` by the sums in `rows`."""
        start = rows * sums.shape[1]
        flat = sums.reshape(-1)
        middle = flat[start + nodes]
        low = middle - flat[start + self._low[nodes]]
        high = flat[start + self._high[nodes]] - middle
        p = steps.quotient(high.double() * _ONE, (low + high).double()).floor()
        return p.to(torch.int64).clamp(1, (1 << 24) - 1).to(torch.int32)


@jit
def _nodes(
    vocabulary: Vocabulary, entries: np.ndarray, nodes: np.ndarray, counts: np.ndarray
) -> int:
    """The decisions on the paths to `entries`, end to end; how many."""
    at = 0
    for k in range(entries.size):
        entry = np.int64(entries[k])
        first = at
        node = np.int64(vocabulary.root[0])
        while node >= 0:
            nodes[at] = node
            at += 1
            node = np.int64(vocabulary.child[node, side(node, entry)])
        counts[k] = at - first
    return at
