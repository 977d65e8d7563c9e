"""All that the evidence model learns from and is chosen by, built once: `build(data, cache)`."""

import gzip
import pickle
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from surefoot.adapters.onnx_encoder import OnnxEncoder
from training.data import CachedEncoder, SiteIndex, load_site
from training.evidence_groups import Group, clapnq_groups, halueval_groups, scifact_groups, site_groups
from training.evidence_lists import RankedList, heading_questions, sentence_questions, site_lists
from training.evidence_pairs import ClaimPair, abstract_pairs, edit_pairs, other_pairs, scifact_pairs
from training.scifact import CHOOSING, fold_of, is_for_training, load_abstracts

# Two sites choose when to stop and how to mix; they train nothing.
DEV_SITES = ("metarank", "polar")
GROUPS_OF_A_SITE = 1300
SENTENCES_OF_A_SITE = 420
ABSTRACTS = 1800
_DEV_QUESTIONS = 60
_DEV_SENTENCES_OF_A_SITE = 60


@dataclass(frozen=True)
class TrainingSet:
    """What trains and what chooses."""

    groups: tuple[Group, ...]
    pairs: tuple[ClaimPair, ...]
    dev_lists: tuple[RankedList, ...]
    dev_pairs: tuple[ClaimPair, ...]

    def about(self) -> dict[str, dict[str, int]]:
        """How many there are of each kind."""
        return {
            "groups": dict(Counter(group.kind for group in self.groups).most_common()),
            "passages": {"all": sum(len(group.passages) for group in self.groups)},
            "pairs": dict(Counter(f"{pair.source}: {' or '.join(pair.labels)}" for pair in self.pairs).most_common()),
            "dev_lists": dict(Counter(one.kind for one in self.dev_lists)),
            "dev_pairs": dict(Counter(pair.source for pair in self.dev_pairs)),
        }


def training_sites(data: Path) -> list[Path]:
    """The sites that train: neither those that choose nor the tenants with real questions, which judge."""
    return [path for path in sorted((data / "train_docs").glob("*.sections.jsonl.gz")) if _name(path) not in DEV_SITES]


def _name(path: Path) -> str:
    return path.name.split(".")[0]


def build(data: Path, cache: Path, *, groups_of_a_site: int = GROUPS_OF_A_SITE) -> TrainingSet:
    """The training set of a data folder; encoder vectors are kept in `cache`."""
    encoder = CachedEncoder(OnnxEncoder(), cache)
    abstracts = load_abstracts(data)
    groups: list[Group] = []
    pairs: list[ClaimPair] = []
    for place, path in enumerate(training_sites(data)):
        groups += site_groups(SiteIndex(load_site(path, mask_faq=False), encoder), limit=groups_of_a_site, seed=place)
        pairs += edit_pairs(path, limit=SENTENCES_OF_A_SITE, seed=place)
        print(f"  {_name(path)}: {len(groups)} groups, {len(pairs)} pairs so far", flush=True)
        encoder.save()
    groups += [*clapnq_groups(data, seed=1), *halueval_groups(data), *scifact_groups(data, abstracts)]
    labelled = [*scifact_pairs(data, abstracts)]
    pairs += [pair for pair in labelled for _ in range(3) if is_for_training(pair.group)]
    pairs += [*abstract_pairs(abstracts, limit=ABSTRACTS, seed=1), *other_pairs(data)]
    dev_pairs = [pair for pair in labelled if fold_of(pair.group) == CHOOSING]
    dev_lists: list[RankedList] = []
    for place, name in enumerate(DEV_SITES):
        path = data / "train_docs" / f"{name}.sections.jsonl.gz"
        index = SiteIndex(load_site(path, mask_faq=False), encoder)
        asked = heading_questions(index, limit=_DEV_QUESTIONS, seed=place)
        dev_lists += site_lists(index, asked, hide_page=True)
        dev_lists += site_lists(index, sentence_questions(index, limit=_DEV_QUESTIONS // 2, seed=place), hide_page=False)
        dev_pairs += edit_pairs(path, limit=_DEV_SENTENCES_OF_A_SITE, seed=place)
    encoder.save()
    return TrainingSet(tuple(groups), tuple(pairs), tuple(dev_lists), tuple(dev_pairs))


def built(data: Path, cache: Path, work: Path) -> TrainingSet:
    """The set as it was built before in `work`, or built now and kept there, so that a resumed run goes on with the same."""
    kept = work / "set.pickle.gz"
    if kept.exists():
        with gzip.open(kept, "rb") as file:
            found = pickle.load(file)
        assert isinstance(found, TrainingSet)
        return found
    made = build(data, cache)
    work.mkdir(parents=True, exist_ok=True)
    with gzip.open(kept, "wb", compresslevel=1) as file:
        pickle.dump(made, file)
    return made
