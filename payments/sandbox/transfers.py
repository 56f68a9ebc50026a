"""Money to the operators: transfers, their reversals, and payouts to a bank."""

from __future__ import annotations

from typing import Any, Final

from payments.sandbox import accounts, money
from payments.sandbox.call import Call, fresh_metadata, merged_metadata, new_id, route
from payments.sandbox.errors import ApiError, Invalid, missing, refused
from payments.sandbox.lists import listed
from payments.sandbox.store import Json

_BANK_TAKES: Final = 2 * money.DAY


# ---- transfers


@route("POST", "transfers", "TransferCreateParams")
def create(call: Call, params: Json) -> Json:
    """Move money to a connected account.

    With `source_transaction` it is accepted at once, up to that charge, and becomes available with the charge's own
    funds. Without it the platform's available balance must cover it.
    """
    amount = params.get("amount")
    if amount is None:
        raise Invalid("Missing required param: amount.", param="amount", code="parameter_missing")
    if amount < 1:
        raise Invalid("This value must be greater than or equal to 1.", param="amount")
    account = accounts.find(call, params["destination"], param="destination")
    if account["capabilities"].get("transfers") != "active":
        message = (
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, "
            "crypto_transfers, legacy_payments"
        )
        raise refused(message, code="insufficient_capabilities_for_transfer", param="destination")
    charge = _source(call, params, amount)
    ready = call.now
    if charge is not None:
        ready = max(
            call.now, (call.rows.get(charge["balance_transaction"]) or {}).get("available_on", call.now)
        )
    elif money.available(call, params["currency"]) < amount:
        raise _poor("transfer")
    return _transfer(call, params, account, charge, ready=ready)


def _source(call: Call, params: Json, amount: int) -> Json | None:
    if "source_transaction" not in params:
        return None
    charge = call.find("charge", params["source_transaction"], param="source_transaction")
    if not charge["captured"]:
        raise refused("The source_transaction must be a captured charge.", param="source_transaction")
    if charge["currency"] != params["currency"]:
        raise refused("The currency of source_transaction's balance transaction differs.", param="currency")
    given = call.rows.where("transfer", charge=charge["id"])
    used = sum(each["amount"] - each["amount_reversed"] for each in given)
    if used + amount > charge["amount_captured"]:
        message = (
            f"The transfer amount ({amount}) is greater than what is left of the source_transaction "
            f"({charge['amount_captured'] - used})."
        )
        raise refused(message, code="balance_insufficient", param="amount")
    return charge


def _poor(what: str) -> ApiError:
    message = f"You have insufficient available funds in your Stripe account for this {what}."
    return refused(message, code="balance_insufficient")


def _transfer(call: Call, params: Json, account: Json, charge: Json | None, *, ready: int) -> Json:
    transfer_id, amount, currency = new_id("tr"), params["amount"], params["currency"]
    group = params.get("transfer_group")
    if charge is not None:
        group = group or charge["transfer_group"] or f"group_{charge['id']}"
        if charge["transfer_group"] is None:
            charge["transfer_group"] = group
            call.put(charge)
    entry = money.book(call, "transfer", transfer_id, -amount, currency, available_on=ready)
    payment = _payment(call.on_behalf(account["id"]), transfer_id, amount, currency, ready)
    transfer: Json = {
        "id": transfer_id,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "balance_transaction": entry["id"],
        "created": call.now,
        "currency": currency,
        "description": params.get("description"),
        "destination": account["id"],
        "destination_payment": payment["id"],
        "livemode": False,
        "metadata": fresh_metadata(params),
        "reversals": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/transfers/{transfer_id}/reversals",
        },
        "reversed": False,
        "source_transaction": params.get("source_transaction"),
        "source_type": params.get("source_type", "card"),
        "transfer_group": group,
        "_charge": params.get("source_transaction"),
        "_ready": ready,
    }
    call.rows.add(transfer)
    call.emit("transfer.created", transfer)
    if account["settings"]["payouts"]["schedule"]["interval"] == "daily":
        call.rows.schedule(ready + money.DAY, "automatic_payout", account["id"])
    return transfer


