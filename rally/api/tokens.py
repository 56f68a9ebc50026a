"""Tokens for programs."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authtoken.models import Token as TokenRow
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from rally.throttles import GuessRate


class Credentials(serializers.Serializer[Any]):
    """What proves who you are."""

    email = serializers.EmailField()
    password = serializers.CharField(max_length=256, trim_whitespace=False, write_only=True)


class TokenAnswer(serializers.Serializer[Any]):
    """The token for the `Authorization: Token …` header."""

    token = serializers.CharField()


class Token(APIView):
    """Exchange e-mail and password for a token."""

    permission_classes = [AllowAny]
    authentication_classes = []
    throttle_classes = [GuessRate]

    @extend_schema(request=Credentials, responses={200: TokenAnswer}, operation_id="auth_token")
    def post(self, request: Request) -> Response:
        """The same token each time, until it is revoked in the admin."""
        form = Credentials(data=request.data)
        form.is_valid(raise_exception=True)
        user = authenticate(
            request._request,  # noqa: SLF001 - backends want the request that Django knows
            email=form.validated_data["email"].lower(),
            password=form.validated_data["password"],
        )
        if user is None or not user.is_active:
            raise serializers.ValidationError({"password": [_("E-mail address and password do not match.")]})
        token, _fresh = TokenRow.objects.get_or_create(user=user)
        return Response({"token": token.key})
