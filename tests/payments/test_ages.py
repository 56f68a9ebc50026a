"""How old a thing may grow before a person looks: one number for each, from the rules, for the books and for the desk."""

from __future__ import annotations

from payments import queries
from payments.models import Account, Checkout
from payments.queries import ageing, desk
from payments.sandbox.core import Sandbox
from rally import rules
from rally.models import User
from tests.factories.payments import at_page, payment
from tests.payments.conftest import Time, work


def test_books_and_desk_agree_on_what_is_old(sandbox: Sandbox, ana: User, time: Time) -> None:
    paid = at_page(payment(ana, now=time()), Checkout.Mode.CHARGE, now=time())
    dispute = sandbox.open_dispute(paid.attempts.get().charge)["id"]
    work(time)
    began = time()

    def said() -> tuple[list[str], bool, bool]:
        [waiting] = ageing.waiting_in(Account.DISPUTE_OPEN, now=time())
        return (
            queries.l9_nothing_waits_for_long(now=time()),
            waiting.old,
            "ageing" in desk.today(now=time()).open,
        )

    time.move(days=12)
    assert said() == ([], False, False)  # banks take their time
    time.move(days=80)
    late = [f"payment {paid.id}: dispute:open since {began:%Y-%m-%d}"]
    assert said() == (late, True, True)
    rules.change("dispute_waits_days", 100, now=time(), by=None)
    assert said() == ([], False, False)
    work(time)  # nobody answered in time: it is lost
    assert sandbox.see(dispute) is not None
