"""Is it alive, is it ready, what has it done: for load balancers, orchestrators and Prometheus."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from spanwise._version import __version__
from spanwise_collector.deps import StoreDep
from spanwise_collector.metrics import CONTENT_TYPE, Metrics
from spanwise_collector.routers import render

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Is the process alive")
async def read_health() -> Response:
    """Answers while the process runs; the header tells a sender that this is Spanwise."""
    response = render.reply({"name": "spanwise", "version": __version__, "status": "ok"})
    response.headers["x-spanwise"] = __version__
    return response


@router.get("/readyz", summary="Can it store and read")
def read_readiness(store: StoreDep) -> Response:
    """Answers 200 when the store answers, 503 otherwise."""
    store.ping()
    return render.reply({"status": "ok"})


@router.get("/metrics", summary="The server's own numbers", response_class=Response)
async def read_metrics(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    metrics: Metrics = request.app.state.metrics
    return Response(metrics.expose(), media_type=CONTENT_TYPE)
