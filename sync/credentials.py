"""Credentials for S3: from boto3's usual chain, or from AWS IoT for this device's certificate.

The credentials endpoint of AWS IoT answers a device certificate and a role alias with keys that
are valid for an hour (`AWS IoT Core, authorizing direct calls
<https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html>`_).
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from catalog.core.errors import MissingExtraError, SettingsError
from catalog.core.settings import DeviceSettings
from sync.errors import StoreBusyError, StoreError, StoreRefusedError, StoreUnreachableError
from sync.identity import Identity, identity_of
from sync.settings import SyncSettings

if TYPE_CHECKING:
    import boto3

TIMEOUT_S = 15.0


class TemporaryCredentials(BaseModel):
    """Temporary keys, as the endpoint names them; `expiration` in ISO 8601."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: str


class _Answer(BaseModel):
    credentials: TemporaryCredentials


class CredentialsEndpoint:
    """AWS IoT's credentials endpoint, asked with this device's certificate.

    Args:
        host: Its host name, as ``aws iot describe-endpoint --endpoint-type
            iot:CredentialProvider`` says.
        role_alias: Alias of the role that the keys are for.
        thing: The IoT thing's name.
        context: TLS with the device's certificate.
    """

    def __init__(self, host: str, role_alias: str, thing: str, context: ssl.SSLContext) -> None:
        self._host = host
        self._role_alias = role_alias
        self._thing = thing
        self._context = context

    def keys(self) -> TemporaryCredentials:
        """Request keys.

        Raises:
            StoreUnreachableError: The endpoint cannot be reached.
            StoreBusyError: It failed or is overloaded.
            StoreRefusedError: It refuses this device.
            StoreError: Its answer holds no keys.
        """
        url = f"https://{self._host}/role-aliases/{quote(self._role_alias, safe='')}/credentials"
        try:
            answer = httpx.get(
                url,
                headers={"x-amzn-iot-thingname": self._thing},
                verify=self._context,
                timeout=TIMEOUT_S,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise StoreUnreachableError(
                f"{self._host}: the credentials endpoint cannot be reached: {error}"
            ) from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise StoreBusyError(
                f"{self._host}: the credentials endpoint says {answer.status_code}"
            )
        if answer.status_code != 200:
            raise StoreRefusedError(
                f"{self._host}: no credentials for thing {self._thing!r} and role alias "
                f"{self._role_alias!r} ({answer.status_code}); is the certificate active, attached "
                "to the thing, and allowed iot:AssumeRoleWithCertificate?"
            )
        try:
            return _Answer.model_validate_json(answer.content).credentials
        except ValidationError as error:
            raise StoreError(f"{self._host}: its answer holds no credentials") from error


def boto3_session(settings: SyncSettings, device: DeviceSettings) -> boto3.Session | None:
    """Make a session with keys from the credentials endpoint; None where the settings name none.

    Raises:
        SettingsError: A setting for the endpoint is missing, or a certificate file is wrong.
        MissingExtraError: boto3 is not installed.
    """
    endpoint = credentials_endpoint(settings, device)
    if endpoint is None:
        return None
    try:
        import boto3
        import botocore.credentials
        import botocore.session
    except ImportError as error:
        raise MissingExtraError("an S3 store", "s3") from error
    # It logs a traceback for each error, and raises the error too.
    logging.getLogger("botocore.credentials").setLevel(logging.CRITICAL)

    def fetch() -> dict[str, str]:
        keys = endpoint.keys()
        return {
            "access_key": keys.access_key_id,
            "secret_key": keys.secret_access_key,
            "token": keys.session_token,
            "expiry_time": keys.expiration,
        }

    class Provider(botocore.credentials.CredentialProvider):
        METHOD = "iot-credentials-endpoint"

        def load(self) -> Any:
            return botocore.credentials.DeferredRefreshableCredentials(
                refresh_using=fetch, method=self.METHOD
            )

    core: Any = botocore.session.get_session()
    resolver = botocore.credentials.CredentialResolver([Provider()])
    core.register_component("credential_provider", resolver)
    return boto3.Session(botocore_session=core)


def credentials_endpoint(
    settings: SyncSettings, device: DeviceSettings
) -> CredentialsEndpoint | None:
    """Make the credentials endpoint that the settings name; None where they name none.

    Raises:
        SettingsError: A setting for the endpoint is missing, or a certificate file is wrong.
    """
    if not settings.credentials_endpoint:
        return None
    identity = identity_of(device)
    missing = [
        name
        for name, value in (
            ("[sync] role_alias", settings.role_alias),
            ("[device] certificate", identity.certificate),
            ("[device] private_key", identity.private_key),
        )
        if not value
    ]
    if missing:
        hint = ", or to be provisioned ([provisioning])" if identity.certificate is None else ""
        raise SettingsError(f"[sync] credentials_endpoint also needs {', '.join(missing)}{hint}")
    return CredentialsEndpoint(
        settings.credentials_endpoint,
        settings.role_alias,
        identity.thing,
        _context(identity, device.ca),
    )


def _context(identity: Identity, ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{ca}: [device] ca is no certificate: {error}") from error
    assert identity.certificate is not None
    try:
        context.load_cert_chain(identity.certificate, identity.private_key, lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"{identity.certificate} and {identity.private_key}: [device] certificate and "
            f"private_key are not a certificate and its key: {error}"
        ) from error
    return context
