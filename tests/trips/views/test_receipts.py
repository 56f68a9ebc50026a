"""Receipts and invoices: only one's own, only for what was paid, with the right sums."""

from __future__ import annotations

import re
from datetime import date, datetime
from io import BytesIO
from itertools import zip_longest
from typing import Any

import pytest
from django.db.models import Q
from django.test import Client
from pypdf import PdfReader

from payments.actions import payments
from payments.models import Invoice, Operation, TaxRate
from rally.models import User
from rally.money import Money
from tests.factories import pledges as make
from tests.factories.trips import proposed
from tests.seeing import signed_in
from trips.actions import pledges
from trips.actions.pledges import Passenger
from trips.models import Place, Pledge, Seat, Trip
from trips.queries.receipts import receipt_of, why_in_words
from trips.states import TripState, VehicleClass

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def seats(at: Any, ana: User, now: datetime) -> Pledge:
    """Two seats of a trip that is certain, paid."""
    van = proposed(vehicle_class=VehicleClass.VAN, now=now)
    Trip.objects.filter(id=van.id).update(
        state=TripState.CONFIRMED, decided_at=now, seats_supplied=14, operator_name="Lakeshore Lines"
    )
    return make.backed(Trip.objects.get(id=van.id), ana, seats=2, now=now)


def text(answer: Any) -> str:
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(answer.content)).pages)


def taxed(pledge: Pledge) -> None:
    """The town of the first stop lies in a state with a tax."""
    first = pledge.trip.stops.get(position=1)
    Place.objects.create(
        id=1, name="Here", state="WI", slug="here", latitude=first.latitude, longitude=first.longitude,
        population=1, time_zone="America/Chicago",
    )  # fmt: skip
    TaxRate.objects.create(
        jurisdiction="US-WI", name="Sales tax", basis_points=550, applies_from=date(2026, 1, 1)
    )


COMPANY = {"billed_to": "Acme Inc.", "address": "1 Road\nTown", "tax_number": "XX-1"}


def test_the_receipt_with_its_parts(seats: Pledge, ana: User, now: datetime) -> None:
    taxed(seats)
    assert seats.payment is not None
    price = seats.amount
    page = signed_in(ana).get(f"/p/{seats.code}/receipt/").content.decode()
    assert str(price) in page
    assert "from Milwaukee Intermodal Station, there and back" in page
    assert "Sales tax (5.5 %)" in page
    assert "What came back" not in page
    payments.refund(
        payment_id=seats.payment.id, amount=Money(1000, "USD"), reason="leg:return", now=now, by=None
    )
    page = signed_in(ana).get(f"/p/{seats.code}/receipt/").content.decode()
    assert "One way was not driven" in page
    assert str(price - Money(1000, "USD")) in page


def test_the_receipt_on_paper(seats: Pledge, ana: User, now: datetime) -> None:
    taxed(seats)
    assert seats.payment is not None
    payments.refund(payment_id=seats.payment.id, amount=Money(1000, "USD"), reason="left", now=now, by=None)
    ride = receipt_of(Pledge.objects.get(id=seats.id))
    assert ride is not None
    paper = text(signed_in(ana).get(f"/p/{seats.code}/receipt.pdf"))
    for words in (f"R-{seats.code}", "Seats: 2", "Given back", "-$10.00", "Sales tax", f"Contains ${ride.tax_part.minor / 100:.2f}"):  # fmt: skip
        assert words in paper


def test_an_invoice_for_a_company(seats: Pledge, ana: User) -> None:
    client = signed_in(ana)
    answer = client.post(f"/p/{seats.code}/receipt/", COMPANY)
    assert (answer.status_code, answer["Location"]) == (303, f"/p/{seats.code}/receipt/")
    assert "INV-2026-00001" in client.get(f"/p/{seats.code}/receipt/").content.decode()
    paper = text(client.get(f"/p/{seats.code}/invoices/INV-2026-00001.pdf"))
    for words in ("Invoice INV-2026-00001", "Acme Inc.", "Town", "XX-1", "Total, tax included"):
        assert words in paper
    client.post(f"/p/{seats.code}/receipt/", COMPANY | {"billed_to": "Other Inc."})
    note = text(client.get(f"/p/{seats.code}/invoices/CN-2026-00001.pdf"))
    assert "Credit note" in note
    assert "Cancels" in note
    assert f"-${seats.amount.minor / 100:.2f}" in note


def test_a_company_without_a_name_is_asked_again(seats: Pledge, ana: User) -> None:
    for wrong in ({"billed_to": ""}, {"billed_to": "\x00"}, {"address": "x" * 501}):
        answer = signed_in(ana).post(f"/p/{seats.code}/receipt/", COMPANY | wrong)
        assert answer.status_code == 422
    assert not Invoice.objects.exists()


