"""Scores: write some, read those of a trace or the newest."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from spanwise_collector.deps import ProjectDep, StoreDep
from spanwise_collector.errors import BadRequest
from spanwise_collector.ingest.batch import Batch
from spanwise_collector.ingest.pipeline import Pipeline
from spanwise_collector.ingest.scores import MAX_NAME_CHARS, Unusable, finished, read_value
from spanwise_collector.ingest.writer import Writer
from spanwise_collector.model import Score, ScoreFilter
from spanwise_collector.routers import render, schemas
from spanwise_collector.routers.answers import documented
from spanwise_collector.routers.filters import Time, parse_time
from spanwise_collector.store.ids import span_id_of, trace_id_of

router = APIRouter(tags=["scores"])
SOURCE = "api"
MAX_SCORES = 1000
MAX_BODY_BYTES = 4 * 1024 * 1024
_MEMBERS = frozenset(
    {"trace_id", "span_id", "name", "value", "label", "comment", "id", "time", "user_id", "attributes"}
)
# A JSON value of any type: hence Any below.
Json = Any
TraceParam = Annotated[str | None, Query(pattern="^[0-9a-fA-F]{32}$", description="32 hex digits.")]
SpanParam = Annotated[str | None, Query(pattern="^[0-9a-fA-F]{16}$", description="16 hex digits.")]
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    schemas.NewScore.model_json_schema(),
                    {"type": "array", "items": schemas.NewScore.model_json_schema()},
                ]
            }
        }
    },
}


@router.post(
    "/scores",
    summary="Write scores",
    status_code=201,
    responses=documented(schemas.ScoresWritten, 400, status=201),
    openapi_extra={"requestBody": _BODY},
)
async def write_scores(request: Request, project: ProjectDep) -> Response:
    """One score or a list of them, all or nothing; durable when answered.

    Without `id` and `time` the same request sent twice makes two scores. With the ingest key no login is
    needed.
    """
    document = _document(await _read(request))
    now_ns = request.app.state.pipeline.clock_ns()
    given = document if isinstance(document, list) else [document]
    if not 0 < len(given) <= MAX_SCORES:
        raise BadRequest(f"the body has {len(given)} scores", fix=f"send 1 to {MAX_SCORES} in a request")
    scores = [_score(item, index, project, now_ns) for index, item in enumerate(given)]
    pipeline: Pipeline = request.app.state.pipeline
    batch = pipeline.process(Batch(scores=scores, noun="scores"))
    if batch.rejected:
        raise BadRequest(batch.message, fix="give a time within the server's retention")
    writer: Writer[Score] = request.app.state.score_writer
    reservation = writer.reserve()
    try:
        refused = await writer.write(batch.scores, reservation)
    finally:
        reservation.close()
    if refused:
        raise BadRequest(f"score {refused[0].name!r} cannot be stored", fix="send plain text and numbers")
    request.app.state.metrics.scores.inc(len(scores))
    return render.reply({"ids": [score.score_id for score in scores]}, 201)


@router.get("/scores", summary="Read scores", responses=documented(schemas.ScoreList, 400))
def read_scores(
    store: StoreDep,
    project: ProjectDep,
    trace_id: TraceParam = None,
    span_id: SpanParam = None,
    name: Annotated[str | None, Query(max_length=MAX_NAME_CHARS)] = None,
    from_: Annotated[Time, Query(alias="from")] = None,
    to: Time = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Response:
    """Scores of a trace, or the newest of all; for older ones pass the last one's `time` as `to`."""
    where = ScoreFilter(
        trace_ids=(trace_id,) if trace_id else None,
        span_id=span_id,
        name=name or None,
        from_ns=parse_time(from_, "from"),
        to_ns=parse_time(to, "to"),
    )
    found = store.read_scores(project, where, limit=limit)
    return render.reply({"items": [render.score(score) for score in found]})


async def _read(request: Request) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise BadRequest(f"the body is larger than {MAX_BODY_BYTES} bytes", fix="send fewer scores")
        pieces.append(piece)
    return b"".join(pieces)


def _document(body: bytes) -> Json:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"the body is not JSON: {error}", fix="send an object or a list of objects"
        ) from error


def _score(item: Json, index: int, project: str, now_ns: int) -> Score:
    place = f"score {index}"
    if not isinstance(item, dict):
        raise BadRequest(f"{place} is {type(item).__name__}, not an object", fix="see /api/v1/openapi.json")
    if unknown := sorted(item.keys() - _MEMBERS):
        raise BadRequest(
            f"{place} has the unknown member {unknown[0]!r}", fix=f"it takes {', '.join(sorted(_MEMBERS))}"
        )
    texts = {key: _text(item, key, place) for key in ("name", "label", "comment", "id", "user_id")}
    name = texts["name"].strip()
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise BadRequest(f"{place}: name={name!r:.60}", fix=f"give 1 to {MAX_NAME_CHARS} characters")
    given = _value(item.get("value"), place)
    if isinstance(given, str) and texts["label"]:
        raise BadRequest(f"{place} has a word as value and a label", fix="send one of them")
    try:
        kind, value, label = (
            read_value(None, given) if isinstance(given, str) else read_value(given, texts["label"])
        )
    except Unusable as error:
        raise BadRequest(f"{place}: {error}", fix="give value, label or both") from error
    span_id = item.get("span_id")
    return finished(
        Score(
            project_id=project,
            trace_id=trace_id_of(str(item.get("trace_id") or "")),
            span_id=span_id_of(str(span_id)) if span_id else "",
            name=name,
            score_id=texts["id"][:MAX_NAME_CHARS],
            time_ns=parse_time(_text(item, "time", place), "time") or now_ns,
            kind=kind,
            value=value,
            label=label,
            comment=texts["comment"],
            source=SOURCE,
            user_id=texts["user_id"],
            attributes=_attributes(item.get("attributes"), place),
        )
    )


def _attributes(value: Json, place: str) -> dict[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{place}: attributes={value!r:.60}", fix="give an object")
    return value


def _text(item: dict[str, Json], key: str, place: str) -> str:
    value = item.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequest(f"{place}: {key}={value!r:.60} is not a text", fix="put it in quotes")
    return value


def _value(value: Json, place: str) -> Json:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise BadRequest(f"{place}: value={value!r:.60}", fix="give true, false, a number or a word")
