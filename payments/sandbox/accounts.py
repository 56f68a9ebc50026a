"""Connected accounts: the operators' own, and how they are made ready to be paid."""

from __future__ import annotations

import re
from typing import Final

from payments.sandbox.call import Call, fresh_metadata, merged_metadata, new_id, route
from payments.sandbox.errors import Invalid, missing, not_modelled, refused
from payments.sandbox.lists import listed
from payments.sandbox.store import Json

_DUE: Final = ["external_account", "tos_acceptance.date", "tos_acceptance.ip"]
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


@route(
    "POST",
    "accounts",
    "AccountCreateParams",
    refuses=("account_token", "controller", "external_account", "groups", "individual", "tos_acceptance"),
)
def create(call: Call, params: Json) -> Json:
    """Make an express account. It can be paid once its owner has finished onboarding."""
    if params.get("type", "express") != "express":
        raise not_modelled("type")
    _check_email(params)
    wanted = [name for name, each in (params.get("capabilities") or {}).items() if each.get("requested")]
    capabilities = dict.fromkeys(wanted, "inactive")
    interval = _schedule(params) or "daily"
    account = {
        "id": new_id("acct"),
        "object": "account",
        "business_profile": _profile(params),
        "business_type": params.get("business_type"),
        "capabilities": capabilities,
        "charges_enabled": False,
        "country": params.get("country", "US"),
        "created": call.now,
        "default_currency": params.get("default_currency", "usd"),
        "details_submitted": False,
        "email": params.get("email"),
        "external_accounts": {"object": "list", "data": [], "has_more": False, "url": ""},
        "future_requirements": _requirements([], None),
        "metadata": fresh_metadata(params),
        "payouts_enabled": False,
        "requirements": _requirements(_DUE, "requirements.past_due"),
        "settings": _settings(interval),
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": "express",
    }
    account["external_accounts"]["url"] = f"/v1/accounts/{account['id']}/external_accounts"
    call.add(account)
    call.emit("account.updated", account, account=account["id"])
    return account


def _check_email(params: Json) -> None:
    email = params.get("email")
    if email and not _ADDRESS.fullmatch(email):
        raise Invalid(f"Invalid email address: {email}", param="email", code="email_invalid")


def _schedule(params: Json) -> str | None:
    payouts = (params.get("settings") or {}).get("payouts") or {}
    interval: str | None = (payouts.get("schedule") or {}).get("interval")
    if interval not in (None, "daily", "manual"):
        raise not_modelled("settings[payouts][schedule][interval]")
    return interval


def _profile(params: Json) -> Json:
    given = params.get("business_profile") or {}
    names = ("mcc", "name", "product_description", "support_email", "support_phone", "support_url", "url")
    profile: Json = dict.fromkeys((*names, "annual_revenue", "estimated_worker_count", "support_address"))
    return {**profile, **{name: given[name] for name in names if name in given}}


def _requirements(due: list[str], disabled: str | None) -> Json:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": list(due),
        "disabled_reason": disabled,
        "errors": [],
        "eventually_due": list(due),
        "past_due": list(due),
        "pending_verification": [],
    }


def _settings(interval: str) -> Json:
    return {
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_payments": {
            "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": None, "timezone": "Etc/UTC"},
        "payments": {
            "statement_descriptor": None,
            "statement_descriptor_kana": None,
            "statement_descriptor_kanji": None,
        },
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 2, "interval": interval},
            "statement_descriptor": None,
        },
    }


@route("GET", "accounts", "AccountListParams")
def list_accounts(call: Call, params: Json) -> Json:
    """Give connected accounts, newest first."""
    return listed(call, "account", params)


@route("GET", "account", "AccountRetrieveCurrentParams")
def retrieve_current(call: Call, _params: Json) -> Json:
    """Give the account that asks: the platform's own, or the connected one that the call is made for."""
    if call.account:
        return find(call, call.account)
    active = {"card_payments": "active", "transfers": "active"}
    return {
        "id": "acct_sandbox",
        "object": "account",
        "business_profile": {**_profile({}), "name": "Rally"},
        "business_type": "company",
        "capabilities": active,
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": _settings("manual"),
        "type": "standard",
    }


@route("GET", "accounts/{id}", "AccountRetrieveParams")
def retrieve(call: Call, _params: Json) -> Json:
    """Give a connected account."""
    return find(call, call.path["id"])


