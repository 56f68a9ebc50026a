"""The pages on which companies and partners see their money, on a phone and on a desk: nobody is shut out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from django.urls import reverse

from operators.actions import holding
from rally import clock
from rally.models import User
from rally.money import Money
from tests.browser.conftest import Visit
from tests.factories.events import event, partner
from tests.factories.operators import ready, van_trip
from tests.factories.payments import onboarded
from tests.factories.people import person
from tests.journeys.test_settling_with_companies import a_run, driven, on_terms
from tests.journeys.world import World


def test_money_statements_and_partner_pages(world: World, visit: Callable[..., Visit]) -> None:
    crew = ready()
    onboarded(crew.operator.payee, now=clock.now())
    on_terms(crew, "guarantee", 90)
    club, pat, sam = partner(share_percent=20), person("pat"), User.objects.get(is_staff=True)
    club.members.add(pat)
    run = driven(world, crew, a_run(crew, to=event(partner=club)))
    holding.hold_back(
        run_id=run.id, amount=Money(5000, "USD"), why="A rider left a coat.", now=clock.now(), by=sam
    )
    holding.penalise(
        operator_id=crew.operator.id, amount=Money(2500, "USD"), why="An hour late.", now=clock.now(), by=sam
    )
    world.pass_time(days=4)
    month = [clock.now().year, clock.now().month]
    office = [
        reverse("operators:money"),
        reverse("operators:payouts"),
        reverse("operators:statement", args=month),
        reverse("operators:run", args=[run.code]),
        reverse("operators:trip", args=[van_trip(to=event(partner=club)).code]),
    ]
    club_pages = [
        reverse("trips:partner", args=[club.slug]),
        reverse("trips:partner_payouts", args=[club.slug]),
        reverse("trips:partner_statement", args=[club.slug, *month]),
    ]
    for desk in (False, True):
        for who, addresses in ((crew.owner, office), (pat, club_pages)):
            guest = visit(desk=desk, dark=desk)
            guest.sign_in(who.email)
            for number, address in enumerate(addresses):
                guest.open(address)
                guest.check()
                _keep(guest, f"{who.email.split('@')[0]}-{number}-{'desk' if desk else 'phone'}")
            assert guest.wrongs == []


def _keep(guest: Visit, name: str) -> None:
    """A picture for whoever wants to look: set `RALLY_PICTURES` to a folder."""
    folder = os.environ.get("RALLY_PICTURES")
    if folder:
        guest.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
