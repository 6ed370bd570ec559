"""What there is to filter by."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from spanwise_collector.deps import ProjectDep, StoreDep
from spanwise_collector.routers import render, schemas
from spanwise_collector.routers.answers import documented
from spanwise_collector.routers.filters import FilterDep

router = APIRouter(tags=["traces"])


@router.get("/facets", summary="List the most frequent values", responses=documented(schemas.Facets, 400))
def read_facets(
    store: StoreDep, project: ProjectDep, where: FilterDep, limit: Annotated[int, Query(ge=1, le=100)] = 12
) -> Response:
    """For each facet (service, model, user_id, ...) its values under the filter, by number of traces."""
    found = store.facets(project, where, limit=limit)
    return render.reply({"facets": {name: render.facet(values) for name, values in found.items()}})
