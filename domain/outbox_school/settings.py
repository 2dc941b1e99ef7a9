"""The settings of the school: environment variables beside those of the engine."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SchoolSettings(BaseSettings):
    """When the worker decides for a teacher who wrote what."""

    model_config = SettingsConfigDict(env_prefix="OUTBOX_", extra="ignore", frozen=True)

    association_timeout_hours: Annotated[
        float,
        Field(
            gt=0,
            le=10_000,
            description="hours after a suggestion until the worker decides for the teacher",
        ),
    ] = 24.0
    association_min_score: Annotated[
        float,
        Field(ge=0, le=1, description="score from which it then takes the suggested student"),
    ] = 0.7
