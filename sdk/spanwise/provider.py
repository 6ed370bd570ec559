"""Our own TracerProvider, for apps that have none."""

import sys
import threading

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from spanwise.sampling import sampler_from_env


class OwnTracerProvider(TracerProvider):
    """OpenTelemetry's provider, which never exports on its own at exit (we do) and forks safely under gevent.

    Args:
        resource: What its spans are recorded with.
    """

    def __init__(self, resource: Resource) -> None:
        super().__init__(sampler=sampler_from_env(), resource=resource, shutdown_on_exit=False)

    def _handle_fork(self) -> None:
        """Runs in every forked child, also in one that is about to start another program.

        OpenTelemetry's own method starts threads here. Under gevent that lets the parent's greenlets go on in
        the child before it has done what it was forked for; each may fork in turn, without end.
        """
        if _is_gevent_at_work():
            self._tracers_lock = threading.Lock()
            return
        inherited = getattr(super(), "_handle_fork", None)  # older versions have none
        if inherited is not None:
            inherited()


def _is_gevent_at_work() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))
