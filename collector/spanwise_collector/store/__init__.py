"""The store: all SQL of the project, the schema, and the only import of the engine's client."""

from spanwise_collector.store.failures import PoisonError
from spanwise_collector.store.settings import StoreSettings
from spanwise_collector.store.store import Store

__all__ = ["PoisonError", "Store", "StoreSettings"]
