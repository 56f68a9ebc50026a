"""Addresses of the trips API."""

from django.urls import path

from trips.api import pledges

urlpatterns = [
    # riding
    path("trips/<str:code>/pledges", pledges.TripPledges.as_view(), name="api-trip-pledges"),
    path("pledges", pledges.Pledges.as_view(), name="api-pledges"),
    path("pledges/<str:code>", pledges.OnePledge.as_view(), name="api-pledge"),
    path("pledges/<str:code>/withdraw", pledges.Withdraw.as_view(), name="api-pledge-withdraw"),
]
