"""The libraries that Spanwise traces: every module of this folder that declares an ``INTEGRATION``.

``instrument()`` patches what is imported, waits for the rest to be imported, and leaves versions alone that
it was not tested with. ``status()`` says of each library what was done and why. A library's declaration and
readers are imported, and its version is looked up, when the library itself has been imported or somebody
asks: an app pays for what it uses.
"""

import functools
import importlib
import logging
import os
import pkgutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spanwise import guard
from spanwise.integrations._index import LIBRARIES
from spanwise.integrations._patch import (
    Patch,
    apply,
    installed_version,
    is_within,
    shadows_of,
    when_imported,
)
from spanwise.integrations._peers import Peers, when_one_is_switched

if TYPE_CHECKING:
    from spanwise.integrations._declaration import Integration, Target

logger = logging.getLogger("spanwise")

PATCHED = "patched"
WAITING = "waiting for its import"
NOT_INSTALLED = "not installed"
UNSUPPORTED = "unsupported version"
DISABLED = "disabled by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
FAILED = "failed"
OFF = "off"


class IntegrationError(RuntimeError):
    """A library that was asked for by name cannot be traced; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class IntegrationStatus:
    """What was done about one library."""

    name: str
    distribution: str
    version: str | None
    """The installed version."""
    state: str
    """One of this module's constants ``PATCHED``, ``WAITING``, ``NOT_INSTALLED`` and so on."""
    detail: str = ""
    targets: tuple[str, ...] = ()
    """Methods that are patched, as ``module:Class.method``."""
    missing: tuple[str, ...] = ()
    """Methods that this version of the library does not have."""


@dataclass(slots=True)
class _Installation:
    """One library's live state."""

    declared: "Integration | None" = None
    """``None`` until it is needed; ``integration`` imports it."""
    name: str = ""
    module: str = ""
    """The module of the library whose import starts everything."""
    state: str = OFF
    detail: str = ""
    is_active: bool = False
    awaited: set[tuple[str, str]] = field(default_factory=set)
    """Modules with an import hook of ours that has not fired, and what for: hooks cannot be taken back."""
    patches: dict[str, Patch] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    shadows: dict[type, Patch] = field(default_factory=dict)
    """Patches of subclasses that others gave a method of the same name."""
    unlisten: Callable[[], None] | None = None
    """Undoes the listening; ``None`` while nothing is listened to."""

    def __post_init__(self) -> None:
        if self.declared is not None:
            self.name, self.module = self.declared.name, self.declared.module

    @property
    def integration(self) -> "Integration":
        """The declaration of the library."""
        if self.declared is None:
            self.declared = importlib.import_module(f"{__name__}.{self.name}").INTEGRATION
        return self.declared


_lock = threading.RLock()
_installations: dict[str, _Installation] = {}
_is_following_peers = False


def names() -> list[str]:
    """Returns the names of all integrations, sorted."""
    return sorted(_registry())


def load(name: str) -> "Integration":
    """Imports a declaration.

    Raises:
        KeyError: a name that no integration has.
    """
    return _registry()[name].integration


def instrument(*wanted: str, is_needed: bool = True) -> None:
    """Patches the named libraries, or all; a second time changes nothing.

    Args:
        wanted: Names of integrations.
        is_needed: False takes it quietly that a named library is missing or of an untested version.

    Raises:
        ValueError: a name that no integration has.
        IntegrationError: a library asked for by name that is missing or of an untested version.
    """
    known = _registry()
    for name in wanted:
        if name not in known:
            raise ValueError(f"unknown integration {name!r}; there are {', '.join(sorted(known))}")
    with _lock:
        _follow_peers()
        for name in wanted or sorted(known):
            _install(known[name], is_named=is_needed and name in wanted)


def uninstrument(*wanted: str) -> None:
    """Takes the patches of the named libraries off again, or all; the original callables are back.

    Raises:
        ValueError: a name that no integration has.
    """
    known = _registry()
    for name in wanted:
        if name not in known:
            raise ValueError(f"unknown integration {name!r}; there are {', '.join(sorted(known))}")
    with _lock:
        for name in wanted or sorted(known):
            _remove(known[name])


def status() -> list[IntegrationStatus]:
    """Returns what was done about each library, sorted by name."""
    with _lock:
        return [_status(item) for _, item in sorted(_registry().items())]


