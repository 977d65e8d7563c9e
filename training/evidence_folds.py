"""Which sites train, which choose and which judge: by site, never by row.

The tenants' questions were asked by people, so the model that ships learns from them too. What judges is therefore a model
fitted the same way without half of the sites: each site is judged by the one that has seen nothing of it.
"""

from pathlib import Path

# Two sites choose how to mix and when to stop; they train nothing.
DEV_SITES = ("metarank", "polar")
TENANTS = ("flagsmith", "segment")
# What each fold holds out. The two tenants are apart, and so are the sites with many headings that are questions.
FOLDS: tuple[tuple[str, ...], ...] = (
    ("segment", "haystack", "llm", "procrastinate", "dittofeed"),
    ("flagsmith", "copilotkit", "mcp", "ragflow", "chatwoot"),
)
JUDGED_SITES = tuple(site for fold in FOLDS for site in fold)


def site_path(data: Path, name: str) -> Path:
    """The sections file of a site."""
    return data / f"{name}_docs.sections.jsonl.gz" if name in TENANTS else data / "train_docs" / f"{name}.sections.jsonl.gz"


def training_sites(fold: int | None) -> tuple[str, ...]:
    """The sites that train: all but those that choose and those that the fold holds out; `None` holds out nothing."""
    held_out = FOLDS[fold] if fold is not None else ()
    return tuple(site for site in sorted(JUDGED_SITES) if site not in held_out)


def fold_of_site(name: str) -> int:
    """The fold that holds the site out, and so judges it."""
    return next(number for number, fold in enumerate(FOLDS) if name in fold)
