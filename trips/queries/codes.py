"""A code as a drawing that a camera reads."""

from __future__ import annotations

import segno
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _


def qr(code: str) -> SafeString:
    """The code as an inline SVG, without inline styles; error correction Q for scratched screens and rain."""
    drawn = segno.make(code, error="q", micro=False)
    rows = list(drawn.matrix)
    size = len(rows)
    dark = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, module in enumerate(row) if module
    )
    return format_html(
        '<svg class="qr" viewBox="-4 -4 {side} {side}" role="img" aria-label="{label}" shape-rendering="crispEdges">'
        '<path fill="#fff" d="M-4 -4h{side}v{side}h-{side}z"/><path fill="#000" d="{dark}"/></svg>',
        side=size + 8,
        dark=dark,
        label=_("Boarding code as a QR code"),
    )
