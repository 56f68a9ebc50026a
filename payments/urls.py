"""Addresses of money, and of the desk of staff."""

from django.urls import path

from payments import webhooks
from payments.views import audit, desk, disputes, looking, requests

app_name = "payments"
urlpatterns = [path("webhook/", webhooks.receive, name="webhook")]

#: Below `/desk/`, under the name `desk`.
desk_urls = (
    [
        path("", desk.home, name="home"),
        path("audit/", audit.audit, name="audit"),
        path("money/", desk.money, name="money"),
        path("money/compare/", desk.compare, name="compare"),
        path("money/reconciliations/<uuid:reconciliation_id>/", desk.reconciliation, name="reconciliation"),
        path("money/operations/again/", desk.run_all_again, name="run_all_again"),
        path("money/operations/<uuid:operation_id>/again/", desk.run_again, name="run_again"),
        path("money/refunds/<uuid:refund_id>/again/", desk.refund_again, name="refund_again"),
        path("money/transfers/<uuid:transfer_id>/again/", desk.transfer_again, name="transfer_again"),
        path("money/events/<str:event_id>/again/", desk.read_again, name="read_again"),
        path("money/payments/", looking.search, name="payments"),
        path("money/payments/<uuid:payment_id>/", looking.payment, name="payment"),
        path("money/payments/<uuid:payment_id>/look/", looking.look_again, name="look_again"),
        path("money/disputes/", disputes.disputes, name="disputes"),
        path("money/disputes/<uuid:dispute_id>/", disputes.dispute, name="dispute"),
        path("money/disputes/<uuid:dispute_id>/submit/", disputes.submit, name="submit"),
        path("money/disputes/<uuid:dispute_id>/accept/", disputes.accept, name="accept"),
        path("money/disputes/<uuid:dispute_id>/charge/", disputes.charge, name="charge"),
        path("money/requests/", requests.requests, name="requests"),
        path("money/requests/new/", requests.ask, name="ask"),
        path("money/requests/<uuid:request_id>/agree/", requests.agree, name="agree"),
        path("money/requests/<uuid:request_id>/refuse/", requests.refuse, name="refuse"),
    ],
    "desk",
)
