"""Who gets what, to the cent: told by example, and for whatever numbers there are."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from operators.settling.splits import Driven, Facts, Kept, Pay, Terms, split

FARES = (4200, 4200, 3100)
KEPT = tuple(Kept(fare, fares=fare) for fare in FARES)


def facts(kind: str = "share", percent: int = 100, **more: object) -> Facts:
    """Three payments of 115.00 together, a bus for 80.00, 12 % for us."""
    legs = more.pop("legs", 100)
    given_ = {
        "kept": KEPT,
        "driven": (Driven(Terms(kind, percent), legs),),
        "bus_price": 8000,
        "platform_percent": 12,
        **more,
    }
    return Facts(**given_)  # type: ignore[arg-type]


def pay(*about: object, **more: object) -> Pay:
    return split(facts(*about, **more)).operators[0]  # type: ignore[arg-type]


def test_the_usual_share_is_what_the_fares_say() -> None:
    found = split(facts())
    assert found.operators[0] == Pay((3750, 3750, 2767))
    assert found.operators[0].total == 11500 * 100 // 112 == 10267
    assert (found.partner, found.tax, found.platform) == ((0, 0, 0), (0, 0, 0), 11500 - 10267)


def test_a_share_of_another_percentage() -> None:
    assert pay("share", 90).total == 10267 * 90 // 100
    assert pay("share", 200).total == 11500  # a share of what riders pay is never more than that


def test_a_fixed_price_whatever_riders_paid() -> None:
    assert pay("fixed", 110) == Pay((0, 0, 0), 8800)
    assert pay("fixed", kept=()).total == 8000
    few = split(facts("fixed", kept=(Kept(1000),)))
    assert (few.operators[0].total, few.platform) == (8000, -7000)


def test_a_guarantee_is_the_greater_of_share_and_price() -> None:
    many = pay("guarantee", 80)
    assert (many.firm, many.total) == (6400, 10267)
    few = split(facts("guarantee", 80, kept=(Kept(5600),)))
    assert (few.operators[0], few.platform) == (Pay((0,), 6400), -800)
    exactly = split(facts("guarantee", 100, kept=(Kept(8960),)))
    assert (exactly.operators[0].total, exactly.platform) == (8000, 960)


def test_a_reseller_is_paid_for_seats_sold() -> None:
    assert pay("reseller", 85) == Pay((3570, 3570, 2635))
    # One rider got most of the fare back; the seat was sold all the same.
    found = split(facts("reseller", 85, kept=(Kept(1000, fares=4200), Kept(4200, fares=4200))))
    assert found.operators[0] == Pay((1000, 3570), 2570)
    assert found.platform == 5200 - 7140


def test_only_the_ways_driven_are_paid() -> None:
    assert pay("fixed", legs=50).total == 4000
    assert pay("reseller", 80, legs=50).total == 11500 * 40 // 100
    assert pay("guarantee", 80, legs=50).firm == 3200
    # Riders got half back for the way that was not driven: what is kept is for the one that was.
    assert pay("share", legs=50).total == 10267
    assert pay("share", legs=0).total == pay("fixed", legs=0).total == 0


def test_two_buses_share_by_the_ways_they_drove() -> None:
    both = split(facts(driven=(Driven(legs_percent=50), Driven(legs_percent=50))))
    assert [each.total for each in both.operators] == [5133, 5133]
    assert both.platform == 11500 - 10266
    mixed = split(facts(driven=(Driven(Terms("fixed"), 50), Driven(legs_percent=50))))
    assert [each.total for each in mixed.operators] == [4000, 5133]


def test_tax_is_nobodys_income() -> None:
    found = split(facts(kept=(Kept(10500, tax=500),)))
    assert found.tax == (500,)
    assert found.operators[0].total == 10000 * 100 // 112
    assert sum((500, found.operators[0].total, found.platform)) == 10500
    assert split(facts(kept=(Kept(100, tax=300),))).tax == (100,)  # never more than there is


def test_a_partner_has_a_part_of_our_fee() -> None:
    found = split(facts(partner_percent=20))
    assert sum(found.partner) == (11500 - 10267) * 20 // 100
    assert found.platform == 11500 - 10267 - sum(found.partner)
    assert split(facts("fixed", partner_percent=20, kept=(Kept(1000),))).partner == (0,)


amounts = some.integers(0, 90_000)
payments = some.builds(
    lambda worth, tax, fares: Kept(worth, min(tax, worth), fares), amounts, amounts, amounts
)
terms = some.builds(
    Terms, some.sampled_from(["share", "fixed", "guarantee", "reseller"]), some.integers(1, 200)
)
cases = some.builds(
    Facts,
    kept=some.lists(payments, max_size=12).map(tuple),
    driven=some.lists(
        some.builds(Driven, terms, some.sampled_from([0, 50, 100])), min_size=1, max_size=3
    ).map(tuple),
    bus_price=some.integers(0, 500_000),
    platform_percent=some.integers(0, 40),
    partner_percent=some.integers(0, 100),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a machine that is busy
@given(cases)
def test_it_all_adds_up_and_nobody_gets_less_than_nothing(case: Facts) -> None:
    found = split(case)
    operators = sum(each.total for each in found.operators)
    assert operators + sum(found.partner) + sum(found.tax) + found.platform == sum(
        each.worth for each in case.kept
    )
    assert min([0, *found.partner, *found.tax, *(each.firm for each in found.operators)]) == 0
    assert min([0, *(part for each in found.operators for part in each.parts)]) == 0
    for n, payment in enumerate(case.kept):
        shared = found.partner[n] + found.tax[n] + sum(each.parts[n] for each in found.operators)
        assert shared <= payment.worth
    # What is firm and not covered by fees is ours to bear, and a partner has no part of a loss.
    assert found.platform >= 0 or sum(found.partner) == 0


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # on a machine that is busy
@given(cases)
def test_a_guarantee_is_kept_and_a_share_is_never_more_than_was_paid(case: Facts) -> None:
    for run, pay_ in zip(case.driven, split(case).operators, strict=True):
        floor = case.bus_price * run.terms.percent * run.legs_percent // 10_000
        if run.terms.kind == "guarantee":
            assert pay_.total >= floor
        if run.terms.kind == "fixed":
            assert (pay_.total, sum(pay_.parts)) == (floor, 0)
        if run.terms.kind == "share":
            assert pay_.total <= sum(each.net for each in case.kept)
