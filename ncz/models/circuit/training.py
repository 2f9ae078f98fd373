"""Training of circuits: expectation maximization in small steps, with what is held out as judge.

A step looks at a few hundred rows, has the network say what states they were in, and moves the
probabilities some way towards what these counts say (Cappé and Moulines 2009); the way gets
shorter to the end. What a state has seen little of is filled up from coarser knowledge: how its
values fall into a few ranges, and how all rows fall within these.

A circuit may start small and grow, each state becoming two that differ by a little noise, after
edges that nothing flows through were pruned (Dang, Liu and Van den Broeck 2022).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncz.codec.errors import NczError
from ncz.models.circuit import exact
from ncz.models.circuit.leaves import Leaves, is_wide, learn, reaching
from ncz.models.circuit.network import Network, Parameters, finished, normalized, owners
from ncz.models.circuit.start import counted
from ncz.models.circuit.tree import MOST_VARIABLES, Tree, chow_liu

Ints = NDArray[np.int64]

_BATCH = 500  # rows that go through the network at once
_COARSE = 16  # ranges of a variable's symbols
_MOST_NEW = 0.5  # share of values that are expected to be new, at most
# What new values are, as parts of a whole: the first range on either side of those that were seen,
# what lies between them, and what is for all others.
_BELOW, _ABOVE, _BETWEEN, _FAR_OFF = 1.0, 2.0, 4.0, 0.1


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        latents: states of each latent variable, M.
        epochs: passes over the data, at most, once it has all its states.
        grow: how often the number of states doubles on the way to `latents`.
        young: epochs before each time.
        prune: share of what flows that edges with the least of it may lose when it grows.
        step: rows in a step.
        first, last: how far the first and the last step go, 0 to 1.
        seed: of everything that is drawn.
        patience: epochs without better held-out rows after which it ends.
    """

    latents: int = 32
    epochs: int = 10
    grow: int = 0
    young: int = 3
    prune: float = 0.0
    step: int = 500
    first: float = 0.5
    last: float = 0.02
    seed: int = 1
    patience: int = 4


def suited(rows: int) -> int:
    """How many states suit an amount of data: more see too little of it each."""
    return max(8, min(64, 1 << max(0, round(math.log2(max(1.0, math.sqrt(rows) / 4))))))


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        epoch: passes done.
        epochs: passes planned.
        latents: states by now.
        train, held: bits per variable, of the rows of the last pass while it went on, and of rows
            held out, after it.
        done: rows of this pass that were seen, of all.
    """

    epoch: int
    epochs: int
    latents: int
    train: float = math.nan
    held: float = math.nan
    done: float = 0.0


@dataclass
class State:
    """All that a training needs to go on."""

    tree: Tree
    leaves: Leaves
    parameters: Parameters
    best: Parameters
    best_held: float = math.inf
    epoch: int = 0
    worse: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)


def train(
    values: Ints,
    domains: list[tuple[int, int]],
    plan: Plan,
    notes: dict[str, Any],
    *,
    ordered: list[bool] | None = None,
    checkpoint: Path | None = None,
    report: Callable[[Progress], object] = lambda progress: None,
    device: str = "cpu",
) -> exact.Codes:
    """A circuit for rows like these.

    Args:
        values: int64[N, D].
        domains: of each variable, the least value and how many there are; see
            :func:`ncz.models.circuit.leaves.learn`.
        plan: how.
        notes: goes into the circuit's file, with the plan and the log.
        ordered: of each variable, whether near values are alike; all are if None.
        checkpoint: a folder to go on from, where an interrupted training left off, or None. What
            is there has to be of the same data and plan.
        report: hears of each step.
        device: for torch.

    Raises:
        NczError: there are too few rows, or the checkpoint is of other data or another plan.
    """
    if len(values) < 4 or not values.shape[1]:
        raise NczError(
            f"{len(values):,} records of {values.shape[1]} variables are too few to train on; "
            "give more data"
        )
    if values.shape[1] > MOST_VARIABLES:
        raise NczError(
            f"records of {values.shape[1]:,} variables are too wide: a circuit is trained on at "
            f"most {MOST_VARIABLES:,}; make records smaller, with --record-size or smaller pictures"
        )
    generator = torch.Generator().manual_seed(plan.seed)
    shuffled = torch.randperm(len(values), generator=generator).numpy()
    out = min(2000, max(1, len(values) // 20))
    held, kept = values[shuffled[:out]], values[shuffled[out:]]
    mark = {"plan": asdict(plan), "rows": len(values), "digest": _digest(values)}
    ordered = ordered or [True] * len(domains)
    new = [
        _novelty(values[:, column], domain) if alike and is_wide(domain) else 0.0
        for column, (alike, domain) in enumerate(zip(ordered, domains, strict=True))
    ]
    state = _resumed(checkpoint, mark)
    if state is None:
        state = _begun(kept, domains, new, plan, generator)
    course = _Course(state, kept, held, plan, ordered, new, device)
    total = plan.grow * plan.young + plan.epochs
    while state.epoch < total and state.worse < plan.patience:
        course.run(total, report)
        if checkpoint is not None:
            _keep(checkpoint, state, mark)
    parameters = state.best.to("cpu")
    return exact.Codes(
        state.tree,
        state.leaves,
        exact.codes_of(parameters.root.numpy()),
        exact.codes_of(parameters.edges.numpy()),
        exact.codes_of(parameters.leaves.numpy()),
        {
            **notes,
            "plan": asdict(plan),
            "rows": len(values),
            "log": state.log,
            "bits": round(
                min((one["held"] for one in state.log), default=0.0) * values.shape[1], 1
            ),
        },
    )


def _novelty(values: Ints, domain: tuple[int, int]) -> float:
    """How many of the last quarter's values those before it did not lead to expect."""
    cut = len(values) - len(values) // 4
    found = learn(values[:cut, None], [domain])
    symbols, _ = found.symbols(values[cut:, None])
    return float((symbols == len(found.lows) - 1).sum() / max(1, len(symbols)))


