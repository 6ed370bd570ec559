"""What can go wrong in the collector, as a caller sees it.

Every error carries a message for a person: what was wrong, the offending value, and the fix. The HTTP layer
turns them into RFC 9457 problem documents, or into ``google.rpc.Status`` on OTLP paths.
"""


class CollectorError(Exception):
    """The root of the collector's own errors.

    Args:
        message: What was wrong and with which value.
        fix: What to do about it, or ``""`` when the message already says so.
    """

    status = 500
    title = "Internal error"

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class BadRequest(CollectorError):
    """The request can never succeed as it is: do not send it again unchanged."""

    status = 400
    title = "Bad request"


class NotFound(CollectorError):
    """What was asked for does not exist."""

    status = 404
    title = "Not found"


class Conflict(CollectorError):
    """The request contradicts what is already there."""

    status = 409
    title = "Conflict"


class Unavailable(CollectorError):
    """The collector cannot answer now: send the same request again after ``retry_after_s`` seconds."""

    status = 503
    title = "Temporarily unavailable"

    def __init__(self, message: str, *, fix: str = "", retry_after_s: int = 5) -> None:
        super().__init__(message, fix=fix)
        self.retry_after_s = retry_after_s
