"""The settings of ``[sync]``, ``[provisioning]`` and ``[outbox]``; see docs/settings.md."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from catalog.core.settings import Section, UserPath

WINDOW = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"  # local time


class SyncSettings(Section):
    """``[sync]``: where catalogues come from."""

    source: str = ""  # s3://bucket/prefix or file:///folder
    channel: str = "stable"
    root: UserPath | None = None  # the owner's root.json; needed once
    root_sha256: str = Field(  # or its digest: then it comes from the source
        default="", pattern="^([0-9a-f]{64})?$"
    )
    endpoint_url: str = ""  # of an S3-compatible store that is not AWS
    region: str = ""
    interval_s: int = Field(3600, ge=10)
    reserve_mb: int = Field(64, ge=0)  # stays free on the disk
    window: str = Field(
        default="01:00-05:00", pattern=WINDOW
    )  # the program itself is replaced in it
    catalogue_window: str = Field(default="00:00-00:00", pattern=WINDOW)  # and the catalogue
    share: bool = False  # put what was taught on this device into the source, for the owner
    credentials_endpoint: str = ""  # of AWS IoT, a host name; needs role_alias
    role_alias: str = ""


class ProvisioningSettings(Section):
    """``[provisioning]``: how this device gets its own certificate from AWS IoT.

    It shows a claim certificate, which many devices have; see docs/aws.md.
    """

    template: str = Field(  # of fleet provisioning; empty: certificates are given by hand
        default="", pattern="^[0-9A-Za-z_-]{0,36}$"
    )
    certificate: UserPath | None = None  # of the claim, X.509, PEM
    private_key: UserPath | None = None
    serial: str = Field(default="", pattern="^[0-9A-Za-z:_-]{0,80}$")  # empty: the machine's own
    erase_claim: bool = False  # remove the claim's two files, once this device has its own
    renew_days: float = Field(default=30.0, gt=0)  # before the end of the device's certificate
    max_age_days: float = Field(default=0.0, ge=0)  # of that certificate; 0: until it ends


class OutboxSettings(Section):
    """``[outbox]``: what is reported, how much of it is stored, and where it goes."""

    enabled: bool = True
    max_mb: float = Field(default=20.0, ge=1, le=100_000)
    max_age_days: float = Field(default=30.0, gt=0, le=3650)
    heartbeat_s: float = Field(default=300.0, ge=10)
    report_thumbnails: bool = False
    report_text: bool = False  # the words that were read on things
    report_features: bool = False  # the AWS sample's messages; billed each by 5 KB
    features_interval_s: float = Field(default=10.0, ge=1)
    features_topic: str = "$aws/things/{thing}/infer"  # of those messages; the sample's own

    # The transport; see docs/reporting.md.
    transport: Literal["auto", "mqtt", "greengrass-v1", "greengrass-v2", "file", "none"] = "auto"
    endpoint: str = ""  # of AWS IoT Core (xxx-ats.iot.REGION.amazonaws.com) or another broker
    port: int = Field(default=8883, ge=1, le=65535)  # 443 too, for IoT Core
    topic: str = "visual-search/{thing}/{kind}"
    rule: str = Field(
        default="", pattern="^[A-Za-z0-9_]*$"
    )  # of Basic Ingest, which saves a charge
    rate: float = Field(default=50.0, gt=0)  # messages a second; IoT Core takes 100
    window: int = Field(default=20, ge=1, le=100)  # messages under way
    patience_s: float = Field(
        default=20.0, gt=0
    )  # without an answer until the connection counts as lost
    home_assistant: bool = False  # announce the device to Home Assistant at the broker
    commands: bool = True  # are received on the topic of kind "commands"
    shadow: bool = False  # report the state to AWS IoT's named shadow, and obey it; by MQTT
    jobs: bool = False  # carry out AWS IoT Jobs; by MQTT
    reports_dir: UserPath = Path("reports")  # of transport "file"; relative to the data folder
    reports_mb: float = Field(default=10.0, gt=0)  # of each of its files
    reports_files: int = Field(default=10, ge=1)  # then events wait in the outbox
