"""What of the Kafka client must not be used, and what not within one of its callbacks."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import Final

from tests.support.source import Function, calls, functions, trees

ROOMS: Final = ("noli", "streams", "connectors", "tests")
#: Call → why not.
NEVER: Final = {
    "list_consumer_group_offsets": "ends the process when the coordinator has moved (ADR 14)",
}
#: Callbacks of a client, as arguments and as settings.
CALLBACKS: Final = frozenset(
    {"on_assign", "on_revoke", "on_lost", "on_commit", "on_delivery", "error_cb", "stats_cb"}
)
#: Those of them within which a client may be asked.
ASKING: Final = frozenset({"on_assign", "on_revoke", "on_lost", "on_commit"})
#: Calls that forget on whose behalf the client works: made within a callback, the client's next
#: callback aborts the process (ADR 20). By confluent-kafka's source, those with a CallState.
NOT_WITHIN: Final = frozenset(
    {"poll", "consume", "close", "list_topics", "list_groups", "flush", "set_sasl_credentials"}
)


def test_calls_that_crash_are_not_made() -> None:
    """Found by the rig's F6, seeds 1, 7 and 30242: a broker that pauses ends who asks it so."""
    made = [
        f"{path}:{call.lineno}: {name} {NEVER[name]}"
        for path, tree in trees(*ROOMS).items()
        for name, call in calls(tree)
        if name in NEVER
    ]
    assert made == []


def test_an_answer_about_offsets_is_looked_at() -> None:
    """Found by the rig's F5, seed 6001: "no offset" comes without an error (ADR 14)."""
    unread = []
    for path, tree in trees(*ROOMS[:3]).items():
        names = [name for name, _ in calls(tree)]
        if names.count("list_offsets") > names.count("answered"):
            unread.append(str(path))
    assert unread == []


def test_no_callback_asks_what_aborts_the_next_one() -> None:
    """Found by a broker that moved: nobody asks who leads now within a rebalance callback."""
    sources = trees(*ROOMS[:3])
    found = {path: set(_registered(tree)) for path, tree in sources.items()}
    assert {"connectors/inlet.py", "noli/runtime/lanes.py", "noli/runtime/kafka.py"} <= {
        path for path, names in found.items() if names
    }
    wrong = [f"{path}: {way}" for path in sources for way in _wrong(path, found[path], sources)]
    assert wrong == []


def test_what_a_client_raises_within_a_callback_can_be_caught() -> None:
    """Found by the rig's F6, seed 1003: as a bare `KafkaError` it ended a thread in silence."""
    open_ = {
        f"{path}: {function.name}"
        for path, tree in trees(*ROOMS[:3]).items()
        for function in functions(tree)
        if function.name in set(_registered(tree, ASKING))
        and "catchable"
        not in {ast.unparse(each).partition("(")[0] for each in function.decorator_list}
    }
    assert open_ == set()
    assert {*_registered(trees("connectors")["connectors/inlet.py"], ASKING)} == {
        "_on_assign",
        "_on_lost",
    }


def test_a_call_within_a_callback_is_found_wherever_it_hides() -> None:
    """By way of a method, of a function of another module, of a lambda."""
    sources = {
        "noli/a.py": ast.parse(
            "from noli.b import ask\n"
            "class A:\n"
            "    def __init__(self): c.subscribe([t], on_assign=self._on_assign)\n"
            "    def _on_assign(self, c, ps): self._look(c)\n"
            "    def _look(self, c): ask(c)\n"
            "    def read(self): return self._c.poll(1)\n"
        ),
        "noli/b.py": ast.parse("def ask(c): return c.list_topics(timeout=1)\n"),
        "noli/c.py": ast.parse("config = {'stats_cb': lambda text: consumer.poll(0)}\n"),
    }
    assert set(_registered(sources["noli/a.py"])) == {"_on_assign"}
    assert list(_wrong("noli/a.py", {"_on_assign"}, sources)) == [
        "_on_assign → _look → ask → list_topics"
    ]
    assert set(_registered(sources["noli/c.py"])) == {"poll"}
    assert list(_wrong("noli/c.py", {"poll"}, sources)) == ["poll"]


def _registered(tree: ast.Module, which: Collection[str] = CALLBACKS) -> Iterator[str]:
    """Names of what is given to a client as such a callback; of a lambda what it calls."""
    for node in ast.walk(tree):
        given: list[tuple[str | None, ast.expr]] = []
        if isinstance(node, ast.Call):
            given = [(one.arg, one.value) for one in node.keywords]
        elif isinstance(node, ast.Dict):
            given = [
                (key.value, value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
        for name, value in given:
            if name not in which:
                continue
            if isinstance(value, ast.Lambda):
                yield from (called for called, _ in calls(value))
            else:
                yield getattr(value, "attr", getattr(value, "id", ""))


def _wrong(path: str, names: set[str], sources: dict[str, ast.Module]) -> Iterator[str]:
    """Ways from these names to a call that must not be made, through the module and its imports."""
    seen: set[tuple[str, str]] = set()
    ahead = [(path, name, name) for name in sorted(names)]
    while ahead:
        where, name, way = ahead.pop()
        if name in NOT_WITHIN:
            yield way
        if (where, name) in seen:
            continue
        seen.add((where, name))
        home, bodies = _bodies(where, name, sources)
        for body in bodies:
            ahead += [
                (home, called, f"{way} → {called}")
                for called, call in calls(body)
                if not ast.unparse(call.func).startswith("sys.")  # a stream is no client
            ]


def _bodies(path: str, name: str, sources: dict[str, ast.Module]) -> tuple[str, list[Function]]:
    """Where functions of that name are that the module means, and they; none of other people's."""
    own = [f for f in functions(sources[path]) if f.name == name]
    if own:
        return path, own
    for node in ast.walk(sources[path]):
        if isinstance(node, ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
            home = f"{(node.module or '').replace('.', '/')}.py"
            if home in sources:
                return home, [f for f in functions(sources[home]) if f.name == name]
    return path, []
