"""Staff screens: behind the door, and through the one way to change a rule."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from rally import outbox, rules
from rally.models import Notice, StaffAction, User
from rally.models.notices import NoticeState


@pytest.fixture
def desk(client: Client, sam: User) -> Client:
    client.force_login(sam)
    return client


def test_strangers_do_not_get_in(client: Client, ana: User) -> None:
    client.force_login(ana)
    assert client.get("/admin/rally/notice/").status_code in {302, 403}


@pytest.mark.parametrize("table", ["user", "notice", "statechange", "rulevalue"])
def test_the_lists_open(desk: Client, table: str) -> None:
    assert desk.get(f"/admin/rally/{table}/").status_code == 200


def test_notices_are_sent_again_but_not_edited(desk: Client, ana: User, now: datetime) -> None:
    notice = outbox.put(to=ana, kind="test.hello", subject="1", facts={}, now=now)
    Notice.objects.update(state=NoticeState.FAILED)
    answer = desk.post(
        "/admin/rally/notice/", {"action": "send_again", "_selected_action": [notice.id]}, follow=True
    )
    assert "1 notices go out again" in answer.content.decode()
    notice.refresh_from_db()
    assert notice.state == NoticeState.WAITING
    assert desk.get("/admin/rally/notice/add/").status_code == 403
    assert desk.post(f"/admin/rally/notice/{notice.id}/delete/", {"post": "yes"}).status_code == 403


def test_a_rule_is_changed(desk: Client, sam: User) -> None:
    desk.post("/admin/rally/rulevalue/add/", {"name": "max_stops", "value": "6"})
    assert rules.current().max_stops == 6
    assert (
        "whole number"
        in desk.post("/admin/rally/rulevalue/add/", {"name": "max_stops", "value": "x"}).content.decode()
    )


def test_a_rule_that_is_deleted_is_written_down(desk: Client, sam: User, now: datetime) -> None:
    for name in ("by_hand_most", "goodwill", "max_stops"):
        rules.change(name, 1, now=now, by=None)
    desk.post("/admin/rally/rulevalue/by_hand_most/delete/", {"post": "yes"})
    desk.post(
        "/admin/rally/rulevalue/",
        {"action": "delete_selected", "_selected_action": ["goodwill", "max_stops"], "post": "yes"},
    )
    assert rules.current() == rules.DEFAULTS
    told = StaffAction.objects.filter(by=sam, what="rule.reset").values_list("subject", flat=True)
    assert set(told) == {"rule:by_hand_most", "rule:goodwill", "rule:max_stops"}
