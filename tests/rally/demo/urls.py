"""All addresses as the demo has them."""

from django.urls import include, path

from rally.urls import urlpatterns as product

urlpatterns = [*product, path("demo/", include("rally.demo.urls"))]
