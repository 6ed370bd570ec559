"""What happens around one intercepted call: written once, for every library, sync and async.

The call's path: is Spanwise on, is this call suppressed or traced by someone else, does the target want it?
Then a span is started, the library is called with the span's context attached, and what it returned goes to
the integration's ``observe``, which reads it or follows it in place. Whatever fails in our own code, the
library's result or exception reaches the application as without us.
"""

from collections.abc import Callable
from typing import Any

from spanwise import guard
from spanwise.integrations._declaration import Call, Integration, Target
from spanwise.integrations._patch import Wrapper
from spanwise.integrations._peers import Peers
from spanwise.lending import stand_down
from spanwise.recording import CallRecording
from spanwise.runtime import current
from spanwise.suppression import attach, detach, get_current, has_provider, is_suppressed, suppressed


def wrapper_for(integration: Integration, target: Target, is_active: Callable[[], bool]) -> Wrapper:
    """Returns the wrapt wrapper of one target.

    Args:
        integration: The library's declaration.
        target: One of its targets.
        is_active: Asked at each call; False makes the wrapper pass calls through, for patches that could
            not be removed because someone else wrapped them.
    """
    begin = _Beginning(integration, target, is_active)
    if target.is_async:
        wrapper = _async_wrapper(integration, begin)
        wrapper.__qualname__ = target.path.partition(":")[2]  # what "was never awaited" shall name
        return wrapper
    return _sync_wrapper(integration, begin)


def _sync_wrapper(integration: Integration, begin: "_Beginning") -> Wrapper:
    def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        recording = begin(instance, args, kwargs)
        if recording is None:
            return wrapped(*args, **kwargs)
        token = attach(recording.context)
        try:
            result = wrapped(*recording.call.args, **recording.call.kwargs)
        except BaseException as error:
            recording.fail(error)
            raise
        finally:
            detach(token)
        return _observed(integration, result, recording)

    return call


def _async_wrapper(integration: Integration, begin: "_Beginning") -> Wrapper:
    async def call(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        recording = begin(instance, args, kwargs)
        if recording is None:
            return await wrapped(*args, **kwargs)
        token = attach(recording.context)
        try:
            result = await wrapped(*recording.call.args, **recording.call.kwargs)
        except BaseException as error:
            recording.fail(error)
            raise
        finally:
            detach(token)
        return _observed(integration, result, recording)

    return call


def _observed(integration: Integration, result: Any, recording: CallRecording) -> Any:
    """Hands the library's answer to ``observe``; the application always gets an object of the same type."""
    try:
        if integration.observe is None:
            recording.respond(result)
            return result
        observed = integration.observe(result, recording)
        if type(observed) is not type(result):
            raise TypeError(f"observe of {integration.name} made {type(observed)} of {type(result)}")
    except Exception as error:  # noqa: BLE001  observe meets foreign objects
        recording.close()
        guard.fault(f"observing a result of {integration.name}", error)
        return result
    return observed


class _Beginning:
    """Decides whether a call is recorded, and starts its recording."""

    __slots__ = ("_integration", "_is_active", "_peers", "_target")

    def __init__(self, integration: Integration, target: Target, is_active: Callable[[], bool]) -> None:
        self._integration = integration
        self._target = target
        self._is_active = is_active
        self._peers = Peers(integration.name)

    def __call__(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallRecording | None:
        """Returns the recording with its span started, or ``None`` for a call that is not traced."""
        runtime = current()
        if runtime is None or not self._is_active():
            return None
        parent = get_current()
        if is_suppressed(parent):
            return None
        try:
            reader = self._target.reader
            call = Call(instance, args, kwargs, runtime.capture.wants_content)
            if reader.accepts is not None and not reader.accepts(call):
                return None
            if not runtime.config.isolated and self._peers.are_tracing(parent):
                if has_provider():
                    stand_down(parent)
                    return None
                parent = suppressed(parent)  # nobody records their spans yet: ours stands in, once
            recording = CallRecording(runtime, reader, call, reader.read_request(call), parent)
        except Exception as error:  # noqa: BLE001  readers meet foreign objects, start_span runs the app's sampler
            guard.fault(f"reading a request of {self._integration.name} ({self._target.path})", error)
            return None
        return self._prepared(recording)

    def _prepared(self, recording: CallRecording) -> CallRecording:
        if self._target.prepare is not None:
            try:
                self._target.prepare(recording.call)
            except Exception as error:  # noqa: BLE001
                guard.fault(f"preparing a call of {self._integration.name}", error)
        return recording
