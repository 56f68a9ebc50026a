"""What every call of the API shares: repeats, errors, tokens, health, the request's id."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from rally import clock, logs, tasks
from rally.errors import BadInput, NotAllowed, Refusal
from rally.models import GivenAnswer, StateChange, User
from rally.rest import repeatable
from rally.urls import urlpatterns as real_urls
from tests.racing import together


class Counter(APIView):
    """Work that leaves one row each time it is really done."""

    permission_classes = [IsAuthenticated]
    throttle_classes = []

    @repeatable
    def post(self, request: Request) -> Response:
        kind = request.data.get("raise")
        if kind:
            raise {"refusal": Refusal(), "input": BadInput("No.", field="a"), "allowed": NotAllowed()}[kind]
        StateChange.objects.create(noun="work", subject=request.user.pk, old="", new="done", at=clock.now())
        return Response({"run": done()}, status=201)


def done() -> int:
    """How often the work was done for good."""
    return StateChange.objects.filter(noun="work").count()


urlpatterns = [*real_urls, path("test/count", Counter.as_view())]
pytestmark = [pytest.mark.urls(__name__)]


@pytest.fixture
def api(ana: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(ana)
    return client


def post(api: APIClient, key: str | None, body: dict[str, Any] | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/test/count", body or {"n": 1}, format="json", headers=headers)


def test_the_same_key_gets_the_same_answer(api: APIClient) -> None:
    first, second, other = post(api, "k1"), post(api, "k1"), post(api, "k2")
    assert [answer.status_code for answer in (first, second, other)] == [201, 201, 201]
    assert [answer.json() for answer in (first, second, other)] == [{"run": 1}, {"run": 1}, {"run": 2}]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers


@pytest.mark.django_db
def test_whoever_asks_for_something_else_gets_json(client: Client) -> None:
    answer = client.get("/api/v1/trips", headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    schema = client.get("/api/v1/schema/", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert schema.json()["openapi"].startswith("3.1")


def test_without_a_key_each_call_counts(api: APIClient) -> None:
    assert [post(api, None).json()["run"] for _ in range(2)] == [1, 2]


def test_another_body_under_the_same_key_is_refused(api: APIClient) -> None:
    post(api, "k1")
    answer = post(api, "k1", {"n": 2})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


def test_keys_belong_to_their_user(api: APIClient, ben: User) -> None:
    post(api, "k1")
    api.force_authenticate(ben)
    assert post(api, "k1").json() == {"run": 2}


def test_a_key_that_is_too_long(api: APIClient) -> None:
    answer = post(api, "k" * 256)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["Idempotency-Key"])


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("refusal", 409, "refused"), ("input", 400, "bad_input"), ("allowed", 403, "not_allowed")],
)
def test_a_no_is_not_kept(api: APIClient, kind: str, status: int, code: str) -> None:
    answer = post(api, "k1", {"raise": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not GivenAnswer.objects.exists()


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_requests_with_one_key_at_once(api: APIClient) -> None:
    answers = together(*[lambda: post(api, "k1").json()] * 6)
    assert (answers, done()) == ([{"run": 1}] * 6, 1)


def test_old_answers_are_forgotten(api: APIClient) -> None:
    post(api, "k1")
    GivenAnswer.objects.update(created_at=GivenAnswer.objects.get().created_at - timedelta(days=3))
    tasks.forget_old_answers()
    assert not GivenAnswer.objects.exists()


def test_a_token_for_the_right_password(ana: User, client: Client) -> None:
    def ask(password: str) -> Any:
        body = {"email": "ANA@test.example", "password": password}
        return client.post("/api/v1/auth/token", body, content_type="application/json")

    right, again, wrong = ask("ride-together"), ask("ride-together"), ask("wrong")
    assert (right.status_code, right.json()) == (200, again.json())
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid")
    assert list(wrong.json()["fields"]) == ["password"]
    broken = client.post("/api/v1/auth/token", "{", content_type="application/json")
    assert (broken.status_code, broken.json()["code"]) == (400, "parse_error")


def test_passwords_cannot_be_guessed_in_bulk(ana: User, client: Client) -> None:
    body = {"email": "ana@test.example", "password": "wrong"}
    answers = [client.post("/api/v1/auth/token", body, content_type="application/json") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [400] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_healthz_needs_nothing(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_readyz_names_what_is_missing(client: Client, settings: Any) -> None:
    before = client.get("/readyz")
    assert before.status_code == 503
    assert before.json()["worker"] == "missing"
    assert before.json()["database"] == "ok"
    tasks.heartbeat()
    after = client.get("/readyz").json()
    assert after["worker"] == "ok"
    cache.clear()


@pytest.mark.django_db
def test_readyz_without_a_broker(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks.heartbeat()
    monkeypatch.setenv("CELERY_BROKER_READ_URL", "redis://127.0.0.1:1/0")  # nobody listens there

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "ok", "broker": "missing", "worker": "ok"}


@pytest.mark.django_db
def test_readyz_without_a_database(client: Client) -> None:
    def gone(*_statement: Any) -> None:
        raise OperationalError("the server closed the connection unexpectedly")

    with connection.execute_wrapper(gone):
        ready, alive = client.get("/readyz"), client.get("/healthz")

    assert (ready.status_code, ready.json()["database"]) == (503, "missing")
    assert alive.status_code == 200  # or a broken database would restart every process again and again


@pytest.mark.django_db
def test_readyz_without_a_cache(client: Client, settings: Any) -> None:
    tasks.heartbeat()
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["worker"]) == (503, "missing")


def test_each_answer_carries_the_request_id(client: Client) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "abcdef123456"})["X-Request-Id"] == "abcdef123456"
    made = client.get("/healthz", headers={"X-Request-Id": "bad id\n"})["X-Request-Id"]
    assert made != "bad id\n"
    assert len(made) == 32


def test_logs_are_lines_of_json_without_personal_data(now: datetime) -> None:
    record = logging.LogRecord(
        "x",
        logging.INFO,
        "f",
        1,
        "card 4242 4242 4242 4242 of ana@test.example key sk_test_abc ?k=se:cret&b=1",
        None,
        None,
    )
    record.request_id = "r1"
    line = json.loads(logs.JsonLines().format(record))
    assert line["message"] == "card [private] of [private] key [private] ?k=[private]&b=1"
    assert (line["request"], line["level"]) == ("r1", "INFO")
