"""Small faults of a module's source, one at a time: what a slip of the hand would make of it.

Comparisons turn by one, conditions turn round, numbers and texts change, a line is left out, an order is lost.
What only types, documentation or the import system read is left alone. Pure: text in, mutants out.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, Final

__all__ = ["Mutant", "mutants"]

Place = tuple[ast.AST, str, int | None]
_COMPARE: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_BINARY: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLS: Final = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
_UNREAD: Final = frozenset({"annotation", "returns", "decorator_list", "pattern", "defaults", "kw_defaults"})
"""Fields of nodes whose content runs nowhere, is checked by mypy, or ran when the module was read."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: its line and that of its statement, what stood there and what stands there now, the module with it."""

    line: int
    statement: int
    was: str
    now: str
    in_function: bool
    code: CodeType


def mutants(source: str, file: str) -> Iterator[Mutant]:
    """Every fault of the module, in the order of its lines. Costs a compilation each."""
    tree = ast.parse(source)
    for place, statement, inside in list(_places(tree, 0, inside=False)):
        node = _get(place)
        for changed in _changes(node):
            was, now = _short(node), _short(changed)
            _set(place, ast.fix_missing_locations(ast.copy_location(changed, node)))
            try:
                code = compile(tree, file, "exec", dont_inherit=True)
            except SyntaxError:
                continue
            finally:
                _set(place, node)
            yield Mutant(node.lineno, statement, was, now, inside, code)


def _changes(node: Any) -> Iterator[ast.AST]:  # Any: whatever the grammar has
    match node:
        case ast.Compare(left, [operator], rest):
            yield ast.Compare(left, [_COMPARE[type(operator)]()], rest)
        case ast.Compare(left, operators, rest):
            for place, operator in enumerate(operators):
                turned = [*operators[:place], _COMPARE[type(operator)](), *operators[place + 1 :]]
                yield ast.Compare(left, turned, rest)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _BINARY:
            yield ast.BinOp(left, _BINARY[type(operator)](), right)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(str() as value):
            yield ast.Constant(f"{value}~")
        case ast.Call(ast.Name(name), [argument, *others], keywords) if name in _CALLS:
            rest, named = ([], []) if name == "sorted" else (others, keywords)
            yield ast.Call(ast.Name(_CALLS[name], ast.Load()), [argument, *rest], named)
        case ast.IfExp(test, body, orelse) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield ast.IfExp(test, orelse, body)
        case ast.If(test, body, orelse) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.AugAssign() | ast.Expr(ast.Call() | ast.Yield() | ast.YieldFrom()):
            yield ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript()], _):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case _:
            return


def _places(node: ast.AST, statement: int, *, inside: bool) -> Iterator[tuple[Place, int, bool]]:
    """Where nodes hang that may be changed, the line of their statement, and whether in a function. Parents first."""
    for name, value in ast.iter_fields(node):
        if name in _UNREAD:
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_unread(child):
                continue
            if isinstance(node, ast.ClassDef) and not isinstance(child, ast.FunctionDef):
                continue  # defaults of fields: the class is made already
            here = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            line = child.lineno if isinstance(child, ast.stmt) else statement
            if isinstance(child, ast.stmt | ast.expr):
                yield (node, name, place), line, here
            yield from _places(child, line, inside=here)


def _is_unread(node: ast.AST) -> bool:
    """Documentation, `__all__`, imports, and what only names types."""
    match node:
        case ast.Expr(ast.Constant(str())) | ast.Import() | ast.ImportFrom() | ast.Assert():
            return True
        case ast.Assign([ast.Name("__all__")], _) | ast.Assign(
            [ast.Name()], ast.Subscript(ast.Name("Literal"))
        ):
            return True
        case ast.Call(ast.Name("assert_never")) | ast.Expr(ast.Call(ast.Name("assert_never"))):
            return True
        case ast.Subscript(ast.Name("Mapping" | "Callable" | "Literal")):
            return True
        case _:
            return False


def _get(place: Place) -> Any:  # Any: a node
    parent, name, at = place
    value = getattr(parent, name)
    return value if at is None else value[at]


def _set(place: Place, node: ast.AST) -> None:
    parent, name, at = place
    if at is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[at] = node


def _short(node: ast.AST) -> str:
    """The first line of a node's source."""
    first, _, more = ast.unparse(ast.fix_missing_locations(node)).partition("\n")
    return first + (" …" if more else "")
