"""Small made-up worlds: a few things of one kind, what each of them has, told as documents tell it, and claims about them.

Whose value it is decides whether such a claim holds: every name and every value of a false one stands in the passage too.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from training.evidence_tables import Told
from training.evidence_world_things import ACTS, ATTRIBUTES, LACKS, ROLES, SUBJECTS, Attribute


def world_claims(names: Sequence[str], fillers: Sequence[str], random: np.random.Generator) -> Iterator[Told]:
    """One world's claims: true ones and false ones about each of two things, beside one passage. Some worlds are about names of
    the site instead, and some passages have a sentence of the site before or after.
    """
    made = _permissions(random) if random.random() < 0.3 else _facts(names, random)
    passage, claims = made
    if fillers and random.random() < 0.6:
        extra = fillers[int(random.integers(len(fillers)))]
        passage = f"{extra} {passage}" if random.random() < 0.5 else f"{passage} {extra}"
    for kind, claim in claims:
        yield Told(kind, _sentence(claim), passage)


def _facts(names: Sequence[str], random: np.random.Generator) -> tuple[str, list[tuple[str, str]]]:
    pool: Sequence[str] = SUBJECTS[int(random.integers(len(SUBJECTS)))]
    distinct = sorted(set(names))
    if len(distinct) >= 12 and random.random() < 0.35:
        pool = [distinct[place] for place in random.permutation(len(distinct))[:4]]
    subjects = [pool[place] for place in sorted(random.permutation(len(pool))[: int(random.integers(2, 4))])]
    attributes = [ATTRIBUTES[place] for place in random.permutation(len(ATTRIBUTES))[: int(random.integers(1, 4))]]
    values: dict[tuple[str, str], str] = {}
    for attribute in attributes:
        drawn = list(dict.fromkeys([*attribute.values(random), *attribute.values(random)]))
        if len(drawn) < len(subjects):
            drawn = [f"{place + 2}{value}" for place, value in enumerate(drawn * len(subjects))]
        values |= {(subject, attribute.heading): drawn[place] for place, subject in enumerate(subjects)}
    lack = LACKS[int(random.integers(len(LACKS)))] if random.random() < 0.35 else None
    lacking = str(random.choice(subjects)) if lack else ""
    passage = _passage(subjects, attributes, values, random)
    claims: list[tuple[str, str]] = []
    for attribute in [attributes[place] for place in random.permutation(len(attributes))[:2]]:
        one, two = (subjects[place] for place in random.permutation(len(subjects))[:2])
        told = {subject: values[subject, attribute.heading] for subject in (one, two)}
        claims += [
            ("supported", _said(attribute, one, told[one], random)),
            ("contradicted", _said(attribute, one, told[two], random)),
            ("supported", _said(attribute, two, told[two], random)),
            ("contradicted", _said(attribute, two, told[one], random)),
        ]
        absent = next(other for other in ATTRIBUTES if other not in attributes)
        if random.random() < 0.3:
            claims.append(("not stated", _said(absent, one, absent.values(random)[0], random)))
    if len(attributes) > 1 and random.random() < 0.5:
        first, second = attributes[:2]
        one, two = (subjects[place] for place in random.permutation(len(subjects))[:2])
        start = _said(first, one, values[one, first.heading], random)
        claims.append(("supported", f"{start} and {_said(second, one, values[one, second.heading], random)}"))
        claims.append(("contradicted", f"{start} and {_said(second, one, values[two, second.heading], random)}"))
    if lack:
        passage = f"{passage} {_sentence(_one(lack[1], random).format(s=lacking))}"
        claims.append(("contradicted", _one(lack[2], random).format(s=lacking)))
        claims.append(("supported", _one(lack[1], random).format(s=lacking)))
        other = next(subject for subject in subjects if subject != lacking)
        claims.append(("not stated", _one(lack[1], random).format(s=other)))
    return passage, claims


def _said(attribute: Attribute, subject: str, value: str, random: np.random.Generator) -> str:
    return _one(attribute.forms, random).format(s=subject, v=value)


def _passage(
    subjects: Sequence[str], attributes: Sequence[Attribute], values: dict[tuple[str, str], str], random: np.random.Generator
) -> str:
    """The world told thing by thing, attribute by attribute, as a table's rows, or as a list."""
    way = random.choice(["things", "attributes", "rows", "list"], p=[0.35, 0.35, 0.2, 0.1])
    if way == "rows":
        rows = [" ".join([_bare(subject), *(values[subject, each.heading] for each in attributes)]) for subject in subjects]
        return " ".join([*([" ".join(["Name", *(each.heading for each in attributes)])] if random.random() < 0.8 else []), *rows])
    if way == "list":
        told = (
            f"{_bare(subject)}: {', '.join(f'{each.heading} {values[subject, each.heading]}' for each in attributes)}."
            for subject in subjects
        )
        return " ".join(told)
    if way == "things":
        return " ".join(
            _sentence(" and ".join(_said(each, subject, values[subject, each.heading], random) for each in attributes))
            for subject in subjects
        )
    spoken = []
    for each in attributes:
        if random.random() < 0.6:
            parts = [f"{values[subject, each.heading]} for {subject}" for subject in subjects]
            spoken.append(_sentence(f"{each.together} {', '.join(parts[:-1])} and {parts[-1]}"))
        else:
            spoken.append(
                _sentence(", while ".join(_said(each, subject, values[subject, each.heading], random) for subject in subjects))
            )
    return " ".join(spoken)


def _permissions(random: np.random.Generator) -> tuple[str, list[tuple[str, str]]]:
    """Who may do what: roles in order, each act allowed from one role upwards."""
    roles = ROLES[int(random.integers(len(ROLES)))]
    acts = [ACTS[place] for place in random.permutation(len(ACTS))[:2]]
    spoken, claims = [], []
    for act, passive in acts:
        able = sorted(random.permutation(len(roles))[: int(random.integers(1, len(roles)))])
        may = [roles[place] for place in able]
        unable = [role for role in roles if role not in may]
        listed = _listed(may)
        spoken.append(
            _one(
                (
                    f"Only {listed} can {act}",
                    f"{listed} may {act}, {_listed(unable)} cannot",
                    f"To {act} is allowed for {listed} only",
                    f"{listed} are the only ones who may {act}",
                ),
                random,
            )
        )
        one, other = str(random.choice(may)), str(random.choice(unable))
        does = _one(("can", "may", "are able to", "are allowed to"), random)
        claims += [
            ("supported", _one((f"{one} {does} {act}", f"{one} {does} {act}", f"{passive} by {one}"), random)),
            (
                "contradicted",
                _one((f"{other} {does} {act}", f"{_listed([one, other])} {does} {act}", f"{passive} by {other}"), random),
            ),
            (
                "supported",
                _one((f"{other} cannot {act}", f"{other} are not allowed to {act}", f"{other} must not {act}"), random),
            ),
            ("contradicted", _one((f"{one} cannot {act}", f"{one} are not allowed to {act}", f"nobody can {act}"), random)),
        ]
        if len(may) == 1:
            claims += [("supported", f"only {one} can {act}"), ("contradicted", f"only {other} can {act}")]
        else:
            claims += [("supported", f"{listed} can {act}"), ("contradicted", f"only {one} can {act}")]
    return " ".join(map(_sentence, spoken)), claims


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _bare(subject: str) -> str:
    told = subject.removeprefix("the ")
    return told[0].upper() + told[1:]


def _sentence(told: str) -> str:
    return f"{told[0].upper()}{told[1:]}."


def _one(forms: Sequence[str], random: np.random.Generator) -> str:
    return forms[int(random.integers(len(forms)))]