def _begun(
    kept: Ints,
    domains: list[tuple[int, int]],
    new: list[float],
    plan: Plan,
    generator: torch.Generator,
) -> State:
    found = reaching(learn(kept, domains), domains, [share > 0 for share in new])
    symbols, _ = found.symbols(kept)
    tree = chow_liu(symbols)
    leaves = found.of(tree.order)
    latents = max(1, plan.latents >> plan.grow)
    counts = counted(tree, symbols[:, tree.order], leaves.start, latents, generator)
    empty = counts.empty()
    return State(tree, leaves, counts, empty)


class _Course:
    """A training under way."""

    def __init__(
        self,
        state: State,
        kept: Ints,
        held: Ints,
        plan: Plan,
        ordered: list[bool],
        new: list[float],
        device: str,
    ) -> None:
        self.state = state
        self.plan = plan
        self.network = Network(state.tree, device)
        self.device = device
        self.rows, self.beyond = self._symbols(kept)
        self.held, self.held_beyond = self._symbols(held)
        self.smooth = _Smoothing(state.tree, state.leaves, self.rows, ordered, new, device)
        state.parameters = state.parameters.to(device)
        state.best = state.best.to(device)
        if not state.log:
            scale = len(self.rows) / max(1.0, float(state.parameters.root.sum()))
            grown = state.parameters.map(state.parameters, lambda a, _: a * scale)
            state.parameters = state.best = self.smooth.probabilities(grown, len(self.rows))

    def _symbols(self, values: Ints) -> tuple[Tensor, float]:
        """Symbols at places, and the bits that a value takes beyond its symbol."""
        leaves = self.state.leaves
        symbols, _ = leaves.symbols(values[:, self.state.tree.order])
        return torch.from_numpy(symbols), float(leaves.bits_beyond(symbols).mean())

    def run(self, total: int, report: Callable[[Progress], object]) -> None:
        """One pass over the rows."""
        state, plan = self.state, self.plan
        if state.epoch and state.epoch <= plan.grow * plan.young and not state.epoch % plan.young:
            self._grow()
        generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + state.epoch)
        young = state.epoch < plan.grow * plan.young
        count = len(self.rows)
        order = torch.randperm(count, generator=generator)
        progress = Progress(state.epoch, total, state.parameters.latents)
        seen, bits = 0, 0.0
        for some in torch.split(order, min(plan.step, max(1, count // 4))):
            part = (state.epoch + seen / count - plan.grow * plan.young) / plan.epochs
            pace = plan.first if young else plan.first * (1 - part) + plan.last
            bits -= self._step(some, pace)
            seen += len(some)
            progress.done = seen / count
            progress.train = bits / seen / self.rows.shape[1] + self.beyond
            report(progress)
        held = 0.0
        for rows in torch.split(self.held, _BATCH):
            held -= float(self.network.likelihood(state.parameters, self._there(rows)).sum())
        progress.held = held / math.log(2) / self.held.numel() + self.held_beyond
        state.epoch += 1
        progress.epoch = state.epoch
        entry = {"epoch": state.epoch, "latents": progress.latents}
        state.log.append(
            {**entry, "train": round(progress.train, 5), "held": round(progress.held, 5)}
        )
        better = progress.held < state.best_held
        if young or better:
            state.best, state.worse = state.parameters, 0
            state.best_held = math.inf if young else progress.held
        else:
            state.worse += 1
        report(progress)

    def _step(self, some: Tensor, pace: float) -> float:
        """Move the probabilities; the likelihood of the rows before, in bits."""
        state = self.state
        counts = state.parameters.empty()
        likelihood = 0.0
        for rows in torch.split(self.rows[some], _BATCH):
            found = self.network.counts(state.parameters, self._there(rows), counts)
            likelihood += float(found.sum()) / math.log(2)
        scale = len(self.rows) / len(some)
        counts = finished(counts, state.parameters)
        new = self.smooth.probabilities(counts.map(counts, lambda a, _: a * scale), len(self.rows))
        state.parameters = state.parameters.map(new, lambda a, b: a.lerp(b, pace))
        return likelihood

    def _there(self, rows: Tensor) -> Tensor:
        return rows.to(self.device).long()

    def _grow(self) -> None:
        """Make two states of each."""
        generator = torch.Generator().manual_seed(self.plan.seed + 17 * self.state.epoch)
        old = self.state.parameters
        edges = old.edges
        if self.plan.prune:
            # What goes through an edge is what its parent's state has, times its share.
            ordered, _ = edges.flatten(1).sort(1)
            lost = ordered.cumsum(1) <= self.plan.prune * ordered.sum(1, keepdim=True)
            limit = torch.where(lost, ordered, 0.0).amax(1)[:, None, None]
            edges = torch.where(edges > limit, edges, 0.0)

        def noisy(tensor: Tensor, by: float) -> Tensor:
            noise = torch.rand(tensor.shape, generator=generator).to(tensor.device)
            return tensor * (1 + by * (noise - 0.5))

        root = noisy(old.root.repeat(2), 0.2)
        edges = noisy(edges.repeat(1, 2, 2), 0.6)
        leaves = noisy(old.leaves.repeat(1, 2), 0.2)
        self.state.parameters = normalized(Parameters(root, edges, leaves, old.start))


class _Smoothing:
    """Probabilities from counts, filled up from coarser knowledge where these are few."""

    def __init__(
        self,
        tree: Tree,
        leaves: Leaves,
        rows: Tensor,
        ordered: list[bool],
        new: list[float],
        device: str,
    ) -> None:
        self.start = torch.from_numpy(leaves.start)
        self.owner = owners(self.start)
        count = len(self.owner)
        hist = torch.zeros(count)
        for place, column in enumerate(rows.T):
            first = int(self.start[place])
            size = int(self.start[place + 1]) - first
            hist[first : first + size] = torch.bincount(column, minlength=size).float()
        escape = self.start[1:] - 1
        # As often as values were seen that were seen once (Good 1953), or as new ones came late.
        once = torch.zeros(len(self.start) - 1).index_add_(0, self.owner, (hist == 1).float())
        weights = _weights(hist, self.start)
        hist[escape] = once.clamp_min(0.5)
        self.unseen = hist[escape] / (len(rows) + hist[escape])
        late = torch.tensor([new[int(variable)] for variable in tree.order])
        self.unseen = self.unseen.maximum(late.clamp_max(_MOST_NEW))
        self.fresh = torch.nonzero(weights)[:, 0]
        self.share = (weights * self.unseen[self.owner])[self.fresh, None]
        ranges, number = [], 0
        for place in range(len(self.start) - 1):
            part = hist[int(self.start[place]) : int(self.start[place + 1])]
            if ordered[int(tree.order[place])]:
                of = _ranges(part)
            else:
                of = torch.arange(len(part))
            _, dense = torch.unique(of, return_inverse=True)
            ranges.append(dense + number)
            number += int(dense.max()) + 1
        self.range = torch.cat(ranges)
        self.ranges = number
        hist = hist + 0.01
        in_range = torch.zeros(number).index_add_(0, self.range, hist)
        self.within = (hist / in_range[self.range])[:, None]
        whole = torch.zeros(len(self.start) - 1).index_add_(0, self.owner, hist)
        self.overall = (hist / whole[self.owner])[:, None]
        for name, value in list(vars(self).items()):
            if isinstance(value, Tensor):
                setattr(self, name, value.to(device))

    def probabilities(self, counts: Parameters, rows: int) -> Parameters:
        """What counts over `rows` rows come to."""
        latents = counts.latents
        each = rows / latents  # rows that a state has seen, if all are alike
        coarse = counts.leaves.new_zeros(self.ranges, latents)
        coarse.index_add_(0, self.range, counts.leaves)
        sums = counts.leaves.new_zeros(len(self.start) - 1, latents)
        sums.index_add_(0, self.owner, counts.leaves)
        whole = sums[self.owner].clamp_min(1e-30)
        filled = 0.95 * coarse[self.range] / whole * self.within + 0.05 * self.overall
        leaves = counts.leaves + 0.2 * each * filled
        leaves[self.fresh] = 0
        sums.zero_().index_add_(0, self.owner, leaves)
        leaves /= (sums / (1 - self.unseen[:, None]))[self.owner]
        leaves[self.fresh] = self.share
        flow = counts.edges.sum(1, keepdim=True) + 1 / latents
        flow = flow / flow.sum(-1, keepdim=True)
        edges = counts.edges + 0.01 * each * flow + 0.1 / latents
        root = counts.root + 1 / latents
        return Parameters(
            root / root.sum(), edges / edges.sum(-1, keepdim=True), leaves, counts.start
        )


def _weights(counts: Tensor, start: Tensor) -> Tensor:
    """Of what was not seen, how likely each symbol is: 0 for those that were, or else adding up to
    1 for each place. Near values are likelier than far ones, and larger ones than smaller ones, for
    what is counted or dated goes up."""
    out = torch.zeros(len(counts))
    for first, end in zip(start[:-1].tolist(), start[1:].tolist(), strict=True):
        seen = torch.nonzero(counts[first : end - 1])[:, 0].tolist() or [0]
        below, above = seen[0], end - 1 - first - (seen[-1] + 1)
        part = out[first:end]
        part[:below] = _BELOW / torch.arange(below, 0, -1)
        part[end - 1 - first - above : -1] = _ABOVE / torch.arange(1, above + 1)
        inner = counts[first : end - 1] == 0
        inner[:below] = inner[end - 1 - first - above :] = False
        part[:-1][inner] = _BETWEEN / max(1, int(inner.sum()))
        part[-1] = _FAR_OFF
        part /= part.sum()
    return out


def _ranges(counts: Tensor) -> Tensor:
    """For each symbol the number of its range: what is frequent has one alone, so that it does not
    fill up those of others."""
    heavy = counts > counts.sum() / _COARSE
    light = torch.where(heavy, 0.0, counts)
    middle = (light.cumsum(0) - light / 2) / light.sum().clamp_min(1)
    of = (middle * _COARSE).long().clamp_max(_COARSE - 1)
    return torch.where(heavy, _COARSE + torch.arange(len(counts)), of)


def _digest(values: Ints) -> str:
    import xxhash

    return xxhash.xxh64(np.ascontiguousarray(values).view(np.uint8).data).hexdigest()


_TENSORS = ("root", "edges", "leaves")


def _keep(folder: Path, state: State, mark: dict[str, Any]) -> None:
    """Leave everything in a folder, so that it is there whole or as it was before."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        "order": torch.from_numpy(state.tree.order),
        "parent": torch.from_numpy(state.tree.parent),
        "start": torch.from_numpy(state.leaves.start),
        "lows": torch.from_numpy(state.leaves.lows),
        "widths": torch.from_numpy(state.leaves.widths),
    }
    for name in _TENSORS:
        tensors[name] = getattr(state.parameters, name).cpu().contiguous()
        tensors[f"best.{name}"] = getattr(state.best, name).cpu().clone().contiguous()
    told = {
        "mark": mark,
        "epoch": state.epoch,
        "worse": state.worse,
        "best_held": state.best_held if math.isfinite(state.best_held) else None,
        "log": state.log,
    }
    partial = folder / "state.part"
    save_file(tensors, partial, {"told": json.dumps(told)})
    partial.replace(folder / "state.safetensors")


def _resumed(folder: Path | None, mark: dict[str, Any]) -> State | None:
    from safetensors import SafetensorError, safe_open

    if folder is None or not (folder / "state.safetensors").is_file():
        return None
    try:
        with safe_open(folder / "state.safetensors", "pt") as file:
            told = json.loads(file.metadata()["told"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError):
        raise NczError(f"{folder} holds no training that ncz left there; remove it") from None
    if told["mark"] != mark:
        raise NczError(
            f"{folder} is of a training with other data or options; "
            "use the same again, or remove it"
        )
    start = tensors["start"]
    best = math.inf if told["best_held"] is None else told["best_held"]
    return State(
        Tree(tensors["order"].numpy(), tensors["parent"].numpy()),
        Leaves(start.numpy(), tensors["lows"].numpy(), tensors["widths"].numpy()),
        Parameters(tensors["root"], tensors["edges"], tensors["leaves"], start),
        Parameters(tensors["best.root"], tensors["best.edges"], tensors["best.leaves"], start),
        best,
        told["epoch"],
        told["worse"],
        told["log"],
    )