def find(call: Call, account_id: str, *, param: str = "account") -> Json:
    """Give a connected account. Raises `ApiError` 404."""
    account = call.rows.get(account_id, "account")
    if account is None or account.get("deleted"):
        raise missing("account", account_id, param=param)
    return account


@route(
    "POST",
    "accounts/{id}",
    "AccountUpdateParams",
    refuses=("account_token", "external_account", "groups", "individual", "tos_acceptance"),
)
def update(call: Call, params: Json) -> Json:
    """Change what the platform may change of an express account."""
    account = find(call, call.path["id"])
    _check_email(params)
    for name in ("business_type", "default_currency", "email"):
        if name in params:
            account[name] = params[name] or None
    for name, each in (params.get("capabilities") or {}).items():
        if each.get("requested"):
            account["capabilities"][name] = "active" if account["details_submitted"] else "inactive"
        else:
            account["capabilities"].pop(name, None)
    account["business_profile"].update(params.get("business_profile") or {})
    interval = _schedule(params)
    if interval is not None:
        account["settings"]["payouts"]["schedule"]["interval"] = interval
    account["metadata"] = merged_metadata(account["metadata"], params)
    call.emit("account.updated", account, account=account["id"])
    return call.put(account)


@route("DELETE", "accounts/{id}", "AccountDeleteParams")
def delete(call: Call, _params: Json) -> Json:
    """Delete a connected account that holds no money."""
    account = find(call, call.path["id"])
    held = call.rows.sql(
        "SELECT coalesce(sum(net), 0) FROM money WHERE account = ?", (account["id"],)
    ).fetchone()[0]
    if held:
        raise refused("This account has a non-zero balance and cannot be deleted.", code="account_invalid")
    return call.put({"id": account["id"], "object": "account", "deleted": True})


@route("POST", "account_links", "AccountLinkCreateParams", refuses=("collect",))
def create_link(call: Call, params: Json) -> Json:
    """Give the address of the onboarding page. It works for ten minutes."""
    account = find(call, params["account"])
    for name in ("refresh_url", "return_url"):
        if name not in params:
            raise Invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")
    token = new_id("onb")
    account["_onboarding"] = {
        "token": token,
        "expires_at": call.now + 600,
        "return_url": params["return_url"],
        "refresh_url": params["refresh_url"],
    }
    call.put(account)
    return {
        "object": "account_link",
        "created": call.now,
        "expires_at": call.now + 600,
        "url": call.page(f"onboarding/{account['id']}/{token}/", near=params["return_url"]),
    }


@route("POST", "accounts/{id}/login_links", "AccountLoginLinkCreateParams")
def create_login_link(call: Call, _params: Json) -> Json:
    """Give the address at which the owner of an express account sees it."""
    account = find(call, call.path["id"])
    if not account["details_submitted"]:
        raise refused("Cannot create a login link for an account that has not completed onboarding.")
    near = account["_onboarding"]["return_url"]
    return {"object": "login_link", "created": call.now, "url": call.page("", near=near)}


def finish_onboarding(call: Call, account_id: str) -> Json:
    """Let an account be paid: details, terms and a bank account are there. Harmless twice."""
    account = find(call, account_id)
    if account["details_submitted"]:
        return account
    bank = {
        "id": new_id("ba"),
        "object": "bank_account",
        "account": account["id"],
        "account_holder_name": None,
        "account_holder_type": None,
        "account_type": None,
        "available_payout_methods": ["standard"],
        "bank_name": "STRIPE TEST BANK",
        "country": account["country"],
        "currency": account["default_currency"],
        "default_for_currency": True,
        "fingerprint": None,
        "future_requirements": {
            "currently_due": [],
            "errors": [],
            "past_due": [],
            "pending_verification": [],
        },
        "last4": "6789",
        "metadata": {},
        "requirements": {"currently_due": [], "errors": [], "past_due": [], "pending_verification": []},
        "routing_number": "110000000",
        "status": "new",
    }
    account["external_accounts"]["data"] = [bank]
    account.update(
        details_submitted=True,
        payouts_enabled=True,
        charges_enabled="card_payments" in account["capabilities"],
        capabilities=dict.fromkeys(account["capabilities"], "active"),
        requirements=_requirements([], None),
        tos_acceptance={"date": call.now, "ip": None, "user_agent": None},
    )
    call.put(account)
    call.emit("account.updated", account, account=account["id"], previous={"payouts_enabled": False})
    return account
