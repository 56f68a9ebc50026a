"""What the installed Stripe SDK knows: which parameters a call takes, and which fields an object has.

The SDK's own types are the oracle, so the sandbox cannot drift from the version that the project has pinned.
"""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final, Literal, Union

from payments.sandbox.errors import ApiError, Invalid, missing
from payments.sandbox.store import Json

_UNIONS: Final = (Union, types.UnionType)
_TRUTH: Final = {"true": True, "false": False}
_PAGE: Final = {"object": str, "data": list, "has_more": bool, "url": str}
#: Codes of errors that are not in the SDK's list, which is one of payments.
_OTHER_CODES: Final = frozenset(
    {
        "insufficient_capabilities_for_transfer",
        "transfer_already_reversed",  # in no list of Stripe's: docs/money.md, "Not verified"
        "payment_method_types_no_longer_supported",  # the changelog of 2026-09-30.endive
        "sandbox_not_modelled",  # ours: Stripe can do it and the sandbox cannot
    }
)


@dataclass
class Shape:
    """What one parameter may hold. Several of these may be set: the first that fits reads the text."""

    words: frozenset[str] = frozenset()
    open_text: bool = False
    whole: bool = False
    decimal: bool = False
    truth: bool = False
    unset: bool = False
    any_map: bool = False
    members: dict[str, Shape] | None = None
    required: frozenset[str] = frozenset()
    items: Shape | None = None


# ---- parameters


@cache
def parameters(name: str) -> Shape:
    """Give the shape of a call's parameters by the name of the SDK's type, such as `checkout.SessionCreateParams`."""
    package, _, class_name = f"stripe.params.{name}".rpartition(".")
    return _members_of(getattr(importlib.import_module(package), class_name))


def read(name: str, raw: Json) -> Json:
    """Turn the decoded form of a call into typed values.

    Raises `Invalid` for an unknown or missing parameter and for a value of another type or word, as Stripe does.
    """
    return _read_members(parameters(name), raw, "")


def _members_of(cls: Any) -> Shape:
    hints = _hints(cls)
    # The old call style mixes transport options such as `api_key` into the parameters. The API knows none of them.
    options = _option_names() if _option_names() <= hints.keys() else frozenset()
    members = {key: _shape_of(hint) for key, hint in hints.items() if key not in options}
    required = frozenset(getattr(cls, "__required_keys__", frozenset())) & members.keys()
    optional = {key for key, hint in cls.__annotations__.items() if "NotRequired" in str(hint)}
    return Shape(members=members, required=required - optional)


@cache
def _option_names() -> frozenset[str]:
    options = importlib.import_module("stripe._request_options").RequestOptions
    return frozenset(options.__annotations__)


def _hints(cls: Any) -> dict[str, Any]:
    """Resolve a class's annotations. The SDK imports some names for type checkers only: find those where they live."""
    homes = [importlib.import_module(name) for name in ("typing", "stripe._stripe_object", "stripe")]
    names: dict[str, Any] = {}
    while True:
        try:
            return typing.get_type_hints(cls, localns=names)
        except NameError as unknown:
            name = str(unknown.name)
            found = (getattr(home, name) for home in homes if hasattr(home, name))
            names[name] = next(found, object)


def _shape_of(hint: Any) -> Shape:
    shape = Shape()
    for part in _parts(hint):
        origin, arguments = typing.get_origin(part), typing.get_args(part)
        if origin is Literal:
            shape.unset = shape.unset or "" in arguments
            shape.words |= frozenset(str(word) for word in arguments if word != "")
        elif origin is list:
            shape.items = _shape_of(arguments[0])
        elif part is str:
            shape.open_text = True
        elif part is bool:
            shape.truth = True
        elif part is int:
            shape.whole = True
        elif part is float:
            shape.decimal = True
        elif hasattr(part, "__required_keys__") and shape.members is None:
            inner = _nested(part)
            shape.members, shape.required = inner.members, inner.required
        elif origin is dict or "UntypedStripeObject" in str(part) or part is Any:
            shape.any_map = True
    return shape


@cache
def _nested(cls: Any) -> Shape:
    return _members_of(cls)