def _payment(call: Call, transfer_id: str, amount: int, currency: str, ready: int) -> Json:
    """Make what the receiving account sees of a transfer."""
    payment = money.charge_object(
        call,
        id=new_id("py"),
        amount=amount,
        amount_captured=amount,
        captured=True,
        currency=currency,
        payment_method_details={"stripe_account": {}, "type": "stripe_account"},
        source_transfer=transfer_id,
    )
    payment["balance_transaction"] = money.book(
        call, "payment", payment["id"], amount, currency, available_on=ready
    )["id"]
    return call.add(payment)


@route("GET", "transfers", "TransferListParams")
def list_transfers(call: Call, params: Json) -> Json:
    """Give transfers, newest first."""
    return listed(call, "transfer", params, filters=("destination", "transfer_group"))


@route("GET", "transfers/{id}", "TransferRetrieveParams")
def retrieve(call: Call, _params: Json) -> Json:
    """Give a transfer with its reversals."""
    return call.find("transfer", call.path["id"])


@route("POST", "transfers/{id}", "TransferUpdateParams")
def update(call: Call, params: Json) -> Json:
    """Change what is written on a transfer."""
    transfer = call.find("transfer", call.path["id"])
    if "description" in params:
        transfer["description"] = params["description"]
    transfer["metadata"] = merged_metadata(transfer["metadata"], params)
    call.emit("transfer.updated", transfer)
    return call.put(transfer)


@route(
    "POST", "transfers/{id}/reversals", "TransferReversalCreateParams", refuses=("refund_application_fee",)
)
def reverse(call: Call, params: Json) -> Json:
    """Take money back from a connected account. Its balance must cover that: what was paid out is gone."""
    transfer = call.find("transfer", call.path["id"])
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = params.get("amount", left)
    if amount < 1 or amount > left:
        message = (
            f"The reversal amount ({amount}) must be between 1 and what is left of the transfer ({left})."
        )
        raise refused(message, param="amount", code="transfer_already_reversed" if left == 0 else None)
    account = call.on_behalf(transfer["destination"])
    if sum(money.balances(account).get(transfer["currency"], (0, 0))) < amount:
        message = "The connected account has an insufficient balance to reverse this transfer."
        raise refused(message, code="balance_insufficient")
    reversal_id = new_id("trr")
    ready = max(call.now, transfer["_ready"])
    entry = money.book(call, "transfer_refund", reversal_id, amount, transfer["currency"], available_on=ready)
    money.book(
        account,
        "payment_refund",
        transfer["destination_payment"],
        -amount,
        transfer["currency"],
        available_on=ready,
    )
    reversal = call.add(
        {
            "id": reversal_id,
            "object": "transfer_reversal",
            "amount": amount,
            "balance_transaction": entry["id"],
            "created": call.now,
            "currency": transfer["currency"],
            "destination_payment_refund": None,
            "metadata": fresh_metadata(params),
            "source_refund": None,
            "transfer": transfer["id"],
        }
    )
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    transfer["reversals"]["data"].insert(0, reversal)
    call.put(transfer)
    call.emit("transfer.reversed", transfer)
    return reversal


@route("GET", "transfers/{id}/reversals", "TransferReversalListParams")
def list_reversals(call: Call, params: Json) -> Json:
    """Give the reversals of a transfer, newest first."""
    transfer = call.find("transfer", call.path["id"])
    url = transfer["reversals"]["url"]
    return listed(
        call, "transfer_reversal", {**params, "transfer": transfer["id"]}, filters=("transfer",), url=url
    )


