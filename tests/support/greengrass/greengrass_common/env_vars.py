"""What the core tells a function by its environment, read once."""

import os

AUTH_TOKEN = os.getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
GG_DAEMON_PORT = os.getenv("GG_DAEMON_PORT", "8000")
MY_FUNCTION_ARN = os.getenv("MY_FUNCTION_ARN")
ROUTER_FUNCTION_ARN = os.getenv("ROUTER_FUNCTION_ARN")
SHADOW_FUNCTION_ARN = os.getenv("SHADOW_FUNCTION_ARN")
