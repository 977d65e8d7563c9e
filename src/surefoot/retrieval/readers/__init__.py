"""One file per document format; each turns bytes into a SourceDocument."""
