"""Staff screens of demand: events and where they are, partners, towns, trips to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet, URLField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from rally import clock
from rally.errors import Refusal
from rally.models import User
from rally.screens import Audited, ReadOnly
from trips.actions import events, trips
from trips.models import Event, Friend, Partner, Place, Promotion, PromotionUse, Stop, Trip, Venue
from trips.queries import moving


@admin.register(Partner)
class Partners(Audited):
    """Leagues, teams and venues that send us events, and who of them may sign in. Who is paid for one is opened by actions."""

    list_display = ("name", "slug", "website")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    autocomplete_fields = ("members",)
    readonly_fields = ("payee",)
    formfield_overrides: ClassVar = {URLField: {"assume_scheme": "https"}}
    audited_as = "partner"
    audited: ClassVar[Mapping[str, str]] = {"share_percent": "", "members": "pk"}


@admin.register(Venue)
class Venues(admin.ModelAdmin):
    """Where events are and coaches stop."""

    list_display = ("name", "city", "state", "time_zone", "capacity", "coach_stop")
    search_fields = ("name", "city")
    list_filter = ("time_zone",)


@admin.register(Event)
class Events(admin.ModelAdmin):
    """Events; those of a feed are corrected by the feed, the others here."""

    list_display = ("name", "starts_at", "venue", "state", "partner", "source", "code")
    list_filter = ("state", "source", "partner")
    list_select_related = ("venue", "partner")
    search_fields = ("name", "code", "venue__name", "venue__city")
    date_hierarchy = "starts_at"
    autocomplete_fields = ("venue", "partner")
    readonly_fields = ("code", "slug", "search_text")

    def save_model(self, request: HttpRequest, obj: Event, form: Any, change: bool) -> None:
        """With the words it is found by; trips follow."""
        events.save(event=obj, now=clock.now())


@admin.register(Place)
class Places(ReadOnly, admin.ModelAdmin):
    """The gazetteer; `load_places` changes it."""

    list_display = ("name", "state", "population", "time_zone", "slug")
    list_filter = ("state",)
    search_fields = ("name", "slug")


class Stops(admin.TabularInline):
    """The stops of a trip, in order."""

    model = Stop
    extra = 0
    can_delete = False
    fields = ("position", "name", "address", "departs_at", "returns_at", "time_zone", "fare_minor")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never by hand."""
        return False

    has_add_permission = has_change_permission


class EventMoved(admin.SimpleListFilter):
    """Living trips whose event moved while they could not: their people were told that somebody looks at it."""

    title = _("event moved")
    parameter_name = "moved"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Only those, or all."""
        return [("yes", _("and the trip did not"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Trip]) -> QuerySet[Trip]:
        """Those to decide about."""
        return queryset.filter(moving.left_behind()) if self.value() else queryset


@admin.register(Trip)
class Trips(ReadOnly, admin.ModelAdmin):
    """Trips in every state."""

    list_display = (
        "code",
        "origin",
        "event",
        "state",
        "seats_pledged",
        "threshold",
        "decides_at",
        "operator_name",
    )
    list_filter = ("state", EventMoved, "visibility", "vehicle_class")
    list_select_related = ("event",)
    search_fields = ("code", "origin", "event__name")
    inlines = (Stops,)
    actions = ("call_off", "call_off_sorry")

    @admin.action(description=_("Call off: everybody gets all of it back"), permissions=["view"])
    def call_off(self, request: HttpRequest, chosen: QuerySet[Trip]) -> None:
        """Until the bus leaves."""
        _call_off(request, chosen, sorry=False)

    @admin.action(
        description=_("Call off because the bus failed: all of it back, and credit on top"),
        permissions=["view"],
    )
    def call_off_sorry(self, request: HttpRequest, chosen: QuerySet[Trip]) -> None:
        """Until the bus leaves."""
        _call_off(request, chosen, sorry=True)


def _call_off(request: HttpRequest, chosen: QuerySet[Trip], *, sorry: bool) -> None:
    for trip in chosen:
        try:
            trips.cancel(
                trip_id=trip.id,
                now=clock.now(),
                by=User.asking(request),
                why="bus_failed" if sorry else "called_off",
                sorry=sorry,
            )
        except Refusal as refusal:
            messages.error(request, f"{trip}: {refusal.message}")
        else:
            messages.success(request, _("%(trip)s is called off; everybody is told.") % {"trip": trip})


class Uses(ReadOnly, admin.TabularInline):
    """Who used a code for which pledge, latest first."""

    model = PromotionUse
    extra = 0
    ordering = ("-used_at",)
    fields = ("pledge", "rider", "saved_minor", "used_at", "given_back_at")
    readonly_fields = fields


@admin.register(Promotion)
class Promotions(admin.ModelAdmin):
    """Promotion codes, how often each was used and may be. One that was used is ended, not deleted."""

    list_display = (
        "code",
        "name",
        "takes_off",
        "uses",
        "max_uses",
        "valid_from",
        "valid_until",
        "event",
        "partner",
    )
    list_filter = ("partner",)
    list_select_related = ("event", "partner")
    search_fields = ("code", "name")
    autocomplete_fields = ("event", "partner")
    readonly_fields = ("uses",)
    inlines = (Uses,)

    @admin.display(description=_("takes off"))
    def takes_off(self, row: Promotion) -> str:
        """A share or a sum."""
        return f"{row.percent} %" if row.percent else str(row.amount)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What riders were told a code is worth does not change under them."""
        told = ("code", "percent", "amount_minor", "currency") if obj is not None and obj.uses else ()
        return ("uses", *told)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what nobody has used yet."""
        return obj is None or not obj.used_for.exists()


@admin.register(Friend)
class Friends(ReadOnly, admin.ModelAdmin):
    """Who was brought by whom, and what came of it."""

    list_display = ("friend", "inviter", "outcome", "came_at", "ridden_at")
    list_filter = ("outcome",)
    list_select_related = ("friend", "inviter")
    search_fields = ("friend__email", "inviter__email")
