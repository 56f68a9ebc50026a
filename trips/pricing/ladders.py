"""How a fare falls as the coach fills: a few steps from the threshold on, each of which still pays the bus.

The nearest stop's fare times the threshold pays for everything (`quotes.fares`). So with n seats the same sum comes together
when everybody pays threshold / n of their fare. A step's percentage is that share rounded up, and a price is rounded up
to whole minor units: the bus is never a cent short, whichever stops the riders come from.
"""

from __future__ import annotations

from collections.abc import Sequence

#: A ladder as it is kept with a trip: [[seats, percent of the agreed fare], …], more seats and less to pay with each step.
Ladder = Sequence[Sequence[int]]
#: Steps on a full bus: some 8 seats each on a coach, 4 on a mini-coach, 2 in a van.
STRIDES = 7
#: A step that saves riders less than this is none worth announcing.
LEAST_FALL = 5


def build(*, threshold: int, capacity: int, least_percent: int) -> list[list[int]]:
    """The steps of a trip that goes at `threshold` seats, never below `least_percent`; empty where nothing can fall.

    The first step is the threshold with the whole fare. Raises `ValueError` for a threshold that does not fit.
    """
    if not 1 <= threshold <= capacity:
        raise ValueError("The threshold is at least one seat and fits the bus.")
    stride = max(1, round(capacity / STRIDES))
    ladder = [[threshold, 100]]
    for seats in [*range(threshold + stride, capacity, stride), capacity]:
        percent = max(least_percent, 1, -(-100 * threshold // seats))
        if percent <= ladder[-1][1] - LEAST_FALL:
            ladder.append([seats, percent])
    return ladder if len(ladder) > 1 else []


def percent_at(ladder: Ladder, seats: int) -> int:
    """The share of the agreed fare that is paid with so many seats; the whole fare below the first step and without one."""
    return min((percent for reached, percent in ladder if reached <= seats), default=100)


def price(fare: int, percent: int) -> int:
    """So many percent of a fare, both in minor units, rounded up."""
    return -(-fare * percent // 100)


def seats_to_pay(ladder: Ladder, percent: int) -> int:
    """With how many seats that share of the fare pays the bus: as many as the first step needs at the whole fare, in money."""
    return -(-100 * min(seats for seats, _percent in ladder) // percent)


def next_step(
    ladder: Ladder, seats: int, *, below: int | None = None, most: int | None = None
) -> tuple[int, int] | None:
    """The first step that lies ahead of so many seats and falls below the present share, as (seats, percent).

    `below`: the share in force, where it is lower than the seats alone would make it. `most`: the seats of the bus; a
    step beyond them is never reached.
    """
    now = percent_at(ladder, seats) if below is None else below
    ahead = (
        (reached, percent)
        for reached, percent in ladder
        if reached > seats and percent < now and (most is None or reached <= most)
    )
    return min(ahead, default=None)
