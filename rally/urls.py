"""All addresses of the product."""

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from payments.urls import desk_urls
from rally.views import health

admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("api/v1/", include("rally.api.urls")),
    path("operator/", include("operators.urls")),
    path("drive/", include("operators.driving_urls")),
    path("payments/", include("payments.urls")),
    path("desk/", include(desk_urls)),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
if settings.SANDBOX:
    urlpatterns.append(path("sandbox/", include("payments.sandbox.urls")))
if settings.DEMO:
    urlpatterns.append(path("demo/", include("rally.demo.urls")))
urlpatterns.append(path("", include("trips.urls")))  # whatever has no word of its own in front
