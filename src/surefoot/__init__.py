"""Surefoot: answers from a tenant's own documents, cited to the character or honestly refused."""

__version__ = "0.1.0"
