"""Addresses of the sandbox's own pages."""

from django.urls import path

from payments.sandbox import views

app_name = "sandbox"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("objects/<str:object_id>/", views.see, name="object"),
    path("objects/<str:object_id>/refund/", views.refund, name="refund"),
    path("objects/<str:object_id>/dispute/", views.dispute, name="dispute"),
    path("objects/<str:object_id>/decide/", views.decide, name="decide"),
    path("checkout/<str:session_id>/", views.checkout, name="checkout"),
    path("authenticate/<str:intent_id>/", views.authenticate, name="authenticate"),
    path("onboarding/<str:account_id>/<str:token>/", views.onboarding, name="onboarding"),
]
