"""Addresses of the trips API."""

from django.urls import path

from trips.api import credit, events, pledges, taking, trips

urlpatterns = [
    # finding and proposing
    path("events", events.Events.as_view(), name="api-events"),
    path("events/<str:code>", events.OneEvent.as_view(), name="api-event"),
    path("trips", trips.Trips.as_view(), name="api-trips"),
    path("trips/<str:code>", trips.OneTrip.as_view(), name="api-trip"),
    # riding
    path("trips/<str:code>/pledges", pledges.TripPledges.as_view(), name="api-trip-pledges"),
    path("credit", credit.Credit.as_view(), name="api-credit"),
    path("pledges", pledges.Pledges.as_view(), name="api-pledges"),
    path("pledges/<str:code>", pledges.OnePledge.as_view(), name="api-pledge"),
    path("pledges/<str:code>/seats", pledges.Seats.as_view(), name="api-pledge-seats"),
    path("pledges/<str:code>/take", taking.Take.as_view(), name="api-pledge-take"),
    path("pledges/<str:code>/withdraw", pledges.Withdraw.as_view(), name="api-pledge-withdraw"),
]
