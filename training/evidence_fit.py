"""Trains the evidence model: `python -m training.evidence_fit --data DIR --cache DIR --work DIR [--fold N]`, which resumes where
it stopped. A run has a folder of its own in the work folder: `all`, or that of the fold it holds out.

Every step reads some groups (which passage is it, and is it there at all) and some claims (does the evidence support it), and
follows the sum of three losses: a choice among a group's passages, a yes or no for each passage, and the label of each claim.
The best of the looks at the dev sites is kept in `best.pt`.
"""

import argparse
import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from training.evidence_folds import FOLDS
from training.evidence_groups import Group
from training.evidence_network import EvidenceNetwork, padded, score
from training.evidence_pairs import LABELS, ClaimPair
from training.evidence_pieces import READ_TOKENS, SUPPORT, PairReader
from training.evidence_set import DevSet, TrainingSet, built, dev_built

GROUPS_OF_A_STEP, PAIRS_OF_A_STEP = 8, 26
BODY_RATE, HEAD_RATE = 7e-5, 7e-4
WARM_UP, DECAY_FROM = 0.05, 0.35
LARGEST_GRADIENT = 1.0
# Most passages of a group do not answer.
GOLD_WEIGHT = 2.0
_SORTED_STEPS = 24
_LOOKS = 3
_SAVE_SECONDS = 240
_MIXTURES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class Step:
    """What one step reads."""

    groups: tuple[Group, ...]
    pairs: tuple[ClaimPair, ...]


def steps_of(made: TrainingSet, *, seed: int, passes: float = 1) -> list[Step]:
    """Every group once a pass, and a part of the last one, in an order drawn from the seed.

    Texts of like length are read together, so that little is padding.
    """
    random = np.random.default_rng(seed)
    steps: list[Step] = []
    for _ in range(math.ceil(passes)):
        groups = _drawn(made.groups, GROUPS_OF_A_STEP, lambda group: sum(map(len, group.passages)) / len(group.passages), random)
        pairs = _drawn(made.pairs, PAIRS_OF_A_STEP, lambda pair: len(pair.evidence), random)
        steps += [Step(part, pairs[place % len(pairs)]) for place, part in enumerate(groups)]
    return steps[: round(len(groups) * passes)]


def _drawn(items: Sequence[Any], size: int, length: Any, random: np.random.Generator) -> list[tuple[Any, ...]]:
    shuffled = [items[place] for place in random.permutation(len(items))]
    parts: list[tuple[Any, ...]] = []
    for begin in range(0, len(shuffled), size * _SORTED_STEPS):
        near = sorted(shuffled[begin : begin + size * _SORTED_STEPS], key=length)
        parts += [tuple(near[at : at + size]) for at in range(0, len(near), size)]
    return [parts[place] for place in random.permutation(len(parts))]


def group_loss(scores: torch.Tensor, groups: Sequence[Group]) -> torch.Tensor:
    """The choice among each group's passages, and the yes or no for each; a claim's abstract is chosen but answers nothing."""
    choice, answer, chosen, asked = scores.new_zeros(()), scores.new_zeros(()), 0.0, 0.0
    begin = 0
    for group in groups:
        rows = scores[begin : begin + len(group.passages)]
        begin += len(group.passages)
        gold = torch.tensor(group.gold)
        if len(group.gold) > 1 and any(group.gold):
            choice = choice - group.weight * torch.log_softmax(rows[:, 0], dim=0)[gold].mean()
            chosen += group.weight
        if group.kind != "scifact":
            weight = torch.where(gold, GOLD_WEIGHT, 1.0) * group.weight
            answer = answer + torch.nn.functional.binary_cross_entropy_with_logits(
                rows[:, 1], gold.float(), weight=weight, reduction="sum"
            )
            asked += float(weight.sum())
    return choice / max(chosen, 1.0) + 1.5 * answer / max(asked, 1.0)


def pair_loss(scores: torch.Tensor, pairs: Sequence[ClaimPair]) -> torch.Tensor:
    """The chance of any of the labels that are right for each pair."""
    right = torch.tensor([[label in pair.labels for label in LABELS] for pair in pairs])
    chance = torch.log_softmax(scores[:, SUPPORT], dim=1).masked_fill(~right, -torch.inf).logsumexp(dim=1)
    weight = torch.tensor([pair.weight for pair in pairs])
    return -(weight * chance).sum() / weight.sum()


