"""Documents as callers send them, and as the service holds them."""

import binascii
from base64 import b64decode
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, model_validator

from surefoot.api.schemas.texts import Line, Moment, PrincipalText, Prose, Sent, Shown, Uri
from surefoot.core.errors import InvalidInput
from surefoot.domain.corpora import IngestReport
from surefoot.domain.documents import Document, TrustTier
from surefoot.domain.identity import Principal
from surefoot.retrieval.readers.raw import RawFile, RightsOverride

MAX_BATCH = 1_000
_MAX_PRINCIPALS = 1_000

_SENT: dict[str, JsonValue] = {
    "uri": "billing/refunds.md",
    "content": "# Refunds\n\nRefunds reach the card within 5 business days.\n",
    "media_type": "text/markdown",
    "principals": ["everyone"],
    "trust": "official",
    "updated_at": "2026-01-12",
}
_SHOWN: dict[str, JsonValue] = {
    "document_id": "doc_0a1b2c3d4e5f60718293a4b5",
    "uri": "billing/refunds.md",
    "source": "api",
    "title": "Refunds",
    "locale": "en",
    "trust": "official",
    "principals": ["everyone"],
    "updated_at": "2026-01-12T00:00:00Z",
    "valid_until": None,
    "supersedes": [],
    "characters": 57,
    "ingested_at": "2026-03-01T12:00:00Z",
}
_REPORT: dict[str, JsonValue] = {
    "added": 1,
    "changed": 0,
    "deleted": 0,
    "unchanged": 0,
    "rights_changed": 0,
    "chunks": 248,
    "encoded_chunks": 1,
    "skipped": [],
    "warnings": [],
    "generation": 7,
    "seconds": 0.04,
}


class SentDocument(Sent):
    """One document. Sending it again changes nothing, so a call that got no answer is simply repeated."""

    uri: Uri = Field(description="Names the document within the tenant; the same uri replaces it. Its ending tells the format.")
    content: Prose | None = Field(None, description="The document's text (Markdown, HTML, plain text, JSONL).")
    content_base64: str | None = Field(None, description="The document's bytes instead, for PDF and DOCX.")
    media_type: Annotated[Line, StringConstraints(max_length=128)] | None = Field(
        None, description="Tells the format when the uri does not."
    )
    principals: list[PrincipalText] | None = Field(
        None,
        max_length=_MAX_PRINCIPALS,
        description="Who may read it; an empty list means nobody. Left out, the document's own statement holds, else nobody.",
    )
    trust: TrustTier | None = None
    updated_at: Moment | None = Field(None, description="Its date, when it states none itself.")
    valid_until: Moment | None = Field(None, description="From then on nothing is answered from it.")

    model_config = ConfigDict(json_schema_extra={"examples": [_SENT]})

    @model_validator(mode="after")
    def _has_one_content(self) -> "SentDocument":
        if (self.content is None) == (self.content_base64 is None):
            raise ValueError("exactly one of content and content_base64 must be given")
        return self

    def raw_file(self) -> RawFile:
        """The document as an ingest takes it. Raises InvalidInput for text that is not base64."""
        rights = RightsOverride(
            principals=None if self.principals is None else frozenset(map(Principal, self.principals)),
            trust=self.trust,
            valid_until=self.valid_until,
        )
        media_type = None if self.media_type is None else self.media_type.partition(";")[0].strip().lower()
        return RawFile(self.uri, self._body(), media_type, self.updated_at, rights)

    def _body(self) -> bytes:
        if self.content is not None:
            return self.content.encode()
        try:
            return b64decode(self.content_base64 or "", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidInput(f"content_base64 of {self.uri!r} is not base64 (RFC 4648, section 4).") from None


class SentBatch(Sent):
    """Documents that are published together, in one step."""

    documents: list[SentDocument] = Field(min_length=1, max_length=MAX_BATCH)

    model_config = ConfigDict(json_schema_extra={"examples": [{"documents": [_SENT]}]})


class SentAccess(Sent):
    """Exactly who may read a document from the next question on."""

    principals: list[PrincipalText] = Field(max_length=_MAX_PRINCIPALS, description="An empty list means nobody.")

    model_config = ConfigDict(json_schema_extra={"examples": [{"principals": ["group:finance", "role:admin"]}]})


class ShownAccess(Shown):
    """The rights as they are now, and whether the call changed them."""

    principals: list[str]
    changed: bool

    model_config = ConfigDict(json_schema_extra={"examples": [{"principals": ["group:finance", "role:admin"], "changed": True}]})


class ShownDocument(Shown):
    """A published document without its text."""

    document_id: str
    uri: str
    source: str
    title: str
    locale: str
    trust: TrustTier
    principals: list[str] = Field(description="Who may read it; empty means nobody.")
    updated_at: datetime | None
    valid_until: datetime | None
    supersedes: list[str]
    characters: int
    ingested_at: datetime

    model_config = ConfigDict(json_schema_extra={"examples": [_SHOWN]})

    @classmethod
    def of(cls, document: Document, principals: Iterable[Principal]) -> "ShownDocument":
        return cls(
            document_id=document.document_id,
            uri=document.uri,
            source=document.source,
            title=document.title,
            locale=document.locale,
            trust=document.trust,
            principals=sorted(principals),
            updated_at=document.updated_at,
            valid_until=document.valid_until,
            supersedes=list(document.supersedes),
            characters=len(document.text),
            ingested_at=document.ingested_at,
        )


class ShownDocumentText(Shown):
    """A published document with the exact text that citations point into."""

    document: ShownDocument
    text: str

    model_config = ConfigDict(json_schema_extra={"examples": [{"document": _SHOWN, "text": _SENT["content"]}]})


class ShownDocuments(Shown):
    """One page of documents, in a stable order."""

    documents: list[ShownDocument]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null on the last one.")

    model_config = ConfigDict(json_schema_extra={"examples": [{"documents": [_SHOWN], "next_cursor": None}]})


class ShownSkipped(Shown):
    """A document that was not published, and why."""

    uri: str
    reason: str


class ShownReport(Shown):
    """What one ingest did."""

    added: int
    changed: int
    deleted: int
    unchanged: int
    rights_changed: int
    chunks: int
    encoded_chunks: int
    skipped: list[ShownSkipped]
    warnings: list[str]
    generation: int
    seconds: float

    model_config = ConfigDict(json_schema_extra={"examples": [_REPORT]})

    @classmethod
    def of(cls, report: IngestReport) -> "ShownReport":
        plain = {name: getattr(report, name) for name in cls.model_fields if name not in ("skipped", "warnings")}
        skipped = [ShownSkipped(uri=file.uri, reason=file.reason) for file in report.skipped]
        return cls(**plain, skipped=skipped, warnings=list(report.warnings))


class PublishedDocument(Shown):
    """The document's id and what publishing it did."""

    document_id: str
    report: ShownReport

    model_config = ConfigDict(json_schema_extra={"examples": [{"document_id": _SHOWN["document_id"], "report": _REPORT}]})
