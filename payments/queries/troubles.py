"""What staff must see: what is stuck, still owed, or could not be read."""

from __future__ import annotations

from django.db.models import QuerySet

from payments.models import InboxEvent, Operation, Refund, Transfer
from payments.states import InboxState, OperationState, RefundState, TransferState


def stuck_operations() -> QuerySet[Operation]:
    """Operations that a person must look at, oldest first."""
    return Operation.objects.filter(state=OperationState.STUCK).order_by("created_at")


def still_owed() -> QuerySet[Refund]:
    """Refunds that failed: the payer is owed the money and nothing is under way."""
    return (
        Refund.objects.filter(state=RefundState.FAILED)
        .select_related("attempt__payment")
        .order_by("created_at")
    )


def unread_events() -> QuerySet[InboxEvent]:
    """Events that could not be read."""
    return InboxEvent.objects.filter(state=InboxState.FAILED).order_by("received_at")


def failed_transfers() -> QuerySet[Transfer]:
    """Transfers that the provider refused: the payee is owed the money and nothing is under way."""
    return (
        Transfer.objects.filter(state=TransferState.FAILED)
        .select_related("payee", "payment")
        .order_by("created_at")
    )
