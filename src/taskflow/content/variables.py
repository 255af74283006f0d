"""Which variables a template needs, found by reading its syntax tree, so that gaps show before anything is sent.

A variable is *required* when some use of it is not guarded. Guards are the filter `default` (`d`), the tests
`is defined` / `is undefined`, and plain truth (`{% if nickname %}`, `nickname or 'friend'`): a missing variable is
false, never an error, when only its truth is asked. A guard protects the branch that it decides, also through `and`,
`or`, `not`, `elif` and `else`. Branches are not evaluated: what is unguarded in any of them counts as required.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from jinja2 import nodes

SUPPLIED = frozenset({"email", "unsubscribe_url"})
"""Variables that the sender adds to every message; a recipient need not bring them."""

Path = tuple[str, ...]
Facts = frozenset[Path]

PASSES_MISSING = frozenset({"date", "datetime", "money", "number", "percent", "time"})
"""Filters that hand a missing value on, so that a `default` behind them still guards it."""

_NONE: Facts = frozenset()
_ALWAYS_BOUND = frozenset({"loop", "self", "super", "caller", "varargs", "kwargs"})
_FOREIGN: dict[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from",
    nodes.Extends: "extends",
}


class ForeignTemplateError(Exception):
    """The template pulls in another one: `tag` at `line`."""

    def __init__(self, tag: str, line: int) -> None:
        """Remember the tag's name and its line."""
        reason = (
            "a snippet's name stands in quotes, {% include 'footer' %}"
            if tag == "include"
            else ("a template cannot load another one")
        )
        super().__init__(f"the tag '{tag}' is not available here: {reason}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Requirements:
    """The variables of a template as paths: `{{ order.total }}` is `("order", "total")`."""

    required: frozenset[Path]
    optional: frozenset[Path]


def requirements(*trees: nodes.Template) -> Requirements:
    """Return what the given templates need together.

    Raises:
        ForeignTemplateError: one of them includes, imports or extends another template.
        RecursionError: it is nested too deeply.
    """
    reader = _Reader()
    for tree in trees:
        reader.visit_all(tree.body, set(_ALWAYS_BOUND), _NONE)
    required = frozenset(reader.required)
    return Requirements(required, frozenset(reader.optional - required))


def _path(node: nodes.Node) -> Path | None:
    """Return `("a", "b")` for `a`, `a.b`, `a['b']`; None for anything that is not a plain path."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        head, last = _path(node.node), node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        head, last = _path(node.node), node.arg.value
    else:
        return None
    return (*head, last) if head else None


def _facts(test: nodes.Node) -> tuple[Facts, Facts]:
    """Return the paths known to exist when `test` holds, and those known to exist when it does not."""
    if path := _path(test):
        return frozenset({path}), _NONE
    if isinstance(test, nodes.Test) and test.name in {"defined", "undefined"} and (path := _path(test.node)):
        known = frozenset({path})
        return (known, _NONE) if test.name == "defined" else (_NONE, known)
    if isinstance(test, nodes.Not):
        holds, fails = _facts(test.node)
        return fails, holds
    if isinstance(test, nodes.And | nodes.Or):
        (left_holds, left_fails), (right_holds, right_fails) = _facts(test.left), _facts(test.right)
        if isinstance(test, nodes.And):
            return left_holds | right_holds, _NONE
        return _NONE, left_fails | right_fails
    return _NONE, _NONE


@dataclass(slots=True)
class _Reader:
    """Walks a tree with the names that are bound so far and the paths that guards have proved."""

    required: set[Path] = field(default_factory=set)
    optional: set[Path] = field(default_factory=set)

    def visit_all(self, children: Iterable[nodes.Node], bound: set[str], known: Facts) -> None:
        for child in children:
            self.visit(child, bound, known)

    def use(self, path: Path, bound: set[str], known: Facts, *, guarded: bool = False) -> None:
        """Record one use. A guarded path still needs its parent: `a.b is defined` fails when `a` is missing."""
        if path[0] in bound:
            return
        if guarded:
            self.optional.add(path)
            if len(path) > 1:
                self.use(path[:-1], bound, known)
        elif any(path[:length] in known for length in range(1, len(path) + 1)):
            self.optional.add(path)
        else:
            self.required.add(path)

    def visit_truth(self, node: nodes.Node, bound: set[str], known: Facts) -> None:
        """Visit an expression of which only the truth matters."""
        if path := _path(node):
            self.use(path, bound, known, guarded=True)
        elif isinstance(node, nodes.Not):
            self.visit_truth(node.node, bound, known)
        elif isinstance(node, nodes.And | nodes.Or):
            holds, fails = _facts(node.left)
            self.visit_truth(node.left, bound, known)
            self.visit_truth(node.right, bound, known | (holds if isinstance(node, nodes.And) else fails))
        else:
            self.visit(node, bound, known)

    def visit(self, node: nodes.Node, bound: set[str], known: Facts) -> None:
        if path := _path(node):
            if not (isinstance(node, nodes.Name) and node.ctx != "load"):
                self.use(path, bound, known)
            return
        if tag := _FOREIGN.get(type(node)):
            raise ForeignTemplateError(tag, node.lineno)
        method = getattr(self, f"visit_{type(node).__name__.lower()}", None)
        if method is not None:
            method(node, bound, known)
        else:
            self.visit_all(node.iter_child_nodes(), bound, known)

    def visit_filter(self, node: nodes.Filter, bound: set[str], known: Facts) -> None:
        inner = node.node
        while node.name in {"default", "d"} and isinstance(inner, nodes.Filter) and inner.name in PASSES_MISSING:
            self.visit_all(inner.iter_child_nodes(exclude=("node",)), bound, known)
            inner = inner.node
        path = _path(inner) if inner is not None else None
        if node.name in {"default", "d"} and path:
            self.use(path, bound, known, guarded=True)
            self.visit_all(node.iter_child_nodes(exclude=("node",)), bound, known)
        else:
            self.visit_all(node.iter_child_nodes(), bound, known)

    def visit_test(self, node: nodes.Test, bound: set[str], known: Facts) -> None:
        path = _path(node.node)
        if node.name in {"defined", "undefined"} and path:
            self.use(path, bound, known, guarded=True)
        else:
            self.visit_all(node.iter_child_nodes(), bound, known)

    def visit_call(self, node: nodes.Call, bound: set[str], known: Facts) -> None:
        callee = node.node.node if isinstance(node.node, nodes.Getattr) else node.node  # name.upper() needs `name`
        self.visit(callee, bound, known)
        self.visit_all(node.iter_child_nodes(exclude=("node",)), bound, known)

    def visit_or(self, node: nodes.Or, bound: set[str], known: Facts) -> None:
        self.visit_truth(node.left, bound, known)
        self.visit(node.right, bound, known | _facts(node.left)[1])

    def visit_and(self, node: nodes.And, bound: set[str], known: Facts) -> None:
        self.visit(node.left, bound, known)
        self.visit(node.right, bound, known | _facts(node.left)[0])

    def visit_not(self, node: nodes.Not, bound: set[str], known: Facts) -> None:
        self.visit_truth(node.node, bound, known)

    def visit_condexpr(self, node: nodes.CondExpr, bound: set[str], known: Facts) -> None:
        holds, fails = _facts(node.test)
        self.visit_truth(node.test, bound, known)
        self.visit(node.expr1, bound, known | holds)
        if node.expr2 is not None:
            self.visit(node.expr2, bound, known | fails)

    def visit_if(self, node: nodes.If, bound: set[str], known: Facts) -> None:
        for branch in (node, *node.elif_):
            holds, fails = _facts(branch.test)
            self.visit_truth(branch.test, bound, known)
            self.visit_all(branch.body, bound, known | holds)  # `if` opens no scope: what it sets stays set
            known |= fails
        self.visit_all(node.else_, bound, known)

    def visit_for(self, node: nodes.For, bound: set[str], known: Facts) -> None:
        self.visit(node.iter, bound, known)
        inner = bound | _targets(node.target)
        if node.test is not None:
            self.visit_truth(node.test, inner, known)
        self.visit_all(node.body, inner, known | (_facts(node.test)[0] if node.test is not None else _NONE))
        self.visit_all(node.else_, set(bound), known)

    def visit_assign(self, node: nodes.Assign, bound: set[str], known: Facts) -> None:
        self.visit(node.node, bound, known)
        bound |= _targets(node.target)

    def visit_assignblock(self, node: nodes.AssignBlock, bound: set[str], known: Facts) -> None:
        self.visit_all(node.body, set(bound), known)
        if node.filter is not None:
            self.visit_all(node.filter.iter_child_nodes(), bound, known)
        bound |= _targets(node.target)

    def visit_with(self, node: nodes.With, bound: set[str], known: Facts) -> None:
        self.visit_all(node.values, bound, known)
        inner = bound.union(*(_targets(target) for target in node.targets))
        self.visit_all(node.body, inner, known)

    def visit_macro(self, node: nodes.Macro | nodes.CallBlock, bound: set[str], known: Facts) -> None:
        if isinstance(node, nodes.Macro):
            bound.add(node.name)
        else:
            self.visit(node.call, bound, known)
        self.visit_all(node.defaults, bound, known)
        self.visit_all(node.body, bound | {argument.name for argument in node.args}, known)

    visit_callblock = visit_macro

    def visit_filterblock(self, node: nodes.FilterBlock, bound: set[str], known: Facts) -> None:
        self.visit_all(node.body, set(bound), known)
        self.visit_all(node.filter.iter_child_nodes(), bound, known)

    def visit_block(self, node: nodes.Block, bound: set[str], known: Facts) -> None:
        self.visit_all(node.body, set(bound), known)


def _targets(target: nodes.Node) -> set[str]:
    """Return the names that an assignment's or a loop's target binds."""
    names = {name.name for name in target.find_all(nodes.Name)}
    return names | {target.name} if isinstance(target, nodes.Name) else names