def rate(step: int, steps: int) -> float:
    """The share of the full learning rate: it rises, stays, and falls to nothing at the end."""
    if step < WARM_UP * steps:
        return (step + 1) / (WARM_UP * steps)
    return min(1.0, (steps - step) / ((1 - DECAY_FROM) * steps))


class _Reader:
    """A copy of the network in bfloat16 and what it takes to read a part of a step; one a thread.

    Two copies of one thread each read three times what one network of two threads does beside other work.
    """

    def __init__(self) -> None:
        self.network = EvidenceNetwork()
        self.network.bert.to(torch.bfloat16)
        self.network.train()
        self.pairs = PairReader(READ_TOKENS)

    def scores(self, pairs: Sequence[tuple[str, str]]) -> torch.Tensor:
        """The network's scores in the pairs' order, read in two batches by length, so that little is padding."""
        rows = self.pairs.read(pairs)
        order = sorted(range(len(rows)), key=lambda place: len(rows[place].ids))
        halves = [part for part in (order[: len(order) // 2], order[len(order) // 2 :]) if part]
        found = [self.network(*padded([rows[place] for place in part])) for part in halves]
        return torch.cat(found)[torch.argsort(torch.tensor(order))]


def _read(reader: _Reader, part: Step) -> tuple[float, float]:
    """The reader's gradients are those of its part; returned are its losses."""
    texts = [(one.question, text) for one in part.groups for text in one.passages]
    ranking = group_loss(reader.scores(texts), part.groups)
    ranking.backward()
    support = pair_loss(reader.scores([(pair.claim, pair.evidence) for pair in part.pairs]), part.pairs)
    support.backward()
    return float(ranking.detach()), float(support.detach())


class Training:
    """One run: network, optimiser and place in the order of steps, kept in the work folder."""

    def __init__(self, made: TrainingSet, dev: DevSet, work: Path, *, seed: int, passes: float, threads: int) -> None:
        torch.manual_seed(seed)
        self._dev = dev
        self._work = work
        self._order = steps_of(made, seed=seed, passes=passes)
        self._threads = threads
        self._readers = [_Reader() for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads)
        self.network = EvidenceNetwork()
        body = [value for value in self.network.bert.parameters() if value.requires_grad]
        self._optimiser = torch.optim.AdamW(
            [{"params": body, "full": BODY_RATE}, {"params": self.network.heads.parameters(), "full": HEAD_RATE}],
            lr=BODY_RATE,
            weight_decay=0.01,
            fused=True,
        )
        self._step, self._best = 0, -1.0
        self._kept = work / "checkpoint.pt"
        if self._kept.exists():
            held = torch.load(self._kept, weights_only=True)
            self.network.load_state_dict(held["network"])
            self._optimiser.load_state_dict(held["optimiser"])
            self._step, self._best = held["step"], held["best"]
        self._hand_out()

    def run(self) -> None:
        """Every step is done, and `best.pt` has the weights that did best on the dev sites."""
        total, looks = len(self._order), {round(len(self._order) * (n + 1) / _LOOKS) for n in range(_LOOKS)}
        began, saved, losses = time.monotonic(), time.monotonic(), []
        first = self._step
        while self._step < total:
            losses.append(self._learn(self._order[self._step], rate(self._step, total)))
            self._step += 1
            if self._step % 20 == 0:
                spent = (time.monotonic() - began) / (self._step - first)
                ranking, support = np.mean(losses[-60:], axis=0)
                print(f"{self._step}/{total} ranking {ranking:.3f} support {support:.3f} {spent:.2f} s/step", flush=True)
            if self._step in looks:
                self._look()
            if time.monotonic() - saved > _SAVE_SECONDS or self._step == total:
                self._save()
                saved = time.monotonic()

    def _learn(self, step: Step, share: float) -> tuple[float, float]:
        """One step of the optimiser, by the mean of what the readers found."""
        for group in self._optimiser.param_groups:
            group["lr"] = group["full"] * share
        parts = [Step(step.groups[n :: self._threads], step.pairs[n :: self._threads]) for n in range(self._threads)]
        losses = list(self._pool.map(_read, self._readers, parts))
        ours = self.network.trained()
        for own, *others in zip(ours, *(one.network.trained() for one in self._readers), strict=True):
            own.grad = sum(other.grad.float() for other in others) / len(others)
        torch.nn.utils.clip_grad_norm_(ours, LARGEST_GRADIENT)
        self._optimiser.step()
        self._hand_out()
        ranking, support = np.mean(losses, axis=0)
        return float(ranking), float(support)

    def _hand_out(self) -> None:
        """The readers' networks are the one that is trained, in bfloat16."""
        with torch.no_grad():
            for one in self._readers:
                for own, theirs in zip(self.network.trained(), one.network.trained(), strict=True):
                    theirs.copy_(own)
                one.network.zero_grad()

    def _look(self) -> None:
        figures = look(self.network, self._dev)
        print(f"dev at {self._step}: {json.dumps(figures)}", flush=True)
        if figures["mean"] > self._best:
            self._best = figures["mean"]
            torch.save(self.network.state_dict(), self._work / "best.pt")
        self._save()

    def _save(self) -> None:
        held = {"network": self.network.state_dict(), "optimiser": self._optimiser.state_dict()}
        fresh = self._kept.with_suffix(".fresh")
        torch.save({**held, "step": self._step, "best": self._best}, fresh)
        fresh.replace(self._kept)


def look(network: EvidenceNetwork, dev: DevSet) -> dict[str, float]:
    """Figures on the dev sites: lists ranked anew, absent answers noticed, claims told apart; `mean` is what is maximised."""
    reader = PairReader()
    present = [one for one in dev.lists if one.kind == "present"]
    removed = [one for one in dev.lists if one.kind == "removed"]
    pairs = dev.pairs
    texts = list(dict.fromkeys(pair for one in (*present, *removed) for pair in one.pairs))
    said = dict(zip(texts, score(network, reader.read(texts)), strict=True))
    found = [np.array([said[pair] for pair in one.pairs]) for one in (*present, *removed)]
    figures = {}
    for weight in _MIXTURES:
        keys = [(1 - weight) * np.array(one.fused[: len(f)]) + weight * f[:, 0] for one, f in zip(present, found, strict=False)]
        figures[f"ndcg {weight}"] = float(np.mean([one.ndcg(key) for one, key in zip(present, keys, strict=True)]))
    tops = np.array([f[:, 1].max() for f in found])
    figures["absent"] = _auroc(np.arange(len(tops)) < len(present), tops)
    scores = score(network, reader.read([(pair.claim, pair.evidence) for pair in pairs]))
    says = scores[:, 2] - np.logaddexp(scores[:, 3], scores[:, 4])
    for source in sorted({pair.source for pair in pairs}):
        rows = np.array([pair.source == source for pair in pairs])
        right = np.array([LABELS[0] in pair.labels for pair in pairs])
        figures[f"support {source}"] = _auroc(right[rows], says[rows])
    best = max(figures[f"ndcg {weight}"] for weight in _MIXTURES)
    support = [figure for name, figure in figures.items() if name.startswith("support ")]
    figures["mean"] = (best + figures["absent"] + float(np.mean(support))) / 3
    return {name: round(value, 4) for name, value in figures.items()}


def _auroc(right: Any, scores: Any) -> float:
    return float(roc_auc_score(right, scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data files")
    parser.add_argument("--cache", type=Path, required=True, help="folder of remembered vectors")
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs' folders")
    parser.add_argument("--fold", type=int, choices=range(len(FOLDS)), help="hold this fold's sites out; without it, none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--passes", type=float, default=1, help="how often everything is read; the rate of learning falls over all"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = options.work / ("all" if options.fold is None else f"fold-{options.fold}")
    made = built(options.data, options.cache, run, options.fold)
    dev = dev_built(options.data, options.cache, options.work)
    print(json.dumps(made.about()), flush=True)
    Training(made, dev, run, seed=options.seed, passes=options.passes, threads=options.threads).run()


if __name__ == "__main__":
    main()
