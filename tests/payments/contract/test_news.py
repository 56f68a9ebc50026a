"""What the provider tells afterwards: the feed of events, and its own books."""

from __future__ import annotations

from datetime import datetime, timedelta

from payments import gateway
from rally import clock
from tests.payments.contract.till import Till


def moment_ago() -> datetime:
    """A little before now: the provider's clock is not ours."""
    return clock.now() - timedelta(seconds=30)


def test_the_feed_tells_of_every_step(till: Till) -> None:
    since = moment_ago()
    held = till.held()
    gateway.capture_intent(held.id, amount=3000, key=till.key())
    given = gateway.create_refund(intent_id=held.id, amount=500, tags={"op": "x"}, key=till.key())
    wanted = {
        ("payment_intent.amount_capturable_updated", held.id),
        ("payment_intent.succeeded", held.id),
        ("refund.created", given.id),
    }

    def told() -> bool:
        return wanted <= {(each.type, each.object_id) for each in gateway.events_since(since)}

    assert till.until(told)
    about = [each for each in gateway.events_since(since) if each.object_id == held.id]
    assert all(not each.livemode and each.api_version for each in about)


def test_a_release_is_told_as_one_and_not_as_a_refund(till: Till) -> None:
    since = moment_ago()
    held = till.held()
    gateway.cancel_intent(held.id, key=till.key())

    def told() -> set[str]:
        return {each.type for each in gateway.events_since(since) if each.object_id in (held.id, held.charge)}

    assert till.until(lambda: "payment_intent.canceled" in told())
    assert "charge.refunded" not in told()


def test_news_carries_our_tags(till: Till) -> None:
    since = moment_ago()
    held = till.ask_bank(*till.saved(), tags={"op": "7", "install": "contract"})

    def found() -> list[dict[str, str]]:
        return [
            each.payload["metadata"]
            for each in gateway.events_since(since)
            if each.object_id == held.id and each.type == "payment_intent.amount_capturable_updated"
        ]

    assert till.until(found)[0] == {"op": "7", "install": "contract"}


def test_everything_made_since_a_moment_is_listed(till: Till) -> None:
    since = moment_ago()
    taken = till.paid()
    given = gateway.create_refund(intent_id=taken.id, amount=500, tags={"op": "9"}, key=till.key())
    listed = {each.id: each for each in gateway.intents_since(since)}
    assert listed[taken.id] == gateway.intent(taken.id)
    assert {each.id: each.tags.op for each in gateway.refunds_since(since)}[given.id] == "9"
    later = clock.now() + timedelta(hours=1)
    assert not list(gateway.intents_since(later))


def test_every_movement_is_a_line_of_the_books(till: Till, operator: str) -> None:
    since = moment_ago()
    taken = till.paid()
    given = gateway.create_refund(intent_id=taken.id, amount=500, tags={}, key=till.key())
    sent = gateway.create_transfer(
        {
            "amount": 1000,
            "currency": "USD",
            "account": operator,
            "charge": taken.charge,
            "group": "trip:contract",
        },
        tags={},
        key=till.key(),
    )
    assert sent.id in {each.id for each in gateway.transfers_since(since)}
    assert taken.booking is not None
    assert given.booking is not None
    assert sent.booking is not None
    lines = {each.id: each for each in gateway.bookings_since(since)}
    seen = [lines[each.id] for each in (taken.booking, given.booking, sent.booking)]
    assert [(each.kind, each.amount) for each in seen] == [
        ("charge", 4200),
        ("refund", -500),
        ("transfer", -1000),
    ]
    assert seen[0].net == 4200 - taken.booking.fee
    assert seen[0].source == taken.charge


def test_a_hold_is_in_no_book(till: Till) -> None:
    since = moment_ago()
    held = till.held()
    assert held.charge not in {each.source for each in gateway.bookings_since(since)}


def test_the_books_add_up(clock_moves: Till) -> None:
    taken = clock_moves.paid()
    held = clock_moves.held(3100)
    gateway.create_refund(intent_id=taken.id, amount=500, tags={}, key=clock_moves.key())
    books = gateway.books()
    assert books.balance == sum(books.bookings.values())
    assert books.capturable == held.capturable == 3100
