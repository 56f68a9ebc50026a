"""The door for the provider's news."""

from __future__ import annotations

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from payments import gateway
from payments.actions import inbox
from rally import clock

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Keep a signed event and say thank you; a worker reads it.

    400 for what none of our secrets signed in the last five minutes, and for news of the other mode: nothing is kept.
    A failing insert is a 500, so that the provider sends it again.
    """
    signature = request.headers.get("Stripe-Signature", "")
    event = gateway.verified_event(request.body, signature, settings.STRIPE_WEBHOOK_SECRETS)
    if event is None:
        logger.warning("webhook.bad_signature")
        return HttpResponse(status=400)
    if event.livemode != (gateway.provider() == "live"):
        logger.warning("webhook.other_mode event=%s", event.id)
        return HttpResponse(status=400)
    inbox.keep([event], source="push", now=clock.now())
    return HttpResponse(status=200)
