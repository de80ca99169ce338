"""Every small change of a module that could be a bug: a source for each, and where it differs."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Final, NamedTuple

_COMPARED: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Mult: ast.Add,
}
_CALLED: Final = {"max": "min", "min": "max", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """One changed source. `line` and `what` for who looks at a survivor."""

    line: int
    what: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """All of them; what only types or documents is left alone."""
    tree = ast.parse(source)
    typed = {id(each) for part in _only_typed(tree) for each in ast.walk(part)}
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in typed:
            continue
        for what, changed in _changes(node):
            line = getattr(node, "lineno", 0)
            yield Mutant(line, what, ast.unparse(_with(tree, number, changed)))


def _only_typed(tree: ast.Module) -> Iterator[ast.AST]:
    """Annotations and decorators: of a value they change nothing."""
    for node in ast.walk(tree):
        for name in ("annotation", "returns", "decorator_list"):
            part = getattr(node, name, None)
            yield from part if isinstance(part, list) else () if part is None else (part,)


def _with(tree: ast.Module, number: int, changed: ast.AST) -> ast.Module:
    """The tree with its node of that number replaced."""
    whole = copy.deepcopy(tree)
    old = list(ast.walk(whole))[number]
    for parent in ast.walk(whole):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, changed)
            elif isinstance(value, list) and any(each is old for each in value):
                value[[each is old for each in value].index(True)] = changed
    return ast.fix_missing_locations(whole)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    said = ast.unparse(node) if isinstance(node, ast.expr | ast.stmt) else ""
    for changed in (*_compared(node), *_computed(node), *_done(node)):
        yield f"{said.splitlines()[0]} → {ast.unparse(changed).splitlines()[0]}", changed


def _compared(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=[op], left=left, comparators=[right]):
            for other in _COMPARED.get(type(op), ()):
                yield ast.Compare(left, [other()], [right])
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for left_out in range(len(values)):
                kept = values[:left_out] + values[left_out + 1 :]
                yield kept[0] if len(kept) == 1 else ast.BoolOp(op, kept)
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            yield operand


def _computed(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _COMPUTED:
            yield ast.BinOp(left, _COMPUTED[type(operator)](), right)
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as number):
            yield ast.Constant(number + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in _CALLED:
            yield ast.Call(ast.Name(_CALLED[name]), args, keywords)


def _done(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.expr() as returned) if not _is_none(returned):
            yield ast.Return(ast.Constant(None))
        case ast.If(test=test, body=body, orelse=orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Continue():
            yield ast.Break()
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
