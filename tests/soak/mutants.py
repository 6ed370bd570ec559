"""Small faults put into a module's syntax tree, one at a time: what a slip of the hand would leave behind.

``sites`` lists every fault that can be made in a source, ``mutated`` makes one of them. Both walk the tree in
the same order, so a fault is known by its number. Docstrings, annotations, decorators and the texts of
exceptions are left alone: no test should depend on them.
"""

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

TABLES = "<tables>"
"""The scope of what runs at import: tables, constants, defaults of arguments."""

_QUIET_CALLS = frozenset({"fault", "getLogger", "warning", "TypeVar"})
"""Calls whose texts are for people who read logs."""
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_BOUNDS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_DROPPED = (ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)
_LEFT_ALONE = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)


@dataclass(frozen=True, slots=True)
class Site:
    """One possible fault: where, what kind, and the text before and after."""

    number: int
    scope: str
    """Qualified name of the function, or ``TABLES``."""
    line: int
    first: int
    last: int
    """Lines of the statement around it, bodies of compound statements left out."""
    kind: str
    before: str
    after: str


@cache
def sites(source: str) -> list[Site]:
    """Returns all faults that can be made in a source."""
    walk = _Walk(None)
    walk.visit(ast.parse(source))
    return walk.found


def mutated(source: str, number: int) -> ast.Module:
    """Returns the tree of a source with one fault in it."""
    tree = _Walk(number).visit(ast.parse(source))
    return ast.fix_missing_locations(tree)


class _Walk(ast.NodeTransformer):
    def __init__(self, target: int | None) -> None:
        self.found: list[Site] = []
        self._target = target
        self._count = 0
        self._parents: list[ast.AST] = []
        self._scope: list[str] = []
        self._is_in_function = 0

    def visit(self, node: ast.AST) -> ast.AST:
        if self._is_left_alone(node):
            return node
        for kind, changed in _changes(node, self._parents):
            if self._count == self._target:
                self._count += 1
                return ast.copy_location(changed, node)
            self._note(node, kind, changed)
            self._count += 1
        return self._descend(node)

    def _descend(self, node: ast.AST) -> ast.AST:
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_named = is_function or isinstance(node, ast.ClassDef)
        self._parents.append(node)
        if is_function:
            node.args = self.visit(node.args)  # defaults belong to the scope around the function
        if is_named:
            self._scope.append(getattr(node, "name", "<lambda>"))
        self._is_in_function += is_function
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "bases") or (
                is_function and name == "args"
            ):
                continue
            if isinstance(value, list):
                value[:] = [self.visit(item) if isinstance(item, ast.AST) else item for item in value]
            elif isinstance(value, ast.AST):
                setattr(node, name, self.visit(value))
        self._is_in_function -= is_function
        if is_named:
            self._scope.pop()
        self._parents.pop()
        return node

    def _is_left_alone(self, node: ast.AST) -> bool:
        if isinstance(node, _LEFT_ALONE) or (isinstance(node, ast.If) and _named(node.test, "TYPE_CHECKING")):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return True
        if isinstance(node, ast.Assign) and _named(node.targets[0], "__slots__"):
            return True
        if isinstance(node, ast.ClassDef):
            return any(_named(base, "Protocol") for base in node.bases)
        return isinstance(node, ast.Call) and _called(node) in _QUIET_CALLS

    def _note(self, node: ast.AST, kind: str, changed: ast.AST) -> None:
        statement = node if isinstance(node, ast.stmt) else self._statement()
        body = getattr(statement, "body", None)
        last = body[0].lineno - 1 if isinstance(body, list) else statement.end_lineno
        self.found.append(
            Site(
                number=self._count,
                scope=".".join(self._scope) if self._is_in_function else TABLES,
                line=getattr(node, "lineno", statement.lineno),
                first=statement.lineno,
                last=max(last, statement.lineno),
                kind=kind,
                before=_shown(node),
                after=_shown(changed),
            )
        )

    def _statement(self) -> ast.stmt:
        # A lambda in a table runs in lines of its own.
        return next(each for each in reversed(self._parents) if isinstance(each, ast.stmt | ast.Lambda))


