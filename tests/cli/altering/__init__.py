"""An application whose migration takes the table of events for itself."""

from __future__ import annotations

from typing import Final

from outbox_worker.application import Application, Statements

application: Final = Application("altering", sql=Statements(__name__))
