"""One file per document format; each turns bytes into a SourceDocument."""

from surefoot.retrieval.readers.formats import read
from surefoot.retrieval.readers.raw import RawFile, ReadLimits, RightsOverride

__all__ = ["RawFile", "ReadLimits", "RightsOverride", "read"]
