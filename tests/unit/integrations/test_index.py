"""An app pays at start-up for the libraries it uses: the index says which, without importing anything."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

from spanwise import integrations
from spanwise.integrations._declaration import Integration
from spanwise.integrations._index import LIBRARIES


def declarations() -> dict[str, Integration]:
    found = {}
    for module in pkgutil.iter_modules(integrations.__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"spanwise.integrations.{module.name}")
            if hasattr(loaded, "INTEGRATION"):
                found[module.name] = loaded.INTEGRATION
    return found


DECLARED = declarations()
LEADS_TO = {"botocore": {"aiobotocore"}}
"""Packages that import another one first: waiting for that one is waiting for both."""


def test_the_index_lists_every_integration_and_nothing_else() -> None:
    assert {name: declared.module for name, declared in DECLARED.items()} == LIBRARIES


@pytest.mark.parametrize("name", DECLARED)
def test_a_declaration_is_called_like_its_file_and_waits_for_modules_below_its_own(name: str) -> None:
    declared = DECLARED[name]
    assert declared.name == name
    places = {target.path.partition(":")[0] for target in declared.targets} | {declared.listens_in}
    top = declared.module.partition(".")[0]
    below = {top} | LEADS_TO.get(top, set())
    elsewhere = {place for place in places - {""} if place.partition(".")[0] not in below}
    assert not elsewhere, "the import of Integration.module would not lead to these"


def test_instrumenting_imports_no_reader_and_no_metadata_and_no_http_client() -> None:
    code = (
        "import sys, opentelemetry.sdk.trace, wrapt\n"  # whatever wrapt imports is wrapt's
        "before = set(sys.modules)\n"
        "import spanwise\n"
        "spanwise.instrument(endpoint='http://127.0.0.1:9')\n"
        "new = set(sys.modules) - before\n"
        "print(*sorted(name for name in new if name.split('.')[0] in\n"
        "    ('urllib3', 'email', 'http', 'ssl') or name == 'importlib.metadata'\n"
        "    or name.startswith('spanwise.integrations.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "spanwise.integrations._index",
        "spanwise.integrations._patch",
        "spanwise.integrations._peers",
    ]
