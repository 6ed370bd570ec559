"""What routes receive: the store and the settings of their app, as annotated types."""

from typing import Annotated

from fastapi import Depends, Request

from spanwise_collector.settings import Settings
from spanwise_collector.store import Store

DEFAULT_PROJECT = "default"
"""The only project so far; with API keys by project it comes from the key, never from an attribute."""


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _project() -> str:
    return DEFAULT_PROJECT


StoreDep = Annotated[Store, Depends(_store)]
SettingsDep = Annotated[Settings, Depends(_settings)]
ProjectDep = Annotated[str, Depends(_project)]