def _status(item: _Installation) -> IntegrationStatus:
    integration = item.integration
    version = _version_of(integration)
    state, detail = item.state, item.detail
    if state == WAITING:  # whether it can ever be traced is looked up here, when somebody asks
        obstacle, reason = _obstacle(integration, version)
        state, detail = obstacle or state, reason or detail
    return IntegrationStatus(
        name=item.name,
        distribution=integration.distribution,
        version=version,
        state=state,
        detail=detail or _peer_detail(item.name),
        targets=tuple(sorted(item.patches)),
        missing=tuple(sorted(item.missing)),
    )


def _peer_detail(name: str) -> str:
    peer = Peers(name).at_work()
    return f"its calls are left to {peer}" if peer else ""


def _registry() -> dict[str, _Installation]:
    """Returns one entry for each integration in this folder; the folder is listed once."""
    with _lock:
        if not _installations:
            for name, module in LIBRARIES.items():
                _installations[name] = _Installation(name=name, module=module)
            for found in pkgutil.iter_modules(__path__):
                if not found.name.startswith("_") and found.name not in LIBRARIES:
                    _register(found.name)
        return _installations


def _register(module_name: str) -> None:
    """Registers an integration that is not in the index (yet): it has to be imported to be known."""
    integration = getattr(importlib.import_module(f"{__name__}.{module_name}"), "INTEGRATION", None)
    if integration is not None:
        _installations[integration.name] = _Installation(integration)


def _install(item: _Installation, *, is_named: bool) -> None:
    if _is_disabled(item.name):
        item.state = DISABLED
        item.detail = f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names {item.name} or *"
        return
    if is_named:
        state, detail = _obstacle(item.integration, _version_of(item.integration))
        if state:
            item.state, item.detail = state, detail
            raise IntegrationError(detail)
    item.is_active = True
    item.state = PATCHED if item.patches or item.unlisten else WAITING
    _await(item, "begin", item.module, functools.partial(_arrived, item))


def _await(item: _Installation, what: str, module: str, hook: Callable[[Any], None]) -> None:
    """Calls ``hook`` when a module has been imported, now if it has; waits for each once to do the same."""
    if module in sys.modules:
        hook(sys.modules[module])
    elif (module, what) not in item.awaited:
        item.awaited.add((module, what))
        when_imported(module, hook)


def _arrived(item: _Installation, library: Any) -> None:
    """Begins with a library that has just been imported, or was imported before.

    Import hooks cannot be taken back, so this and the hooks below may be called when it is not wanted any
    more, and twice. An import of the app runs in here, which must go on.
    """
    with _lock:
        item.awaited.discard((item.module, "begin"))
        if not item.is_active:
            return
        try:
            integration = item.integration
            state, detail = _obstacle(integration, _version_of(integration, library))
            if state:
                item.state, item.detail, item.is_active = state, detail, False
                if state == UNSUPPORTED:
                    guard.say_once(f"version {item.name}", "spanwise: %s; it is not traced", detail)
                return
            for module in {target.path.partition(":")[0] for target in integration.targets}:
                _await(item, "patch", module, functools.partial(_patch_module, item, module))
            if integration.listen is not None:
                module = integration.listens_in or integration.module
                _await(item, "listen", module, functools.partial(_listen_in, item))
        except Exception as error:  # noqa: BLE001
            item.state, item.detail = FAILED, f"{type(error).__name__}: {error}"
            guard.fault(f"beginning with {item.name}", error)


def _is_disabled(name: str) -> bool:
    disabled = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return any(part.strip() in ("*", name) for part in disabled)


def _version_of(integration: "Integration", library: Any = None) -> str | None:
    """Returns the installed version; of a library without metadata (a frozen app) what it says itself."""
    version = installed_version(integration.distribution)
    if version is None:
        version = getattr(library or sys.modules.get(integration.module), "__version__", None)
    return version if isinstance(version, str) else None


def _obstacle(integration: "Integration", version: str | None) -> tuple[str, str]:
    """Returns the state and the reason for which a library is not patched, or two empty strings."""
    if version is None:
        how = f"install it with: pip install '{integration.distribution}{integration.versions}'"
        return NOT_INSTALLED, f"{integration.distribution} is not installed; {how}"
    if not is_within(version, integration.versions):
        tested = f"Spanwise is tested with {integration.versions}"
        return UNSUPPORTED, f"{integration.distribution} {version} is installed, {tested}"
    return "", ""


