"""What companies are due: their agreements, pay held back, penalties, pay by hand, and P21, that they got exactly that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Sum

from operators.actions import agreements, holding
from operators.models import HoldBack, Operator, Run
from operators.states import AgreementKind, RunState
from payments.actions import checkouts, earnings, payments, requests
from payments.models import Account, Checkout, LedgerTransfer, MoneyRequest, Payee, Transfer
from payments.sandbox.money import balances
from payments.states import RequestState, TransferState
from rally.money import Money
from rally.proof import owing, riders
from rally.proof.ground import START, Crew
from rally.proof.moves import move
from rally.proof.world import Broken, World
from trips.models import Pledge
from trips.states import PledgeState

_USD = "USD"
#: How companies may be paid in a story: what riders of a van bring is one to four times a tenth of its price.
_TERMS = (("share", 90), ("fixed", 15), ("fixed", 40), ("guarantee", 15), ("guarantee", 40), ("reseller", 80))
#: What other trips earn us, where our balance does not cover what a company is promised.
_ELSEWHERE = 200_000


def agree_on_terms(world: World) -> None:
    """Some companies have an agreement of their own when the story begins."""
    for crew in world.cast.crews:
        if world.chance.random() < 0.4:
            continue
        kind, percent = world.chance.choice(_TERMS)
        world.say(f"a company is paid by {kind}, {percent} %")
        agreements.agree(
            operator_id=crew.operator,
            kind=kind,
            percent=percent,
            applies_from=(START - timedelta(days=2)).date(),
            now=world.now,
            by=world.cast.staff[0],
        )


# ---- moves


@move(0.2, certain=1)
def hold_pay_back(world: World) -> None:
    """Staff let a company's pay wait, all of it or a part."""
    run = Run.objects.filter(trip_id=world.cast.trip).exclude(state=RunState.WITHDRAWN).first()
    if run is None:
        return
    amount = world.chance.choice([None, Money(700, _USD), Money(9_000, _USD)])
    world.say(f"staff hold {amount or 'all'} of the pay back")
    world.attempt(
        lambda: holding.hold_back(
            run_id=run.id, amount=amount, why="a window is broken", now=world.now, by=world.cast.staff[0]
        )
    )


@move(0.2, certain=0.6)
def let_pay_go(world: World) -> None:
    """It is cleared up: the pay goes out, or but for a part."""
    held = HoldBack.objects.filter(lifted_at=None).first()
    if held is not None:
        _lift(world, held.id, kept=world.chance.choice([0, 0, 500]))


def _lift(world: World, which: UUID, *, kept: int) -> None:
    world.say(f"staff let the pay go, but for {kept}")
    world.again = lambda w: _lift(w, which, kept=kept)
    if HoldBack.objects.filter(id=which).exists():  # else it was lost with the backup
        world.attempt(
            lambda: holding.lift(
                hold_back_id=which, kept=Money(kept, _USD), now=world.now, by=world.cast.staff[0]
            )
        )


@move(0.3, certain=0.7)
def penalise(world: World) -> None:
    """A company came late once more: it owes us, and that is kept from what is sent next."""
    crew, number = world.chance.choice(world.cast.crews), world.chance.randrange(3)
    world.say(f"a penalty, number {number}")
    world.attempt(
        lambda: holding.penalise(
            operator_id=crew.operator,
            amount=Money(1_300, _USD),
            why="came late",
            reference=f"late:{crew.operator}:{number}",
            now=world.now,
            by=world.cast.staff[0],
        )
    )


@move(0.4)
def ask_to_pay_by_hand(world: World) -> None:
    """One of the staff asks for money for a company that no trip says; another one has to agree."""
    crew = world.chance.choice(world.cast.crews)
    world.say("staff ask for pay by hand")
    world.attempt(
        lambda: requests.ask(
            what=MoneyRequest.What.PAY,
            subject=_payee_of(crew),
            amount=Money(world.chance.choice([800, 2_100]), _USD),
            why="a detour",
            now=world.now,
            by=world.cast.staff[0],
        )
    )


def _payee_of(crew: Crew) -> UUID:
    return Operator.objects.values_list("payee_id", flat=True).get(id=crew.operator)


# ---- to the end


def clear_up(world: World) -> None:
    """Whatever staff held back goes out, and where our balance covers too little for a company, other trips bring more."""
    for which in HoldBack.objects.filter(lifted_at=None).values_list("id", flat=True):
        _lift(world, which, kept=0)
    waiting = Transfer.objects.filter(state=TransferState.PENDING, payment=None)
    with world.sandbox.looking() as call:
        ours = sum(balances(call).get("usd", (0, 0)))  # what is on its way to us will be there in two days
    if sum(each.to_send_minor for each in waiting) > ours:
        _earn_elsewhere(world)


