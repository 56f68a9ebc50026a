"""Addresses of the demo, mounted at /demo/ in demo mode only."""

from django.urls import path

from rally.demo import views

urlpatterns = [
    path("", views.tour, name="demo_tour"),
    path("become/", views.become, name="demo_become"),
    path("clock/", views.move_clock, name="demo_clock"),
    path("mail/", views.mails, name="demo_mails"),
    path("mail/<str:name>/<int:number>/", views.mail, name="demo_mail"),
    path("mail/<str:name>/<int:number>/html/", views.mail_html, name="demo_mail_html"),
]
