"""Who the spans come from: the resource of our own provider, and what is added to that of the app's."""

from opentelemetry.sdk.resources import Resource

from spanwise import semconv
from spanwise._version import __version__
from spanwise.config import Config

DISTRO = "spanwise"


def named_in_code(config: Config) -> dict[str, str]:
    """Returns the resource attributes that win over those of any provider.

    They are what ``instrument()`` was told, and the name of this distribution of OpenTelemetry.
    """
    attributes = dict(config.resource_attributes)
    if config.service_name:
        attributes[semconv.SERVICE_NAME] = config.service_name
    attributes[semconv.DISTRO_NAME] = DISTRO
    attributes[semconv.DISTRO_VERSION] = __version__
    return attributes


def new_resource(config: Config) -> Resource:
    """Returns the resource of a provider of ours.

    It is the environment's (``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``, detectors), with what was
    named in code on top.
    """
    return Resource.create(dict(named_in_code(config)))