def _changes(node: ast.AST, parents: list[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    parent = parents[-1] if parents else None
    if isinstance(node, ast.stmt):
        yield from _statement_changes(node)
    elif isinstance(node, ast.keyword):
        if not isinstance(node.value, ast.Constant | ast.Lambda):
            yield "field to None", ast.keyword(node.arg, ast.Constant(None))
    elif isinstance(node, ast.comprehension):
        for at, test in enumerate(node.ifs):
            changed = deepcopy(node)
            changed.ifs[at] = _negated(test)
            yield "negate condition", changed
    elif isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        yield from _expression_changes(node, parent, parents)


def _statement_changes(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.If | ast.While):
        changed = deepcopy(node)
        changed.test = _negated(node.test)
        yield "negate condition", changed
    elif isinstance(node, ast.Return):
        if node.value is not None and not isinstance(node.value, ast.Constant):
            yield "return None", ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Attribute | ast.Subscript):
            yield "drop statement", ast.Pass()
        elif isinstance(target, ast.Name) and not isinstance(node.value, ast.Constant | type(None)):
            changed = deepcopy(node)
            changed.value = ast.Constant(None)
            yield "value to None", changed
    elif isinstance(node, _DROPPED) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield "drop statement", ast.Pass()


def _expression_changes(
    node: ast.expr, parent: ast.AST | None, parents: list[ast.AST]
) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Constant):
        yield from _constant_changes(node, parents)
    elif isinstance(node, ast.Attribute) and _named(node.value, "semconv") and node.attr.isupper():
        yield "other key", ast.Constant("mutated")
    elif isinstance(node, ast.BoolOp):
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield "swap or/and", ast.BoolOp(other, deepcopy(node.values))
        if not _is_condition(node, parent):
            yield "swap operands", ast.BoolOp(deepcopy(node.op), deepcopy(node.values[::-1]))
    elif isinstance(node, ast.IfExp):
        yield "negate condition", ast.IfExp(_negated(node.test), deepcopy(node.body), deepcopy(node.orelse))
    elif isinstance(node, ast.Compare):
        # The condition of an `if` is negated there already; bounds are moved everywhere.
        if isinstance(node.ops[0], _BOUNDS) or not _is_condition(node, parent):
            changed = deepcopy(node)
            changed.ops[0] = _COMPARISONS[type(node.ops[0])]()
            yield "other comparison", changed
    elif _is_pair(node, parent):
        yield "field to None", ast.Tuple([deepcopy(node.elts[0]), ast.Constant(None)], ast.Load())


def _is_pair(node: ast.expr, parent: ast.AST | None) -> bool:
    """A name and what was read for it, as readers list them."""
    if not isinstance(node, ast.Tuple) or not isinstance(parent, ast.List) or len(node.elts) != 2:
        return False
    return not isinstance(node.elts[1], ast.Constant)


def _constant_changes(node: ast.Constant, parents: list[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    if any(isinstance(each, ast.Raise) for each in parents):
        return
    if isinstance(node.value, bool):
        yield "other constant", ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield "off by one", ast.Constant(node.value + 1)
    elif isinstance(node.value, str):
        yield "other constant", ast.Constant(node.value + "_x")


def _is_condition(node: ast.expr, parent: ast.AST | None) -> bool:
    if isinstance(parent, ast.comprehension):
        return node in parent.ifs
    return isinstance(parent, ast.If | ast.While | ast.IfExp) and parent.test is node


def _negated(test: ast.expr) -> ast.expr:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return deepcopy(test.operand)
    return ast.UnaryOp(ast.Not(), deepcopy(test))


def _named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", None) or getattr(node.func, "id", "")


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.While):
        return f"{type(node).__name__.lower()} {ast.unparse(node.test)}"
    return " ".join(ast.unparse(node).split())
