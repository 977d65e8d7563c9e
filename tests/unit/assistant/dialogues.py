"""Conversations made by hand, and the cases that the rules for follow-ups and premises are measured on."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from surefoot.assistant.follow_ups import standalone
from surefoot.domain.answers import Citation
from surefoot.domain.conversations import Turn
from surefoot.domain.documents import ChunkId, DocumentId, TrustTier
from surefoot.sample.tenant import documents_folder

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def cases(name: str) -> list[dict[str, Any]]:
    """The lines of a file of cases beside this module."""
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def turns(questions: Sequence[str], locale: str = "en", *, shown: tuple[str, ...] = ()) -> list[Turn]:
    """The questions as turns, each rewritten by the rules as it would have been."""
    made: list[Turn] = []
    for place, question in enumerate(questions):
        alone = standalone(question, made, locale).question
        made.append(Turn(place, f"ans_{place}", question, alone, "answer", shown, (DocumentId("doc_1"),), NOW))
    return made


def quoted(quote: str, *, title: str = "", heading: str = "", locale: str = "en") -> Citation:
    return Citation(
        chunk_id=ChunkId("chk_1"),
        document_id=DocumentId("doc_1"),
        uri="page.md",
        title=title,
        heading=heading,
        anchor="",
        page_number=None,
        quote=quote,
        start=0,
        end=len(quote),
        locale=locale,
        trust=TrustTier.OFFICIAL,
        updated_at=None,
    )


def cited_whole(uri: str) -> list[Citation]:
    """Every paragraph of a sample document as a citation under its headings: more than any answer cites."""
    _, front, body = (documents_folder() / uri).read_text(encoding="utf-8").split("---\n", 2)
    stated = dict(line.split(": ", 1) for line in front.splitlines() if ": " in line)
    found, heading = [], ""
    for paragraph in filter(None, (part.strip() for part in body.split("\n\n"))):
        if paragraph.startswith("## "):
            heading = paragraph.removeprefix("## ")
        else:
            found.append(quoted(paragraph, title=stated["title"], heading=heading, locale=stated.get("locale", "en")))
    return found
