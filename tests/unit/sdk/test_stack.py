"""The text of a stack is Python's own, without its underlines."""

import traceback

import pytest

from spanwise.stack import stack_of, text_of


def _raised(kind: type[Exception], *, depth: int = 0, cause: Exception | None = None) -> Exception:
    def step(left: int) -> None:
        if left:
            step(left - 1)
        raise kind("no such model") from cause

    try:
        step(depth)
    except kind as error:
        return error
    raise AssertionError("it was raised")


def _python_text(error: Exception) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines(keepends=True)
    return "".join(line for line in lines if set(line.strip()) - set("^~") or not line.strip())


def test_the_text_is_what_python_prints() -> None:
    error = _raised(ValueError)
    assert text_of(stack_of(error)) == _python_text(error)


def test_the_exceptions_before_it_stand_first() -> None:
    error = _raised(ValueError, cause=_raised(KeyError))
    assert text_of(stack_of(error)) == _python_text(error)


def test_an_exception_while_another_was_handled() -> None:
    def fail() -> None:
        try:
            raise KeyError("first")
        except KeyError:
            raise ValueError("second")  # noqa: B904 - that nothing is said about a cause is the point

    with pytest.raises(ValueError, match="second") as caught:
        fail()
    assert text_of(stack_of(caught.value)) == _python_text(caught.value)


def test_a_circle_of_causes_ends() -> None:
    first, second = _raised(ValueError), _raised(KeyError)
    first.__cause__, second.__cause__ = second, first
    assert text_of(stack_of(first)).count("Traceback") == 2


def test_a_very_deep_stack_keeps_its_ends() -> None:
    text = text_of(stack_of(_raised(ValueError, depth=500)))
    assert text.count("File ") <= 64 or "repeated" in text
    assert text.startswith("Traceback")
    assert text.endswith("ValueError: no such model\n")


def test_no_frame_is_held() -> None:
    class Held:
        pass

    import gc
    import weakref

    def fail() -> None:
        local = Held()
        found.append(weakref.ref(local))
        raise ValueError

    found: list[weakref.ReferenceType[Held]] = []
    try:
        fail()
    except ValueError as error:
        stack = stack_of(error)
    gc.collect()
    assert found[0]() is None
    assert "fail" in text_of(stack)
