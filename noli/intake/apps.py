"""`/v1/apps`: what `noli app` shows and orders, over HTTP; Kafka Connect's verbs where they fit.

An order is a record in `noli.apps`, by the name of the API key; 202 says that it is durable, not
that it was obeyed: `/status` shows that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from noli.intake.api import RETRY_AFTER_S, Handler
from noli.intake.asked import asked
from noli.intake.roster import UNREADABLE, Roster
from noli.runtime import standing
from noli.runtime.apikeys import Key, Keyring, Scope
from noli.runtime.apps import Desk
from noli.runtime.httpserver import Readiness, json_response
from noli.runtime.kafka import NotDurable
from noli.runtime.logging import get_logger
from noli.runtime.problem import Problem, unavailable
from noli.wire.apps import App, State, Verb

log = get_logger()

_ORDERS: Final = (
    ("PUT", "/v1/apps/{app}/pause", Verb.PAUSED),
    ("PUT", "/v1/apps/{app}/resume", Verb.RESUMED),
    ("POST", "/v1/apps/{app}/backfill", Verb.BACKFILL),
    ("POST", "/v1/apps/{app}/verify", Verb.VERIFY),
    ("POST", "/v1/apps/{app}/repair", Verb.REPAIR),
    ("DELETE", "/v1/apps/{app}", Verb.REMOVED),
)


class Office(NamedTuple):
    """Who knows, who writes orders down, who may ask, and whether the log can be reached."""

    roster: Roster
    desk: Desk
    keyring: Keyring
    ready: Readiness


def routes(office: Office) -> list[Route]:
    """The endpoints: 200, 202; 404 with the names there are, 409, 422, 503."""

    async def list_apps(request: Request) -> Response:
        _authorised(office, request, "admin", "evidence:read")
        apps = await _apps(office)
        by_name = [apps[name] for name in sorted(apps)]
        return json_response(200, {"apps": await _documents(office, by_name)})

    async def get_status(request: Request) -> Response:
        _authorised(office, request, "admin", "evidence:read")
        (found,) = await _documents(office, [await _app(office, request)])
        return json_response(200, found)

    return [
        Route("/v1/apps", list_apps, methods=["GET"]),
        Route("/v1/apps/{app}/status", get_status, methods=["GET"]),
        *(Route(path, _handler(office, verb), methods=[how]) for how, path, verb in _ORDERS),
    ]


def _handler(office: Office, verb: Verb) -> Handler:
    async def order(request: Request) -> Response:
        key = _authorised(office, request, "admin")
        said = await asked(request, verb)
        app = await _app(office, request)
        if app.state is State.REMOVED:
            detail = f"{app.name} was removed; `noli app add MANIFEST` brings it back"
            raise Problem(409, "removed", detail)
        sample = 1.0 if said.sample is None else said.sample
        try:
            action = await office.desk.act(
                app.name, verb, by=key.name, reason=said.reason, sample=sample
            )
        except NotDurable as error:
            doubt = "it may hold the order all the same; " if error.indeterminate else ""
            detail = f"the log did not confirm ({error}); {doubt}look at its status, ask again"
            raise unavailable(detail, RETRY_AFTER_S) from error
        log.info("app_ordered", app=app.name, verb=verb.value, key=key.name, action=action)
        return json_response(202, {"app": app.name, "id": action, "verb": verb.value})

    return order


def _authorised(office: Office, request: Request, *scopes: Scope) -> Key:
    headers = request.headers
    return office.keyring.authorise(headers.get("authorization"), headers.get("x-api-key"), *scopes)


async def _apps(office: Office) -> Mapping[str, App]:
    # A broker that is known to be away is not waited for.
    ready, detail = office.ready()
    if not ready:
        raise unavailable(str(detail.get("why", "the log cannot be reached")), RETRY_AFTER_S)
    try:
        return await office.roster.apps()
    except UNREADABLE as error:
        raise unavailable(str(error), RETRY_AFTER_S) from error


async def _app(office: Office, request: Request) -> App:
    apps, name = await _apps(office), request.path_params["app"]
    if name not in apps:
        there = ", ".join(sorted(apps)) or "none yet"
        raise Problem(404, "not-found", f"no application {name!r}; there are: {there}")
    return apps[name]


async def _documents(office: Office, apps: Sequence[App]) -> list[dict[str, object]]:
    try:
        return [standing.document(one) for one in await office.roster.standings(apps)]
    except UNREADABLE as error:
        raise unavailable(str(error), RETRY_AFTER_S) from error
