"""What the gateway asks of the provider, read from its code, and what the SDK says about each of these calls."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stripe

GATEWAY = Path(__file__).resolve().parents[3] / "payments/gateway"
_VERB_AND_ADDRESS = re.compile(r'_request\(\s*"(\w+)",\s*"(/v1/[^"]+)"')


@dataclass(frozen=True)
class Endpoint:
    """One call of the SDK: `checkout.sessions.create`, its verb and address, and the types of its two sides."""

    name: str
    verb: str
    address: str  # as the SDK writes it: /v1/transfers/{id}/reversals
    parameters: str  # as the sandbox names them: checkout.SessionCreateParams
    answer: str

    def fits(self, verb: str, address: str) -> bool:
        """Whether a request is this call."""
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(self.address))
        return verb == self.verb and re.fullmatch(pattern, address) is not None


def calls() -> dict[str, list[str]]:
    """Each call in the gateway's code and where: every chain `v1.….method(…)`."""
    found: dict[str, list[str]] = {}
    for path in sorted(GATEWAY.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = _chain(node.func) if isinstance(node, ast.Call) else None
            if isinstance(node, ast.Call) and name:
                found.setdefault(name, []).append(f"{path.name}:{node.lineno}")
    return found


def lambdas_without_a_call() -> list[str]:
    """Functions that are given the services and call none: a call we would not see."""
    return [
        f"{path.name}:{node.lineno}"
        for path in sorted(GATEWAY.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Lambda)
        and [each.arg for each in node.args.args][:1] == ["v1"]
        and not any(isinstance(each, ast.Call) and _chain(each.func) for each in ast.walk(node.body))
    ]


def _chain(node: ast.expr) -> str | None:
    steps: list[str] = []
    while isinstance(node, ast.Attribute):
        steps.insert(0, node.attr)
        node = node.value
    return ".".join(steps) if isinstance(node, ast.Name) and node.id == "v1" and steps else None


def endpoint(name: str) -> Endpoint:
    """What the installed SDK says about a call. Raises `AttributeError` when it has none of that name."""
    found: Any = stripe.StripeClient("sk_test_of_nobody").v1
    for step in name.split("."):
        found = getattr(found, step)
    told = _VERB_AND_ADDRESS.search(inspect.getsource(found))
    assert told is not None, name
    hints = found.__annotations__
    given = re.search(r"(\w+Params)\b", str(hints["params"]))
    assert given is not None, name
    home = importlib.import_module(found.__func__.__module__)
    folder = home.__name__.removeprefix("stripe.").rpartition(".")[0]
    parameters = f"{folder}.{given[1]}" if folder else given[1]
    return Endpoint(name, told[1].upper(), told[2], parameters, str(hints["return"]).strip("'\""))