def wait() -> bool:
    """Whether anything that companies are due was not sent yet."""
    return Transfer.objects.filter(state=TransferState.PENDING).exists()


def _earn_elsewhere(world: World) -> None:
    """Another trip runs well: what it brings is ours alone. Once."""
    world.say("other trips earn something")
    group = "trip:elsewhere"
    payment = payments.open(
        payer=world.cast.captain,
        reference=group,
        group=group,
        description="elsewhere",
        amount=Money(_ELSEWHERE, _USD),
        now=world.now,
    )
    if payment.captured_minor:
        return
    world.elsewhere.add(payment.id)
    page = checkouts.go(
        payment_id=payment.id,
        mode=Checkout.Mode.CHARGE,
        success_url=riders.HERE,
        cancel_url=riders.BACK,
        now=world.now,
    )
    riders.give_card(world, payment.id, payment.id, page, card=riders.VISA, passes=True)
    checkouts.come_back(payment_id=payment.id, now=world.now)
    earnings.book(
        group=group, payment_ids=[payment.id], operators=[], due_at=world.now, now=world.now, by=None
    )


# ---- what each company is due


def check(world: World) -> None:
    """P21: each company got what its agreement says of what riders paid, and what staff decided; to the cent.

    What was given back to riders after the pay was booked may be taken from it, and no more than that.
    """
    for crew in world.cast.crews:
        payee = Payee.objects.get(id=_payee_of(crew))
        booked = Run.objects.filter(operator_id=crew.operator, booked_at__isnull=False).select_related("trip")
        earned = [_due(world, run) for run in booked]
        decided = _decided(
            MoneyRequest.objects.filter(what="pay", subject=payee.id, state=RequestState.DONE), "amount"
        )
        decided -= _decided(HoldBack.objects.filter(run__operator_id=crew.operator), "kept")
        decided -= _decided(
            LedgerTransfer.objects.filter(event_key__startswith="penalty:", payee=payee), "amount"
        )
        got = sum(each.net for each in world.truth.transfers() if each.account == payee.account)
        got -= _owes_us(payee)
        least, most = (decided + sum(each[bound] for each in earned) for bound in (0, 1))
        if not least <= got <= most:
            raise Broken("P21", f"{payee} got {got}, is due {least} to {most}")


def _due(world: World, run: Run) -> tuple[int, int]:
    """The least and the most that a run earned by its own terms: what riders had back since its pay was booked may be
    taken from it. The fare of a payment that a bank took fell, without money, only after that: it was booked at no more
    than what its rider had agreed to."""
    assert run.booked_at is not None  # noqa: S101 - asked for
    intents, later = world.truth.by_payment(), world.truth.returned_since(run.booked_at)
    kept = fares = fell_later = 0
    for pledge in Pledge.objects.filter(trip_id=run.trip_id, payment__isnull=False):
        mine = intents.get(pledge.payment_id, [])
        owed = owing.still_owed(pledge)
        later += owed
        kept += sum(each.kept for each in mine) - owed
        kept += owing.covered(pledge, Account.RIDER_CREDIT, Account.PROMOTION)
        if pledge.state == PledgeState.PAID:
            fares += pledge.price.minor * pledge.seats
            if any(each.disputed for each in mine):
                fell_later += (pledge.fare.minor - pledge.price.minor) * pledge.seats
    usual = (kept + later) * 100 // (100 + run.trip.platform_percent)
    part = int(run.terms.get("percent", 100))
    by_kind = {
        AgreementKind.SHARE: usual * part // 100,
        AgreementKind.FIXED: run.trip.cost_minor * part // 100,
        AgreementKind.GUARANTEE: max(usual, run.trip.cost_minor * part // 100),
        AgreementKind.RESELLER: (fares + later) * part // 100,
    }
    kind = AgreementKind(run.terms.get("kind", AgreementKind.SHARE))
    due = by_kind[kind]
    return due - later, due + (fell_later * part // 100 if kind == AgreementKind.RESELLER else 0)


def _decided(rows: Any, what: str) -> int:
    return int(rows.aggregate(sum=Sum(f"{what}_minor"))["sum"] or 0)


def _owes_us(payee: Payee) -> int:
    """What a company still owes us: penalties, and what it was paid and riders have back."""
    rows = LedgerTransfer.objects.filter(payee=payee)
    debts = _decided(rows.filter(debit=Account.OPERATOR_RECEIVABLE), "amount")
    return debts - _decided(rows.filter(credit=Account.OPERATOR_RECEIVABLE), "amount")
