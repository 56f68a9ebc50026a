"""What a partner has of our fee for a trip is agreed when the trip is confirmed, and does not change with the agreement."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

#: Trips that go and are not paid out get what the agreement says today, as they would have without this.
KEEP = """
UPDATE trips_trip trip SET partner_id = partner.id, partner_percent = partner.share_percent
FROM trips_event event JOIN trips_partner partner ON partner.id = event.partner_id
WHERE event.id = trip.event_id AND trip.state IN ('confirmed', 'under_way', 'completed')
"""


class Migration(migrations.Migration):
    """Who, and how much."""

    dependencies = [
        ("trips", "0007_those_who_wait_come_first"),
    ]

    operations = [
        migrations.AddField(
            model_name="trip",
            name="partner",
            field=models.ForeignKey(
                editable=False,
                help_text="who has a part of our fee; as the event said when the trip was confirmed",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="trips.partner",
            ),
        ),
        migrations.AddField(
            model_name="trip",
            name="partner_percent",
            field=models.PositiveSmallIntegerField(
                default=0, editable=False, help_text="that part; as agreed when the trip was confirmed"
            ),
        ),
        migrations.RunSQL(KEEP, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="trip",
            constraint=models.CheckConstraint(
                name="trip_partner_share_fits",
                condition=Q(partner_percent=0) | Q(partner__isnull=False, partner_percent__lte=100),
            ),
        ),
    ]
