"""What a server process imports: the app on the settings of the working folder and the environment."""

import os
from pathlib import Path

from fastapi import FastAPI

from surefoot.api.app import create_app
from surefoot.bootstrap import build
from surefoot.core.settings import load_settings


def create() -> FastAPI:
    """A fresh app for this process; the product starts with the app and closes with it."""
    return create_app(build(load_settings(folder=Path.cwd(), env=os.environ).settings))
