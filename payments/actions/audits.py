"""Comparing our books with the provider's."""

from __future__ import annotations

import logging
from datetime import datetime

from payments import gateway, queries

logger = logging.getLogger(__name__)


def check(*, now: datetime) -> dict[str, list[str]]:
    """Every broken invariant by name, with its differences, our books and the provider's compared; empty when all is
    well. Outside action; reads all of the provider's books, so it is for nights and tests. Changes nothing.

    Raises `words.ProviderTrouble` when the provider does not answer.
    """
    broken = queries.check_ledger(gateway.books(), now=now)
    for name, differences in broken.items():
        logger.error("ledger.broken invariant=%s differences=%s", name, differences[:5])
    return broken
