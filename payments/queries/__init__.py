"""Reads over money: what is held, what a group of payments came to, balances, and what must always be true of them."""

from payments.queries.balances import balance, balances
from payments.queries.credit_invariants import l11_wallets_agree, l12_contributions_agree
from payments.queries.disputes import disputed, open_disputes, refund_pays_twice
from payments.queries.groups import TripMoney, held_amounts, outstanding, trip_money, waits
from payments.queries.invariants import (
    check_ledger,
    l1_balanced,
    l2_balance_agrees,
    l3_lines_agree,
    l4_nobody_pays_twice,
    l5_deposits_are_for_paid,
    l6_released_holds_nothing,
    l7_payees_get_no_more,
    l8_holds_agree,
    l9_nothing_waits_for_long,
    l10_kept_sums_agree,
)
from payments.queries.parts import Back, Parts, Saving, parts_of
from payments.queries.troubles import still_owed, stuck_operations, unread_events
from payments.queries.worth import (
    credit_of,
    given_back,
    had_card,
    paid_by_payer,
    paid_by_payers,
    paid_by_promotion,
    parts_for,
    parts_paid,
    promotions_part,
    worth,
    worths,
)

__all__ = [
    "Back",
    "Parts",
    "Saving",
    "TripMoney",
    "balance",
    "balances",
    "check_ledger",
    "credit_of",
    "disputed",
    "given_back",
    "had_card",
    "held_amounts",
    "l1_balanced",
    "l2_balance_agrees",
    "l3_lines_agree",
    "l4_nobody_pays_twice",
    "l5_deposits_are_for_paid",
    "l6_released_holds_nothing",
    "l7_payees_get_no_more",
    "l8_holds_agree",
    "l9_nothing_waits_for_long",
    "l10_kept_sums_agree",
    "l11_wallets_agree",
    "l12_contributions_agree",
    "open_disputes",
    "outstanding",
    "paid_by_payer",
    "paid_by_payers",
    "paid_by_promotion",
    "parts_for",
    "parts_of",
    "parts_paid",
    "promotions_part",
    "refund_pays_twice",
    "still_owed",
    "stuck_operations",
    "trip_money",
    "unread_events",
    "waits",
    "worth",
    "worths",
]
