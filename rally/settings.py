"""Settings, all from the environment. A wrong or insecure one stops the start with a sentence that says what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import unquote

import environ
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from whitenoise.compress import Compressor

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

#: production | demo | test | development. Production is the default: forgetting it must not open a door.
MODE = env.str("RALLY_MODE", "production")
if MODE not in {"production", "demo", "test", "development"}:
    raise ImproperlyConfigured(f"RALLY_MODE is {MODE!r}; use production, demo, test or development.")
PRODUCTION, DEMO, TEST = MODE == "production", MODE == "demo", MODE == "test"
DEBUG = MODE == "development" and env.bool("DEBUG", True)


def required(name: str, example: str, elsewhere: str = "") -> str:
    """A setting that production must be given; other modes may do with `elsewhere`."""
    value = env.str(name, "")
    if value:
        return str(value)
    if PRODUCTION:
        raise ImproperlyConfigured(f"Set {name} in the environment, for example {name}={example}")
    return elsewhere


STATE_DIR = Path(env.str("RALLY_STATE_DIR", str(BASE_DIR / ".rally")))
SECRET_KEY = required("SECRET_KEY", "$(openssl rand -base64 48)", "not-a-secret-" + MODE + "-only" * 8)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]", "testserver"]
)
if PRODUCTION and not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "Set ALLOWED_HOSTS in the environment, for example ALLOWED_HOSTS=rally.example"
    )
if PRODUCTION and "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS=* lets anybody forge links in our mails; name the hosts.")
if PRODUCTION and len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("SECRET_KEY is too short; use 50 characters or more.")
#: Where links in mails and at the payment provider lead.
SITE_URL = required("SITE_URL", "https://rally.example", "http://127.0.0.1:8000").rstrip("/")
if PRODUCTION and not SITE_URL.startswith("https://"):
    raise ImproperlyConfigured("SITE_URL must begin with https:// in production.")
#: Where the source of the running version can be had: the licence promises it to every user of the service.
SOURCE_URL = required("SOURCE_URL", "https://git.rally.example/rally", "")
#: Who sells the seats: name and address, parted by `|`, as they stand on receipts and statements.
SELLER = [
    line.strip()
    for line in required(
        "SELLER", "'Rally Coaches Inc.|1 Main Street|Chicago, IL 60601'", "Rally (test)"
    ).split("|")
]
CSRF_TRUSTED_ORIGINS = [SITE_URL] if PRODUCTION else []

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "template_partials",
    "pgtrigger",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rally.apps.RallyConfig",
    "payments.apps.PaymentsConfig",
    "trips.apps.TripsConfig",
    "operators.apps.OperatorsConfig",
]
MIDDLEWARE = [
    "rally.middleware.request_id",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "csp.middleware.CSPMiddleware",
]
ROOT_URLCONF = "rally.urls"
WSGI_APPLICATION = "rally.wsgi.application"
ASGI_APPLICATION = "rally.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "rally.context.page",
            ],
        },
    }
]

# --- data

DATABASE_URL = required("DATABASE_URL", "postgres://rally:secret@db/rally")
if not DATABASE_URL:
    raise ImproperlyConfigured(
        "No database: start it with `python3 manage.py demo`, `servers` or `test`, or set DATABASE_URL."
    )
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
#: A socket folder stands in the address as an escaped host: postgres://rally@%2Frun%2Fpostgresql/rally
DATABASES["default"]["HOST"] = unquote(DATABASES["default"]["HOST"])
if "postgresql" not in DATABASES["default"]["ENGINE"]:
    raise ImproperlyConfigured(
        "DATABASE_URL must be a PostgreSQL address: seats and money rest on its locks."
    )
#: Sessions wait for a lock at most this long, so that one stuck transaction cannot stop the shop.
_PG_OPTIONS = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    "options": _PG_OPTIONS,
    # Tests open and drop databases; a pool would hold them open.
    **({} if TEST else {"pool": {"min_size": 1, "max_size": env.int("DB_POOL", 16), "timeout": 15}}),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = required("REDIS_URL", "redis://broker:6379/0", "redis://127.0.0.1:6379/0")
CACHES = {
    "default": {"BACKEND": "rally.caches.OwnCache"}
    if TEST
    else {"BACKEND": "rally.caches.SharedCache", "LOCATION": REDIS_URL}
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

# --- background work

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 10, "max_retries": 1}
CELERY_TASK_ALWAYS_EAGER = TEST
CELERY_TASK_EAGER_PROPAGATES = TEST
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_DEFAULT_QUEUE = "rally"
#: Sweeps find due rows; no work depends on a message that may be lost. Seconds between two sweeps.
_SWEEP = 2.0 if DEMO else 15.0
CELERY_BEAT_SCHEDULE = {
    name: {"task": name, "schedule": seconds, "options": {"expires": max(10.0, seconds * 2)}}
    for name, seconds in {
        "rally.deliver_notices": _SWEEP,
        "rally.heartbeat": 10.0,
        "rally.forget_old_answers": 3600.0,
        "payments.run_operations": _SWEEP,
        "payments.read_inbox": _SWEEP,
        "payments.poll_events": 20.0 if DEMO else 60.0,
        "payments.announce": _SWEEP,
        "payments.check_holds": 60.0,
        "payments.send_transfers": 30.0,
        "payments.send_evidence": 600.0,
        "payments.reconcile_light": 900.0,
        "payments.hand_back_due": 60.0,
        "payments.correct_invoices": 600.0,
        "trips.expire_drafts": 30.0,
        "trips.settle_due": _SWEEP,
        "trips.remind": 60.0,
        "trips.close_fares": 60.0,
        "operators.sweep_runs": 60.0,
    }.items()
}
for name, hour in {"payments.reconcile_full": 4, "payments.desk_digest": 7}.items():
    CELERY_BEAT_SCHEDULE[name] = {"task": name, "schedule": crontab(hour=str(hour), minute="0")}
if DEMO:
    CELERY_BEAT_SCHEDULE["payments.pump_sandbox"] = {"task": "payments.pump_sandbox", "schedule": 2.0}

# --- people

AUTH_USER_MODEL = "rally.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = (
    ["django.contrib.auth.hashers.MD5PasswordHasher"]
    if TEST
    else [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.ScryptPasswordHasher",
    ]
)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_REDIRECT_URL = "trips:rides"
LOGIN_URL = "account_login"
ACCOUNT_ADAPTER = "rally.accounts.Adapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "rally.accounts.NameForm"
ACCOUNT_FORMS = {"add_email": "rally.forms.AddressForm", "request_login_code": "rally.forms.CodeForm"}
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if PRODUCTION else "http"
#: Several ways in share one address on a test machine; the limits themselves are tested.
if TEST:
    ACCOUNT_RATE_LIMITS = False
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION

# --- pages

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(BASE_DIR / ".static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TEST or DEBUG
        else "rally.static_files.PackedFiles"
    },
}
WHITENOISE_USE_FINDERS = TEST or DEBUG
#: Look for a file when it is asked for. Otherwise all are listed at the start, which each test's client would do again.
WHITENOISE_AUTOREFRESH = TEST or DEBUG
#: Source maps are for developers' tools; compressing them takes longer than everything else together.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
LANGUAGE_CODE = "en-us"
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", True) else None
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
#: Optional raster tiles over the shipped base map; public tile servers forbid heavy use, so none by default.
TILE_URL = env.str("TILE_URL", "")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", *([TILE_URL.split("{", 1)[0].rstrip("/")] if TILE_URL else [])],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [NONE],
        # A form may end, by redirect, at the provider's hosted checkout.
        "form-action": [SELF, "https://checkout.stripe.com", "https://connect.stripe.com"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

# --- API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rally.tokens.Tokens",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rally.rest.OnlyJson",
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "rally.rest.answer_errors",
    "DEFAULT_THROTTLE_CLASSES": ["rally.throttles.Rate"],
    "DEFAULT_THROTTLE_RATES": {
        "anon": env.str("API_RATE_ANON", "120/min"),
        "user": env.str("API_RATE_USER", "600/min"),
        "token": env.str("API_RATE_TOKEN", "10/min"),
    },
    "NUM_PROXIES": env.int("NUM_PROXIES", 1 if PRODUCTION else 0),
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Rally API",
    "DESCRIPTION": "Crowd-powered bus trips: search, propose, pledge, run.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "TripState": "trips.states.TripState",
        "PledgeState": "trips.states.PledgeState",
        "EventState": "trips.models.events.EventState",
        "RunState": "operators.states.RunState",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- money

STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", "")
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRETS", default=[])
STRIPE_BASE_ADDRESSES = env.json("STRIPE_BASE_ADDRESSES", default={})
STRIPE_VERSION = "2026-09-30.endive"
#: Tags idempotency keys and provider objects, so that two installations never mix up theirs.
INSTALL = env.str("RALLY_INSTALL", MODE)
SANDBOX_PATH = STATE_DIR / "sandbox.sqlite3"
SANDBOX = not STRIPE_SECRET_KEY
if PRODUCTION and SANDBOX and not env.bool("ALLOW_SANDBOX_PAYMENTS", False):
    raise ImproperlyConfigured(
        "Set STRIPE_SECRET_KEY; or, knowing that no money moves, ALLOW_SANDBOX_PAYMENTS=1."
    )
if STRIPE_SECRET_KEY.startswith("sk_live_") and not env.bool("STRIPE_LIVE", False):
    raise ImproperlyConfigured(
        "STRIPE_SECRET_KEY is a live key: set STRIPE_LIVE=1 to say that real money may move."
    )
if STRIPE_SECRET_KEY and PRODUCTION and not STRIPE_WEBHOOK_SECRETS:
    raise ImproperlyConfigured("Set STRIPE_WEBHOOK_SECRETS (comma separated) to verify what Stripe sends.")
if not STRIPE_WEBHOOK_SECRETS:
    STRIPE_WEBHOOK_SECRETS = ["whsec_sandbox"] if SANDBOX else []

# --- demo: the only mode whose clock moves

CLOCK_FILE = str(STATE_DIR / "clock.json") if DEMO else ""

# --- mail

if TEST:
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
elif PRODUCTION:
    EMAIL_BACKEND = env.str("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
    vars().update(
        env.email_url_config(required("EMAIL_URL", "smtp+tls://user:secret@mail:587"))
    ) if not env.str("EMAIL_BACKEND", "") else None
    ANYMAIL = env.json("ANYMAIL", default={})
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = STATE_DIR / "mail"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "Rally <rides@rally.example>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- logs: one JSON object a line, no personal data

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "rally.logs.RequestId"}},
    "formatters": {"json": {"()": "rally.logs.JsonLines"}},
    "handlers": {
        "lines": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "filters": ["request_id"],
            "stream": sys.stderr,
        }
    },
    "root": {"handlers": ["lines"], "level": env.str("LOG_LEVEL", "WARNING" if TEST else "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "httpx": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
    },
}
