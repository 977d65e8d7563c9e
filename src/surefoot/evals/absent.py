"""A search without some chunks: what the product would find, and a model would be told, if they were not there."""

from surefoot.domain.documents import ChunkId
from surefoot.domain.filters import Everything, Filter
from surefoot.domain.identity import Viewer
from surefoot.retrieval.search import Retrieved, Searcher


class Lacking:
    """The product's search, but for these chunks: gone before the legs are ranked, so that nothing of them is left to see."""

    def __init__(self, searcher: Searcher, without: frozenset[ChunkId]) -> None:
        self._searcher = searcher
        self._without = without

    def search(self, viewer: Viewer, question: str, *, where: Filter = Everything(), limit: int | None = None) -> Retrieved:
        """The best fresh passages that this viewer may read."""
        return self._searcher.search(viewer, question, where=where, limit=limit, without=self._without)
