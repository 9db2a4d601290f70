"""``[sync]`` and ``[outbox]``: where catalogues come from and where reports go."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from catalog.settings import Section


class SyncSettings(Section):
    """``[sync]``: where catalogues come from; see docs/settings.md."""

    source: str = ""  # s3://bucket/prefix or file:///folder
    channel: str = "stable"
    root: Path | None = None  # the root.json that the owner gave; needed once
    endpoint_url: str = ""  # of an S3-compatible store that is not AWS
    region: str = ""
    interval_s: int = Field(3600, ge=10)
    credentials_endpoint: str = ""  # AWS IoT's, host name; with role_alias
    role_alias: str = ""


class OutboxSettings(Section):
    """``[outbox]``: what is reported, how much is kept, and where it goes."""

    enabled: bool = True
    max_mb: float = Field(20.0, ge=1, le=100_000)
    max_age_days: float = Field(30.0, gt=0, le=3650)
    heartbeat_s: float = Field(300.0, ge=10)
    report_thumbnails: bool = False
    report_features: bool = False  # the AWS sample's messages; billed each by 5 KB
    features_interval_s: float = Field(10.0, ge=1)
