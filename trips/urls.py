"""Addresses of demand."""

from django.urls import path

from trips.views import (
    captaining,
    changing,
    credit,
    finding,
    joining,
    partnering,
    paying,
    proposing,
    receipts,
    riding,
    stream,
    trip,
)

app_name = "trips"
urlpatterns = [
    # finding and proposing
    path("", finding.home, name="home"),
    path("events/", finding.events, name="events"),
    path("events/<str:code>/propose/", proposing.propose, name="propose"),
    path("events/<slug:slug>-<str:code>/", finding.event, name="event"),
    path("from/<slug:slug>/", finding.from_place, name="from"),
    path("places/", finding.places, name="places"),
    # riding
    path("t/<str:code>/", trip.trip, name="trip"),
    path("t/<str:code>/live/", trip.live, name="trip_live"),
    path("stream/trips/<str:code>/", stream.stream, name="stream"),
    path("t/<str:code>/pledge/", joining.make_pledge, name="make_pledge"),
    path("t/<str:code>/captain/", captaining.captain, name="captain"),
    path("rides/", riding.rides, name="rides"),
    path("rides/credit/", credit.my_credit, name="credit"),
    path("p/<str:code>/", riding.pledge, name="pledge"),
    path("p/<str:code>/pay/", paying.pay, name="pay"),
    path("p/<str:code>/paid/", paying.paid, name="paid"),
    path("p/<str:code>/leave/", changing.withdraw, name="withdraw"),
    path("p/<str:code>/seats/", changing.change_seats, name="change_seats"),
    path("p/<str:code>/receipt/", receipts.receipt, name="receipt"),
    path("p/<str:code>/receipt.pdf", receipts.receipt_paper, name="receipt_paper"),
    path("p/<str:code>/invoices/<slug:number>.pdf", receipts.invoice_paper, name="invoice_paper"),
    path("p/<str:code>/trip.ics", riding.calendar, name="calendar"),
    path("pass/<str:code>/", riding.boarding_pass, name="pass"),
    path("pass/<str:code>/hand-over/", changing.hand_over, name="hand_over"),
    # partners
    path("partner/", partnering.home, name="partners"),
    path("partner/<slug:slug>/", partnering.partner, name="partner"),
    path("partner/<slug:slug>/<int:year>-<int:month>/", partnering.statement, name="partner_statement"),
    path(
        "partner/<slug:slug>/<int:year>-<int:month>.pdf",
        partnering.statement_paper,
        name="partner_statement_paper",
    ),
    path(
        "partner/<slug:slug>/<int:year>-<int:month>.csv",
        partnering.statement_csv,
        name="partner_statement_csv",
    ),
    path("partner/<slug:slug>/payouts/", partnering.payouts, name="partner_payouts"),
    path("partner/<slug:slug>/onboard/", partnering.onboard, name="partner_onboard"),
    path("partner/<slug:slug>/onboard/again/", partnering.onboard_again, name="partner_onboard_again"),
    path("partner/<slug:slug>/onboarded/", partnering.onboarded, name="partner_onboarded"),
]
