"""A larger refund by hand keeps smaller promises; which ones must be known, because it may come back."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A refund points at the one that kept it."""

    dependencies = [
        ("payments", "0010_know_the_same_card"),
    ]

    operations = [
        migrations.AddField(
            model_name="refund",
            name="kept_by",
            field=models.ForeignKey(
                help_text="the larger refund, made by hand, with which this one was paid",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="keeps",
                to="payments.refund",
            ),
        ),
    ]
