"""Scripted language models: test doubles that ship, so that everything runs and is attacked without a provider."""

from surefoot.llm.scripted.model import SCRIPTED_KINDS, ScriptedModel, scripted_model

__all__ = ["SCRIPTED_KINDS", "ScriptedModel", "scripted_model"]
