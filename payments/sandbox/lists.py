"""Lists and expansions: pages of objects, newest first, and ids turned into the objects they name."""

from __future__ import annotations

import json
from typing import Any, Final

from payments.sandbox import schema
from payments.sandbox.call import Call, public
from payments.sandbox.errors import Invalid, missing
from payments.sandbox.store import INDEXED, Json

_COMPARISONS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_ALL_DELIVERED: Final = (
    "NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = object.id AND state <> 'delivered')"
)
_MONTH: Final = 30 * 24 * 3600


def listed(
    call: Call, kind: str, params: Json, *, filters: tuple[str, ...] = (), url: str | None = None
) -> Json:
    """Give a page of this account's objects of a kind.

    `filters` names the parameters that must equal the field of the same name. `limit` is 1 to 100, 10 unless told.
    """
    conditions: list[str] = []
    values: list[Any] = []
    for name in filters:
        if name in params:
            column = name if name in INDEXED else f"json_extract(body, '$.{name}')"
            conditions.append(f"{column} = ?")
            values.append(params[name])
    if "created" in params:
        _between(params["created"], conditions, values)
    return page(call, kind, params, conditions, values, url=url)


def page(
    call: Call, kind: str, params: Json, conditions: list[str], values: list[Any], *, url: str | None = None
) -> Json:
    """Give a page under our own SQL conditions. Raises `Invalid` for a bad limit or cursor."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise Invalid(
            "This value must be between 1 and 100 (it currently is " + f"'{limit}').", param="limit"
        )
    backwards = "ending_before" in params
    cursor = params.get("ending_before") or params.get("starting_after")
    if cursor is not None:
        conditions = [*conditions, f"(created, seq) {'>' if backwards else '<'} (?, ?)"]
        values = [*values, *_position(call, kind, cursor, "ending_before" if backwards else "starting_after")]
    if kind in ("account", "customer"):
        conditions = [*conditions, "json_extract(body, '$.deleted') IS NULL"]
    order = "ASC" if backwards else "DESC"
    found = call.rows.sql(
        "SELECT body FROM object WHERE kind = ? AND account = ?"  # noqa: S608  our own words only
        + "".join(f" AND {condition}" for condition in conditions)
        + f" ORDER BY created {order}, seq {order} LIMIT ?",
        (kind, call.account, *values, limit + 1),
    ).fetchall()
    data = [shown(call, json.loads(row[0])) for row in found[:limit]]
    if backwards:
        data.reverse()
    return {"object": "list", "data": data, "has_more": len(found) > limit, "url": url or f"/v1/{kind}s"}


def _position(call: Call, kind: str, cursor: str, param: str) -> tuple[int, int]:
    row = call.rows.sql(
        "SELECT created, seq FROM object WHERE id = ? AND kind = ?", (cursor, kind)
    ).fetchone()
    if row is None:
        raise missing(kind, cursor, param=param)
    return int(row[0]), int(row[1])


def _between(created: Any, conditions: list[str], values: list[Any]) -> None:
    bounds = created if isinstance(created, dict) else {"gte": created, "lte": created}
    for word, moment in bounds.items():
        conditions.append(f"created {_COMPARISONS[word]} ?")
        values.append(moment)


def events(call: Call, params: Json) -> Json:
    """Give a page of events of the last 30 days, by type, types, time and success of delivery."""
    conditions, values = ["created >= ?"], [call.now - _MONTH]
    kinds = params.get("types") or ([params["type"]] if "type" in params else [])
    if kinds:
        # GLOB, because Stripe also takes a group such as `charge.*` here.
        conditions.append("(" + " OR ".join(["json_extract(body, '$.type') GLOB ?"] * len(kinds)) + ")")
        values.extend(kinds)
    if "created" in params:
        _between(params["created"], conditions, values)
    if "delivery_success" in params:
        conditions.append(_ALL_DELIVERED if params["delivery_success"] else f"NOT {_ALL_DELIVERED}")
    return page(call, "event", params, conditions, values, url="/v1/events")


# ---- showing


def shown(call: Call, body: Json) -> Json:
    """Give an object as it is answered: without our own fields, and with those that follow the clock."""
    answer = public(body)
    if body["object"] == "balance_transaction":
        answer["status"] = "available" if body["available_on"] <= call.now else "pending"
    elif body["object"] == "event":
        waiting = call.rows.sql(
            "SELECT count(*) FROM delivery WHERE event = ? AND state = 'pending'", (body["id"],)
        ).fetchone()
        answer["pending_webhooks"] = waiting[0]
    return answer


def expanded(call: Call, answer: Json, paths: list[str]) -> Json:
    """Replace the ids at these dotted paths by their objects. Raises `Invalid` for a path that leads nowhere."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > 4:
            raise Invalid(
                f"You cannot expand more than 4 levels of a property. Property: {path}", param="expand"
            )
        _expand(call, answer, steps, path)
    return answer


def _expand(call: Call, holder: Json, steps: list[str], path: str) -> None:
    name, rest = steps[0], steps[1:]
    kind = holder.get("object")
    if name not in holder:
        _include(call, holder, name, path)
    elif isinstance(kind, str) and kind != "list" and not _may_expand(kind, name, holder[name]):
        raise _dead_end(path)
    value = holder[name]
    if isinstance(value, str):
        found = call.rows.get(value)
        if found is None:
            raise _dead_end(path)
        value = holder[name] = shown(call, found)
    if not rest or value is None:
        return
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            raise _dead_end(path)
        _expand(call, item, rest, path)


def _may_expand(kind: str, name: str, value: Any) -> bool:
    # What another path has expanded already may be named again.
    return schema.expandable(kind, name) or isinstance(value, dict | list)


def _dead_end(path: str) -> Invalid:
    return Invalid(f"This property cannot be expanded ({path}).", param="expand")


def _include(call: Call, holder: Json, name: str, path: str) -> None:
    """Add a list that an object has only when it is asked for."""
    if holder.get("object") == "charge" and name == "refunds":
        held = [shown(call, refund) for refund in reversed(call.rows.where("refund", charge=holder["id"]))]
        url = f"/v1/charges/{holder['id']}/refunds"
        holder[name] = {"object": "list", "data": held, "has_more": False, "url": url}
    elif holder.get("object") == "checkout.session" and name == "line_items":
        session = call.rows.get(holder["id"]) or {}
        url = f"/v1/checkout/sessions/{holder['id']}/line_items"
        holder[name] = {
            "object": "list",
            "data": session.get("_line_items", []),
            "has_more": False,
            "url": url,
        }
    elif isinstance(holder.get("object"), str) and schema.expandable(holder["object"], name):
        holder[name] = None  # nothing there yet
    else:
        raise _dead_end(path)