def test_when_all_came_back_there_is_nothing_to_bill(seats: Pledge, ana: User, now: datetime) -> None:
    assert seats.payment is not None
    payments.refund(payment_id=seats.payment.id, amount=seats.amount, reason="left", now=now, by=None)
    assert "nothing to bill" in signed_in(ana).get(f"/p/{seats.code}/receipt/").content.decode()
    answer = signed_in(ana).post(f"/p/{seats.code}/receipt/", COMPANY)
    assert (answer.status_code, Invoice.objects.count()) == (422, 0)


def test_strangers_and_what_was_never_paid_are_not_there(
    seats: Pledge, max_: User, ana: User, now: datetime
) -> None:
    signed_in(ana).post(f"/p/{seats.code}/receipt/", COMPANY)
    paths = ["receipt/", "receipt.pdf", "invoices/INV-2026-00001.pdf"]
    assert [signed_in(max_).get(f"/p/{seats.code}/{path}").status_code for path in paths] == [404, 404, 404]
    assert [Client().get(f"/p/{seats.code}/{path}").status_code for path in paths] == [302, 302, 302]
    assert signed_in(ana).get(f"/p/{seats.code}/invoices/INV-2026-00009.pdf").status_code == 404
    van = proposed(vehicle_class=VehicleClass.VAN, now=now)
    for unpaid in (make.draft(van, ana, now=now), make.backed(van, max_, now=now)):
        assert signed_in(unpaid.rider).get(f"/p/{unpaid.code}/receipt/").status_code == 404


def test_the_pledge_page_leads_to_the_receipt(seats: Pledge, ana: User) -> None:
    assert f"/p/{seats.code}/receipt/" in signed_in(ana).get(f"/p/{seats.code}/").content.decode()


def changed(pledge: Pledge, ana: User, *names: str, now: datetime) -> Pledge:
    """The seats of a ride are these from now on: those it has keep their places, as far as they are named."""
    kept = Seat.objects.filter(Q(pledge=pledge) | Q(pledge__enlarges=pledge)).order_by(
        "pledge_id", "position"
    )
    ids = [seat.id for seat in kept]
    people = [Passenger(name, (), seat) for name, seat in zip_longest(names, ids[: len(names)])]
    return pledges.change_seats(
        pledge_id=pledge.id,
        passengers=people,
        by=ana,
        now=now,
        consent_text="I agree.",
        consent_version="test",
        consented=True,
    )


def test_an_invoice_names_the_seats_that_were_paid(seats: Pledge, ben: User, now: datetime) -> None:
    pledge = make.draft(seats.trip, ben, now=now)
    pledges.open_payment(pledge_id=pledge.id, now=now)
    changed(pledge, ben, "Ben", "Bo", "Bea", now=now)
    pledge = make.pay(pledge, now=now)
    signed_in(ben).post(f"/p/{pledge.code}/receipt/", COMPANY)

    line = Invoice.objects.get().lines[0]
    assert line["text"].startswith("Seats: 3. ")
    assert line["total_minor"] == pledge.charge.minor
    asked = Operation.objects.filter(payment=pledge.payment, kind=Operation.Kind.CHECKOUT).latest(
        "created_at"
    )
    assert asked.params["description"] == line["text"]


def test_a_receipt_is_for_the_seats_that_were_bought(seats: Pledge, ana: User, now: datetime) -> None:
    changed(seats, ana, "Ana", now=now)

    assert "2 seats from" in signed_in(ana).get(f"/p/{seats.code}/receipt/").content.decode()
    assert "Seats: 2, from" in text(signed_in(ana).get(f"/p/{seats.code}/receipt.pdf"))


def test_added_seats_have_a_receipt_and_an_invoice(seats: Pledge, ana: User, now: datetime) -> None:
    added = make.pay(changed(seats, ana, "Ana", "Al", "Abe", now=now), now=now)
    client = signed_in(ana)
    ways = [f"/p/{seats.code}/receipt/", f"/p/{added.code}/receipt/"]

    def links() -> list[str]:
        return re.findall(r'href="([^"]*/receipt/)"', client.get(f"/p/{seats.code}/").content.decode())

    assert links() == ways
    assert "One seat from" in client.get(ways[1]).content.decode()
    assert client.post(ways[1], COMPANY).status_code == 303
    assert Invoice.objects.get().payment_id == added.payment_id
    changed(seats, ana, "Ana", "Al", now=now)
    assert links() == ways  # also when they are given up


def test_reasons_in_words() -> None:
    assert why_in_words("fare_fell") == "The fare fell as the coach filled"
    assert why_in_words("provider:re_1") == "Given back"
