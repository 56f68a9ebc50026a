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


class AccountRefused(Refusal):
    """The provider said no to opening an account for a payee; the same step again is refused again."""

    code = "account_refused"
    text = _(
        "The payment service refused to open an account with what we know of you. Trying again does not help: please write to us."
    )


class AddressRefused(AccountRefused):
    """It said no because of the e-mail address. Once that is corrected, the next try is a fresh one."""

    code = "address_refused"
    text = _(
        "The payment service refused the e-mail address %(email)s. Correct it; then set up payouts again."
    )


class NothingToRefund(Refusal):
    """More was asked back than was taken."""

    code = "nothing_to_refund"
    text = _("That is more than was paid.")


class DisputeOpen(Refusal):
    """The payer has complained at the bank, which has taken the money: a refund, or passing it on, would pay twice."""

    code = "dispute_open"
    text = _(
        "This payment is disputed at the bank. Nothing of it can be refunded or sent on until that is decided."
    )


class DisputeClosed(Refusal):
    """The bank takes nothing more about it from us: it was answered, accepted or decided."""

    code = "dispute_closed"
    text = _("The bank takes no more answers about this dispute.")


class NoEvidence(Refusal):
    """There is nothing to lay before the bank."""

    code = "no_evidence"
    text = _("There is no evidence yet. Write what happened, or wait a minute until it is put together.")


class NobodyToBlame(Refusal):
    """The dispute was not lost, or that payee was not paid for the trip."""

    code = "nobody_to_blame"
    text = _(
        "Only what a lost dispute cost can be charged, and only to somebody who was paid for that trip: choose who."
    )


class NothingToBlame(Refusal):
    """Nothing of the dispute is lost, or all of the loss is somebody's already."""

    code = "nothing_to_blame"
    text = _(
        "Nothing of this dispute is left to charge: it came back, it was promised back anyway, or somebody owes it already."
    )


class AskedAlready(Refusal):
    """Somebody else asked for the same, and it is open: two requests would send it twice."""

    code = "asked_already"
    text = _(
        "Somebody else has asked for exactly this already. It waits for a second person: you can agree to it under “By hand”."
    )


class RequestDecided(Refusal):
    """Somebody was quicker."""

    code = "request_decided"
    text = _("This request was decided already.")


class SecondPersonNeeded(Refusal):
    """Money out by hand takes two of the staff."""

    code = "second_person_needed"
    text = _("You asked for this yourself. Somebody else has to agree.")


class TooMuchByHand(Refusal):
    """Above the limit, or more than there is."""

    code = "too_much_by_hand"
    text = _("At most %(most)s.")


class NothingPaid(Refusal):
    """An invoice was asked for what nobody has paid, or what was given back wholly."""

    code = "nothing_paid"
    text = _("There is nothing to bill: nothing was paid, or all of it was given back.")