def _parts(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in _UNIONS:
        return [part for each in typing.get_args(hint) for part in _parts(each)]
    return [hint]


def _read_members(shape: Shape, raw: Json, prefix: str) -> Json:
    members = shape.members or {}
    values: Json = {}
    for key, value in raw.items():
        path = f"{prefix}[{key}]" if prefix else key
        if key not in members:
            raise Invalid(f"Received unknown parameter: {path}", param=path, code="parameter_unknown")
        values[key] = _read(members[key], value, path)
    for key in sorted(shape.required - values.keys()):
        path = f"{prefix}[{key}]" if prefix else key
        raise Invalid(f"Missing required param: {path}.", param=path, code="parameter_missing")
    return values


def _read(shape: Shape, raw: Any, path: str) -> Any:
    if isinstance(raw, dict):
        return _read_map(shape, raw, path)
    if raw == "" and not shape.unset and not shape.any_map:
        message = (
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{path}' cannot be unset. You should remove '{path}' from your request or supply a non-empty value."
        )
        raise Invalid(message, param=path, code="parameter_invalid_empty")
    if raw == "":
        return ""
    return _read_text(shape, raw, path)


def _read_map(shape: Shape, raw: Json, path: str) -> Any:
    if shape.items is not None and all(key.isdigit() for key in raw):
        ordered = sorted(raw.items(), key=lambda item: int(item[0]))
        return [_read(shape.items, value, f"{path}[{key}]") for key, value in ordered]
    if shape.members is not None:
        return _read_members(shape, raw, path)
    if shape.any_map:
        for key, value in raw.items():
            if isinstance(value, dict):
                raise Invalid(f"Invalid value for {path}[{key}]: must be a string", param=f"{path}[{key}]")
        return dict(raw)
    raise Invalid(f"Invalid object for {path}", param=path)


def _read_text(shape: Shape, raw: str, path: str) -> Any:
    if shape.truth and raw in _TRUTH:
        return _TRUTH[raw]
    if shape.whole and raw.lstrip("-").isdigit():
        return int(raw)
    if shape.decimal:
        try:
            return float(raw)
        except ValueError:
            raise Invalid(f"Invalid decimal: {raw}", param=path) from None
    if shape.words and raw in shape.words:
        return raw
    # The SDK adds `str` to every list of words so that newer words do not break it. Stripe itself is strict.
    if shape.words:
        known = ", ".join(sorted(shape.words))
        raise Invalid(f"Invalid {path}: must be one of {known}", param=path)
    if shape.open_text:
        return raw
    if shape.whole:
        raise Invalid(f"Invalid integer: {raw}", param=path, code="parameter_invalid_integer")
    if shape.truth:
        raise Invalid(f"Invalid boolean: {raw}", param=path)
    kind = "array" if shape.items is not None else "object"
    raise Invalid(f"Invalid {kind} for {path}", param=path)


# ---- objects


def differences(value: Json) -> list[str]:
    """Say where an answer differs from the SDK's type for it: unknown, missing or wrongly typed fields, all the way down.

    `value` is an object, a list of objects, or what is answered when it went wrong. Of words, only those that the SDK
    lists are right, although it adds `str` to each list so that newer words do not break it.
    """
    found: list[str] = []
    if "error" in value:
        _compare_error(value, found)
    elif value.get("object") == "list":
        _compare_page(value, None, "list", found)
    else:
        _compare_object(value, str(value.get("object", "?")), found)
    return found


def sdk_class(name: str) -> Any:
    """Give the SDK's class for the `object` word of an answer. Raises `ApiError` 404 when it has none."""
    mapping: Mapping[str, Any] = importlib.import_module("stripe._object_classes").OBJECT_CLASSES
    if name not in mapping:
        raise missing("object", name)
    package, class_name = mapping[name]
    return getattr(importlib.import_module(package), class_name)


@cache
def expandable(name: str, field: str) -> bool:
    """Say whether a field of this object holds the id of another object that can take its place."""
    parts = _parts(_fields(sdk_class(name)).get(field, None))
    classes = [part for part in parts if isinstance(part, type) and part.__module__.startswith("stripe.")]
    return str in parts and any(hasattr(cls, "OBJECT_NAME") for cls in classes)


def _compare_object(value: Json, path: str, found: list[str]) -> None:
    try:
        cls = sdk_class(str(value.get("object")))
    except ApiError:
        found.append(f"{path}: the SDK has no object called {value.get('object')!r}")
        return
    _compare_fields(value, cls, path, found)
    if value["object"] == "event" and "data" in value:
        _compare_event(value, path, found)


def _compare_event(value: Json, path: str, found: list[str]) -> None:
    # `charge.dispute.created` is about a dispute, `checkout.session.expired` about a checkout.session.
    stem = str(value.get("type")).rpartition(".")[0]
    about = value["data"].get("object", {}).get("object")
    if about not in (stem, stem.rpartition(".")[2]):
        found.append(f"{path}.data.object: a {about} in news of a {stem}")


def _compare_page(value: Json, item: Any, path: str, found: list[str]) -> None:
    """Compare a list object, and each of its objects; `item` is the class they have to be of, if the SDK says so."""
    found.extend(f"{path}.{name}: unknown" for name in value.keys() - _PAGE.keys())
    for name, kind in _PAGE.items():
        if name not in value:
            found.append(f"{path}.{name}: missing")
        elif type(value[name]) is not kind:
            found.append(f"{path}.{name}: {value[name]!r} is no {kind.__name__}")
    for number, each in enumerate(value.get("data", [])):
        place = f"{path}[{number}]"
        _compare_kind(each, [item] if item is not None else [], place, found)
        _compare_object(each, place, found)


def _compare_error(value: Json, found: list[str]) -> None:
    """Compare an error. Its words are those that the SDK lists for the last error of an intent."""
    error_object = importlib.import_module("stripe._error_object").ErrorObject
    last_error = importlib.import_module("stripe").PaymentIntent.LastPaymentError
    told = value["error"]
    found.extend(f"error.{name}: unknown" for name in told.keys() - _fields(error_object).keys())
    found.extend(f"error.{name}: missing" for name in ("type", "message") if name not in told)
    for name, part in told.items():
        hint = _fields(last_error).get(name) or _fields(error_object).get(name)
        if hint is not None and not (name == "code" and part in _OTHER_CODES):
            _compare(part, hint, f"error.{name}", found)


@cache
def _fields(cls: Any) -> dict[str, Any]:
    return {
        name: hint
        for name, hint in _hints(cls).items()
        if name in _annotated(cls)
        and typing.get_origin(hint) is not typing.ClassVar
        and not name.startswith("_")
    }


def _annotated(cls: Any) -> frozenset[str]:
    ours = [base for base in cls.__mro__ if base.__module__.startswith("stripe.")]
    generic = {"StripeObject", "APIResource", "ListableAPIResource", "CreateableAPIResource"}
    return frozenset(
        name for base in ours if base.__name__ not in generic for name in inspect.get_annotations(base)
    )


def _compare_fields(value: Json, cls: Any, path: str, found: list[str]) -> None:
    fields = _fields(cls)
    found.extend(f"{path}.{name}: unknown" for name in value if name not in fields)
    for name, hint in fields.items():
        if name in value:
            _compare(value[name], hint, f"{path}.{name}", found)
        # Of a deleted object only a stub is left.
        elif type(None) not in _parts(hint) and not value.get("deleted"):
            found.append(f"{path}.{name}: missing")


def _compare(value: Any, hint: Any, path: str, found: list[str]) -> None:
    parts = _parts(hint)
    if value is None:
        if type(None) not in parts and Any not in parts:
            found.append(f"{path}: null")
    elif isinstance(value, dict):
        _compare_dict(value, parts, path, found)
    elif isinstance(value, list):
        _compare_list(value, parts, path, found)
    elif isinstance(value, str) and (known := _words(parts)):
        if value not in known:
            found.append(f"{path}: {value!r} is no word that the SDK knows")
    elif not any(_is_a(value, part) for part in parts):
        found.append(f"{path}: {value!r} is no {hint}")


def _words(parts: list[Any]) -> frozenset[Any]:
    """What a field may say, where the SDK lists it; empty where any text will do."""
    return frozenset(
        word for part in parts if typing.get_origin(part) is Literal for word in typing.get_args(part)
    )


def _compare_dict(value: Json, parts: list[Any], path: str, found: list[str]) -> None:
    classes = [typing.get_origin(part) or part for part in parts]
    known = [cls for cls in classes if isinstance(cls, type) and cls.__module__.startswith("stripe.")]
    if value.get("object") == "list":
        pages = [
            part for part in parts if getattr(typing.get_origin(part) or part, "__name__", "") == "ListObject"
        ]
        items = typing.get_args(pages[0]) if pages else ()
        _compare_page(value, items[0] if items else None, path, found)
    elif isinstance(value.get("object"), str):
        _compare_kind(value, known, path, found)
        _compare_object(value, path, found)
    elif not known and Any not in parts and dict not in classes:
        found.append(f"{path}: an object where the SDK has none")
    elif known and known[0].__name__ != "UntypedStripeObject":
        _compare_fields(value, known[0], path, found)
    else:
        _compare_values(value, parts, path, found)


def _compare_values(value: Json, parts: list[Any], path: str, found: list[str]) -> None:
    """Compare what stands under keys of our own choice, as in `metadata`."""
    for part in parts:
        arguments = typing.get_args(part)
        if arguments and Any not in arguments:
            for key, each in value.items():
                _compare(each, arguments[-1], f"{path}[{key}]", found)


def _compare_kind(value: Json, allowed: list[Any], path: str, found: list[str]) -> None:
    """Compare what was expanded with what may stand there."""
    names = {str(cls.OBJECT_NAME) for cls in allowed if hasattr(cls, "OBJECT_NAME")}
    if names and value.get("object") not in names:
        found.append(f"{path}: a {value.get('object')} where the SDK has {' or '.join(sorted(names))}")


def _compare_list(value: list[Any], parts: list[Any], path: str, found: list[str]) -> None:
    inner = [typing.get_args(part)[0] for part in parts if typing.get_origin(part) is list]
    if not inner:
        found.append(f"{path}: a list where the SDK has none")
        return
    for number, item in enumerate(value):
        _compare(item, inner[0], f"{path}[{number}]", found)


def _is_a(value: Any, part: Any) -> bool:
    if part is Any:
        return True
    if typing.get_origin(part) is Literal:
        return value in typing.get_args(part)
    if part is Decimal:
        return isinstance(value, str)  # exact numbers travel as text
    if part is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(part, type) and type(value) is part
