"""All that the evidence model learns from, `build(data, cache, fold)`, and is chosen by, `build_dev(data, cache)`; built once."""

import gzip
import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from surefoot.adapters.onnx_encoder import OnnxEncoder
from training.data import CachedEncoder, SiteIndex, load_site
from training.evidence_folds import DEV_SITES, site_path, training_sites
from training.evidence_groups import Group, clapnq_groups, halueval_groups, scifact_groups, site_groups, told_groups
from training.evidence_lists import RankedList, heading_questions, sentence_questions, site_lists
from training.evidence_pairs import ClaimPair, abstract_pairs, edit_pairs, other_pairs, scifact_pairs
from training.scifact import CHOOSING, fold_of, is_for_training, load_abstracts

# Over all sites that train, so that every run reads about as much.
MADE_GROUPS = 5500
TOLD_GROUPS = 1000
EDITED_SENTENCES = 3600
ABSTRACTS = 1800
_DEV_QUESTIONS = 60
_DEV_SENTENCES_OF_A_SITE = 60
_T = TypeVar("_T")


@dataclass(frozen=True)
class TrainingSet:
    """What trains one run."""

    groups: tuple[Group, ...]
    pairs: tuple[ClaimPair, ...]

    def about(self) -> dict[str, dict[str, int]]:
        """How many there are of each kind."""
        return {
            "groups": dict(Counter(group.kind for group in self.groups).most_common()),
            "passages": {"all": sum(len(group.passages) for group in self.groups)},
            "pairs": dict(Counter(f"{pair.source}: {' or '.join(pair.labels)}" for pair in self.pairs).most_common()),
        }


@dataclass(frozen=True)
class DevSet:
    """What chooses in every run: lists of the dev sites, and claims of theirs and of the abstracts that choose."""

    lists: tuple[RankedList, ...]
    pairs: tuple[ClaimPair, ...]


def build(data: Path, cache: Path, fold: int | None, *, made_groups: int = MADE_GROUPS) -> TrainingSet:
    """The training set of one run, without the sites that `fold` holds out; encoder vectors are kept in `cache`."""
    encoder = CachedEncoder(OnnxEncoder(), cache)
    abstracts = load_abstracts(data)
    groups: list[Group] = []
    pairs: list[ClaimPair] = []
    sites = training_sites(fold)
    for seed, name in enumerate(sites):
        path = site_path(data, name)
        index = SiteIndex(load_site(path, mask_faq=False), encoder)
        groups += site_groups(index, limit=made_groups // len(sites), seed=seed)
        groups += told_groups(index, limit=TOLD_GROUPS // len(sites), seed=seed)
        pairs += edit_pairs(path, limit=EDITED_SENTENCES // len(sites), seed=seed)
        print(f"  {name}: {len(groups)} groups, {len(pairs)} pairs so far", flush=True)
        encoder.save()
    groups += [*clapnq_groups(data, seed=1), *halueval_groups(data, seed=1), *scifact_groups(data, abstracts)]
    pairs += [pair for pair in scifact_pairs(data, abstracts) for _ in range(3) if is_for_training(pair.group)]
    pairs += [*abstract_pairs(abstracts, limit=ABSTRACTS, seed=1), *other_pairs(data)]
    return TrainingSet(tuple(groups), tuple(pairs))


def build_dev(data: Path, cache: Path) -> DevSet:
    """The dev set; encoder vectors are kept in `cache`."""
    encoder = CachedEncoder(OnnxEncoder(), cache)
    pairs = [pair for pair in scifact_pairs(data, load_abstracts(data)) if fold_of(pair.group) == CHOOSING]
    lists: list[RankedList] = []
    for seed, name in enumerate(DEV_SITES):
        index = SiteIndex(load_site(site_path(data, name), mask_faq=False), encoder)
        lists += site_lists(index, heading_questions(index, limit=_DEV_QUESTIONS, seed=seed), hide_page=True)
        lists += site_lists(index, sentence_questions(index, limit=_DEV_QUESTIONS // 2, seed=seed), hide_page=False)
        pairs += edit_pairs(site_path(data, name), limit=_DEV_SENTENCES_OF_A_SITE, seed=seed)
    encoder.save()
    return DevSet(tuple(lists), tuple(pairs))


def built(data: Path, cache: Path, work: Path, fold: int | None) -> TrainingSet:
    """A run's set as it was built before in `work`, or built now and kept there, so that a resumed run goes on with the same."""
    return _kept(work / "set.pickle.gz", TrainingSet, lambda: build(data, cache, fold))


def dev_built(data: Path, cache: Path, work: Path) -> DevSet:
    """The dev set, kept as `built` keeps a run's."""
    return _kept(work / "dev.pickle.gz", DevSet, lambda: build_dev(data, cache))


def _kept(path: Path, kind: type[_T], make: Callable[[], _T]) -> _T:
    if path.exists():
        with gzip.open(path, "rb") as file:
            found = pickle.load(file)
        assert isinstance(found, kind)
        return found
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wb", compresslevel=1) as file:
        pickle.dump(made, file)
    return made
