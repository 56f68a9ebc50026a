"""How the money side says no."""

from django.utils.translation import gettext_lazy as _

from rally.errors import Refusal


class PaymentClosed(Refusal):
    """The payment is in a state in which no card can be given."""

    code = "payment_closed"
    text = _("This payment is closed; there is nothing to pay.")


class ProviderUnavailable(Refusal):
    """The provider did not answer; nothing is lost, the same step can be repeated."""

    code = "provider_unavailable"
    text = _(
        "The payment service does not answer right now. Your seats stay reserved; please try again in a minute."
    )


class NothingToRefund(Refusal):
    """More was asked back than was taken."""

    code = "nothing_to_refund"
    text = _("That is more than was paid.")


class DisputeOpen(Refusal):
    """The payer has complained at the bank, which has taken the money: a refund would pay twice."""

    code = "dispute_open"
    text = _("This payment is disputed at the bank. Nothing can be refunded until that is decided.")
