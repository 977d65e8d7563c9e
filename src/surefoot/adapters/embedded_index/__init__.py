"""The ChunkIndex port on files: Tantivy, FAISS and numpy columns, one folder a tenant."""
