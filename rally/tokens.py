"""Who a program is: the token in its `Authorization` header."""

from __future__ import annotations

from django.db import connection
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from rally import statements
from rally.models import User

#: In the table's order. The rest of an account (its password among it) is read when somebody asks for it.
_COLUMNS = [
    field.attname
    for field in User._meta.concrete_fields  # noqa: SLF001 - public in all but name
    if field.attname in {"id", "email", "name", "is_active", "is_staff", "is_superuser", "proven_address"}
]
_FIND = f"""
    SELECT {", ".join(f"person.{column}" for column in _COLUMNS)}
    FROM authtoken_token token JOIN rally_user person ON person.id = token.user_id
    WHERE token.key = %s
"""  # noqa: S608 - the columns are our own


class Tokens(TokenAuthentication):
    """`Authorization: Token …`, as the framework has it, by one small query written out.

    Each call of the API begins here; having the ORM put the query together costs four times as much as asking it.
    """

    def authenticate_credentials(self, key: str) -> tuple[User, str]:
        """The account behind the token, and the token. Raises `AuthenticationFailed` (401)."""
        row = statements.ask(_FIND, (key,)) if key.isalnum() else None
        if row is None:
            raise AuthenticationFailed(_("Invalid token."))
        user = User.from_db(connection.alias, _COLUMNS, row)
        if not user.is_active:
            raise AuthenticationFailed(_("User inactive or deleted."))
        return user, key
