"""What a run may be said to rest on: passages that whoever proposes it may read at this moment."""

from collections.abc import Sequence

from surefoot.core.errors import NotFound
from surefoot.domain.documents import ChunkId
from surefoot.domain.identity import Viewer
from surefoot.ports import Store
from surefoot.retrieval.access import still_readable


def refuse_unreadable(store: Store, viewer: Viewer, citations: Sequence[str]) -> None:
    """Nothing, when the viewer may read every passage cited; else NotFound. What somebody may not read does not exist for
    them, and so supports nothing.
    """
    if not citations:
        return
    with store.begin() as work:
        chunks = work.documents.chunks(viewer.tenant, [ChunkId(each) for each in citations])
    cited = {chunk.document_id for chunk in chunks.values()}
    if len(chunks) != len(set(citations)) or still_readable(store, viewer, cited) != cited:
        raise NotFound("One of the cited passages does not exist, or is not yours to read.")