def _patch_module(item: _Installation, module_name: str, module: Any) -> None:
    """Patches the targets of one module."""
    with _lock:
        item.awaited.discard((module_name, "patch"))
        if not item.is_active:
            return
        for target in item.integration.targets:
            owner, _, path = target.path.partition(":")
            if owner == module_name and target.path not in item.patches:
                _patch_target(item, target, module, path)
        if item.patches:
            item.state, item.detail = PATCHED, ""
        _cover_shadows(item)


def _follow_peers() -> None:
    """Watches other instrumentors being switched on and off: some hide our patches, or leave them hidden."""
    global _is_following_peers
    if not _is_following_peers:
        _is_following_peers = True
        hook = functools.partial(when_one_is_switched, refresh=_refresh)
        when_imported("opentelemetry.instrumentation.instrumentor", hook)


def _refresh() -> None:
    try:
        with _lock:
            for item in _installations.values():
                if item.is_active and item.patches:
                    _cover_shadows(item)
    except Exception as error:  # noqa: BLE001  the other instrumentor's caller must not notice
        guard.fault("looking for patches of others", error)


def _cover_shadows(item: _Installation) -> None:
    """Keeps our patches reachable where others set a method of the same name on a subclass.

    OpenInference and Logfire wrap ``OpenAI.request``, which hides the method of the base class; switched off,
    they leave the original function there, which hides it for good.
    """
    from spanwise.integrations._engine import wrapper_for

    own = [patch.owner for patch in item.patches.values()]  # a subclass may be a target itself
    for target in item.integration.targets:
        patch = item.patches.get(target.path)
        if patch is None:
            continue
        for kind in shadows_of(patch):
            if kind in own:
                continue
            found = vars(kind)[patch.attribute]
            if found is patch.original:
                delattr(kind, patch.attribute)
                item.shadows.pop(kind, None)
            elif kind not in item.shadows and found is not patch.wrapper and _is_foreign(found, kind):
                wrapper = wrapper_for(item.integration, target, lambda: item.is_active)
                item.shadows[kind] = apply(kind, patch.attribute, wrapper)


def _is_foreign(found: Any, kind: type) -> bool:
    """Tells whether an attribute of a class was put there by code of another package."""
    return (
        getattr(found, "__wrapped__", None) is not None
        or getattr(found, "__module__", None) != kind.__module__
    )


def _listen_in(item: _Installation, module: Any) -> None:
    """Registers with a library's own callbacks, once."""
    with _lock:
        item.awaited.discard((item.integration.listens_in or item.integration.module, "listen"))
        if not item.is_active or item.unlisten is not None or item.integration.listen is None:
            return
        try:
            item.unlisten = item.integration.listen(module)
            item.state, item.detail = PATCHED, ""
        except Exception as error:  # noqa: BLE001  an import of the app runs in here and must go on
            item.state, item.detail = FAILED, f"listening: {error}"
            guard.fault(f"listening to {item.integration.name}", error)


def _patch_target(item: _Installation, target: "Target", module: Any, path: str) -> None:
    from spanwise.integrations._engine import wrapper_for

    wrapper = wrapper_for(item.integration, target, lambda: item.is_active)
    try:
        item.patches[target.path] = apply(module, path, wrapper)
        item.missing.discard(target.path)
    except AttributeError:  # this version of the library does not have the method
        item.missing.add(target.path)
        logger.debug("spanwise: %s has no %s", item.integration.distribution, target.path)
    except Exception as error:  # noqa: BLE001  an import of the app runs in here and must go on
        item.state, item.detail = FAILED, f"{target.path}: {error}"
        guard.fault(f"patching {item.integration.name}", error)


def _remove(item: _Installation) -> None:
    item.is_active = False
    item.state, item.detail = OFF, ""
    if item.unlisten is not None:
        unlisten, item.unlisten = item.unlisten, None
        try:
            unlisten()
        except Exception as error:  # noqa: BLE001  the library's own registry is called in here
            guard.fault(f"no longer listening to {item.integration.name}", error)
    for kind, shadow in list(item.shadows.items()):
        shadow.remove()
        del item.shadows[kind]
    for path, patch in list(item.patches.items()):
        if patch.remove():
            del item.patches[path]
        else:
            item.detail = "some methods were wrapped by others after us: our wrappers stay there, inactive"