@route("GET", "transfers/{id}/reversals/{reversal}", "TransferReversalRetrieveParams")
def retrieve_reversal(call: Call, _params: Json) -> Json:
    """Give one reversal."""
    reversal = call.find("transfer_reversal", call.path["reversal"])
    if reversal["transfer"] != call.path["id"]:
        raise missing("transfer_reversal", reversal["id"])
    return reversal


# ---- payouts


@route("POST", "payouts", "PayoutCreateParams", refuses=("destination", "payout_method"))
def create_payout(call: Call, params: Json) -> Json:
    """Send available money to the account's bank. It arrives two days later."""
    if params["amount"] < 1:
        raise Invalid("This value must be greater than or equal to 1.", param="amount")
    if params.get("method", "standard") != "standard":
        raise refused(
            "Instant payouts are not available for this account.", code="instant_payouts_unsupported"
        )
    if money.available(call, params["currency"]) < params["amount"]:
        raise _poor("payout")
    return _payout(call, params["amount"], params["currency"], automatic=False, params=params)


def _payout(call: Call, amount: int, currency: str, *, automatic: bool, params: Json) -> Json:
    payout_id = new_id("po")
    entry = money.book(call, "payout", payout_id, -amount, currency, available_on=call.now)
    fields: dict[str, Any] = {
        "id": payout_id,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": call.now + _BANK_TAKES,
        "automatic": automatic,
        "balance_transaction": entry["id"],
        "created": call.now,
        "currency": currency,
        "description": params.get("description", "STRIPE PAYOUT"),
        "destination": new_id("ba"),
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": fresh_metadata(params),
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress" if automatic else "not_applicable",
        "reversed_by": None,
        "source_type": params.get("source_type", "card"),
        "statement_descriptor": params.get("statement_descriptor"),
        "status": "pending",
        "trace_id": None,
        "type": "bank_account",
    }
    call.add(fields)
    call.rows.schedule(fields["arrival_date"], "payout", payout_id)
    call.emit("payout.created", fields)
    return fields


@route("GET", "payouts", "PayoutListParams")
def list_payouts(call: Call, params: Json) -> Json:
    """Give payouts, newest first."""
    return listed(call, "payout", params, filters=("destination", "status"))


@route("GET", "payouts/{id}", "PayoutRetrieveParams")
def retrieve_payout(call: Call, _params: Json) -> Json:
    """Give a payout."""
    return call.find("payout", call.path["id"])


@route("POST", "payouts/{id}/cancel", "PayoutCancelParams")
def cancel_payout(call: Call, _params: Json) -> Json:
    """Call a payout back before the bank has it."""
    payout = call.find("payout", call.path["id"])
    if payout["status"] != "pending" or payout["automatic"]:
        raise refused(f"Payout {payout['id']} cannot be canceled.", code="payout_cannot_be_canceled")
    entry = money.book(
        call, "payout_cancel", payout["id"], payout["amount"], payout["currency"], available_on=call.now
    )
    payout.update(status="canceled", failure_balance_transaction=entry["id"])
    call.rows.unschedule("payout", payout["id"])
    call.emit("payout.canceled", payout)
    return call.put(payout)


def arrive(call: Call, payout_id: str) -> None:
    """Let a payout reach the bank."""
    payout = call.rows.get(payout_id, "payout")
    if payout is None or payout["status"] != "pending":
        return
    payout["status"] = "paid"
    payout["trace_id"] = {"status": "supported", "value": new_id("t")[-12:]}
    if payout["automatic"]:
        payout["reconciliation_status"] = "completed"
    call.put(payout)
    call.emit("payout.paid", payout, account=call.rows.account_of(payout_id))


def pay_out_automatically(call: Call, account_id: str) -> None:
    """Send all available money of an operator's account to its bank, as its daily schedule does."""
    theirs = call.on_behalf(account_id)
    account = call.rows.get(account_id, "account") or {}
    if not account.get("payouts_enabled"):
        return
    for currency, (ready, _) in money.balances(theirs).items():
        if ready > 0:
            _payout(theirs, ready, currency, automatic=True, params={})
