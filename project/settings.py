"""Every setting, read from the environment, with its type and default. docs/settings.md explains them."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from agents.llm.provider import VARIABLES
from memory import minilm
from memory.embeddings import default_embedding
from project import env
from tools.web.search import VARIABLES as SEARCH_VARIABLES

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(env.text("PERDURE_HOME", str(ROOT / ".perdure")))
VERSION = "0.1.0"

# Who may reach it ---------------------------------------------------------------------------------------------------

DEBUG = env.flag("PERDURE_DEBUG", False)
ALLOWED_HOSTS = list(env.words("PERDURE_ALLOWED_HOSTS", ("*",)))
CSRF_TRUSTED_ORIGINS = list(env.words("PERDURE_TRUSTED_ORIGINS"))
WEBSOCKET_ORIGINS = list(env.words("PERDURE_WEBSOCKET_ORIGINS"))
ADMIN_ENABLED = env.flag("PERDURE_ADMIN", True)


def _secret_key() -> str:
    """PERDURE_SECRET_KEY, or the key that the one-command start keeps in PERDURE_HOME."""
    kept = HOME / "secret-key"
    given = env.secret("PERDURE_SECRET_KEY")
    if given is None and not kept.exists():
        raise ImproperlyConfigured(
            "No secret key. Start with `./perdure up`, which makes one, or set PERDURE_SECRET_KEY to a long random text"
        )
    return given or kept.read_text().strip()


SECRET_KEY = _secret_key()
API_KEY_PEPPER = env.secret("PERDURE_KEY_PEPPER") or f"api-keys:{SECRET_KEY}"

# Postgres -----------------------------------------------------------------------------------------------------------

_POSTGRES_GUARDS = {
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    # Frees a conversation whose worker stands still inside a commit.
    "idle_in_transaction_session_timeout": "10s",
}


def _database(url: str) -> dict:
    given = conninfo_to_dict(url)
    options = " ".join(f"-c {name}={value}" for name, value in _POSTGRES_GUARDS.items())
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given.pop("dbname", "perdure"),
        "USER": given.pop("user", ""),
        "PASSWORD": given.pop("password", ""),
        "HOST": given.pop("host", ""),
        "PORT": given.pop("port", ""),
        "CONN_MAX_AGE": 0,
        # A look at each connection before each use would cost a round trip; agents/retry.py drops the dead ones.
        "CONN_HEALTH_CHECKS": False,
        "OPTIONS": {
            **given,
            "options": options,
            "pool": {
                "min_size": 1,
                "max_size": env.number("PERDURE_DATABASE_POOL", 10, minimum=2),
                "timeout": env.seconds("PERDURE_DATABASE_POOL_TIMEOUT", 20),
            },
        },
    }


DATABASE_URL = env.secret("DATABASE_URL", "postgresql:///perdure")
DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis protocol: hints, live streams, wake-ups. Nothing is lost without it. -------------------------------------------

REDIS_URL = env.secret("REDIS_URL", "redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT = "project.broker:Transport"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "steps"
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TIMEZONE = "UTC"

# The run machine ----------------------------------------------------------------------------------------------------

LEASE_SECONDS = env.seconds("PERDURE_LEASE", 30)
SWEEP_SECONDS = env.seconds("PERDURE_SWEEP", 5)
TOOL_SECONDS = env.seconds("PERDURE_TOOL_TIMEOUT", 60)
ALLOW_UNSAFE_TOOLS = env.flag("PERDURE_ALLOW_UNSAFE_TOOLS", False)
REPLY_SECONDS = env.seconds("PERDURE_REPLY_DEADLINE", 900)
ALLOW_TOOL_PACKAGES = env.flag("PERDURE_TOOL_PACKAGES", False)
TOOL_PACKAGE_INDEX = env.secret("PERDURE_TOOL_PACKAGE_INDEX")
TOOL_PACKAGE_STORE = HOME / "packages"
APPROVAL_SECONDS = env.seconds("PERDURE_APPROVAL_DEADLINE", 604800)  # a week
RUN_DEADLINE_SECONDS = env.seconds("PERDURE_RUN_DEADLINE", 3600)
STOP_GRACE_SECONDS = env.seconds("PERDURE_STOP_GRACE", 25)
WORKER_SLOTS = env.number("PERDURE_WORKER_SLOTS", 1000, minimum=1)
STREAM_RETENTION_SECONDS = 3 * 3600

# Models: agents/llm/provider.py says which variables there are --------------------------------------------------------

PROVIDER_SETTINGS = {name: value for name in VARIABLES if (value := env.secret(name))}
DEFAULT_MODEL = env.handle("PERDURE_DEFAULT_MODEL")
LLM_READ_TIMEOUT_SECONDS = env.seconds("PERDURE_LLM_READ_TIMEOUT", 300)
LLM_TOTAL_TIMEOUT_SECONDS = env.seconds("PERDURE_LLM_TOTAL_TIMEOUT", 900)

# Embeddings: docs/search.md -------------------------------------------------------------------------------------------

LOCAL_EMBEDDINGS = minilm.folder() if env.flag("PERDURE_LOCAL_EMBEDDINGS", True) else None
DEFAULT_EMBEDDING = default_embedding(env.text("PERDURE_EMBEDDING"), LOCAL_EMBEDDINGS)

# Files: docs/files.md -------------------------------------------------------------------------------------------------

LARGEST_FILE = env.number("PERDURE_FILE_SIZE", 25000000, minimum=1)  # bytes
LARGEST_BODY = 4 * LARGEST_FILE + 1_000_000
LARGEST_JSON = 20_000_000  # bytes: some pictures, as base64
FILE_SECONDS = env.seconds("PERDURE_FILE_TIMEOUT", 120)

# MCP servers: docs/mcp.md ---------------------------------------------------------------------------------------------

ALLOW_MCP_STDIO = env.flag("PERDURE_ALLOW_MCP_STDIO", False)
MCP_PRIVATE_HOSTS = list(env.hosts("PERDURE_MCP_PRIVATE_HOSTS"))

# The web, for agents: docs/tools.md -----------------------------------------------------------------------------------

WEB_PRIVATE_HOSTS = list(env.hosts("PERDURE_WEB_PRIVATE_HOSTS"))
SEARCH_SETTINGS = {name: value for name in SEARCH_VARIABLES if (value := env.secret(name))}

# Callbacks: docs/callbacks.md -----------------------------------------------------------------------------------------

CALLBACK_SECRET = env.secret("PERDURE_CALLBACK_SECRET")
CALLBACK_PRIVATE_HOSTS = list(env.hosts("PERDURE_CALLBACK_PRIVATE_HOSTS"))

# Django ---------------------------------------------------------------------------------------------------------------

PERDURE_APPS = list(env.words("PERDURE_APPS"))
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "channels",
    "accounts",
    "memory",
    "tools",
    "agents",
    "workers",
    "project",
    "django.contrib.admin",  # behind ours, whose templates go before its own
    *PERDURE_APPS,
]
MIDDLEWARE = [
    "project.http.ApiErrors",
    "project.middleware.SecurityForPages",
    "project.middleware.SessionForPages",
    "project.middleware.CommonForPages",
    "project.middleware.CsrfForPages",
    "project.middleware.AuthenticationForPages",
    "project.middleware.MessagesForPages",
    "project.middleware.FramesForPages",
]
ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = "project.formats"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
DATA_UPLOAD_MAX_MEMORY_SIZE = LARGEST_JSON

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["project.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["project.http.Body"],
    "EXCEPTION_HANDLER": "project.http.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "agents.api.openapi.generator.TableSchema",
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.1",
    "TITLE": "Perdure",
    "VERSION": VERSION,
    "DESCRIPTION": "Stateful agents whose turns survive anything. Spoken by letta-client 1.12.1 as it is.",
    "LICENSE": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
    "SERVERS": [{"url": "/"}],
    "POSTPROCESSING_HOOKS": [],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"class": "project.logs.Line", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("PERDURE_LOG_LEVEL", "WARNING")},
    "loggers": {name: {"level": "INFO"} for name in ("agents", "workers", "tools", "memory", "accounts", "project")},
}
