"""The whole config: its sections, and what of it had to stay open because a secret was not at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, PrivateAttr, SecretStr

from etl.config.document import Document, KeyPath
from etl.config.models import (
    Breaker,
    Destination,
    Limits,
    Root,
    Source,
    State,
    SubscriptionSection,
    WarehouseSource,
)
from etl.config.watching import Alarms, Metrics, Notify, ReportSection
from etl.core.errors import ConfigError

if TYPE_CHECKING:
    from etl.core.subscription import Subscription


class Config(Root):
    """A config file, validated and frozen. Relative paths and times are resolved; secrets print as stars.

    Secrets whose variable is not set stay open, so that ``map``, ``fields`` and plain ``check`` work without
    them: ask for them with ``require_token``, ``source_url`` and ``state_url``.
    """

    source: Source = Field(description="Where track events come from.")
    subscription_sections: tuple[SubscriptionSection, ...] = Field(
        alias="subscriptions",
        min_length=1,
        description="What becomes a usage event, and how: a list of at most 50 names.",
    )
    destination: Destination = Field(description="Metronome.")
    state: State = Field(default=State(), description="The database of what was sent.")
    limits: Limits = Field(
        default=Limits(), description="What to do about values beyond Metronome's undocumented limit."
    )
    breaker: Breaker = Field(default=Breaker(), description="When a run stops because too much is refused.")
    alarms: Alarms = Field(default=Alarms(), description="What `etl status --alarms` complains about.")
    metrics: Metrics = Field(default=Metrics(), description="Where the figures of a run go.")
    notify: Notify = Field(
        default=Notify(), description="Who is told when a run fails, and when the next one is complete again."
    )
    report: ReportSection = Field(
        default=ReportSection(), description="What a run's report shows beside the counts."
    )

    _document: Document = PrivateAttr(default_factory=lambda: Document("the config"))

    @property
    def path(self) -> Path:
        """The config file, as it was named."""
        return Path(self._document.path)

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """What the transform takes, in the order of the file; versions of one subscription share a name."""
        return tuple(section.subscription for section in self.subscription_sections)

    @property
    def renamed(self) -> dict[str, str]:
        """New name → old name of renamed subscriptions."""
        return {section.name: section.was for section in self.subscription_sections if section.was}

    @property
    def beside(self) -> dict[str, frozenset[str]]:
        """Name → the names, or pipelines, whose events it bills once more on purpose."""
        found: dict[str, frozenset[str]] = {}
        for section in self.subscription_sections:
            found[section.name] = found.get(section.name, frozenset()) | {*(section.beside or ())}
        return found

    def where(self, *key: str | int) -> str:
        """``configs/prod.yml:14: subscriptions[0].trigger``, for messages about ``key``."""
        return self._document.where(key)

    def require_token(self) -> str:
        """Metronome's bearer token; raises ``ConfigError`` when it was not at hand."""
        return self._required(self.destination.api_token, ("destination", "api_token"))

    def source_url(self) -> str:
        """The warehouse's URL; raises ``ConfigError`` when it was not at hand, or the source has none."""
        url = self.source.url if isinstance(self.source, WarehouseSource) else None
        return self._required(url, ("source", "url"))

    def proxy(self) -> str | None:
        """The proxy that leads to Metronome, if one is named; raises ``ConfigError`` when it was not at hand."""
        key = ("destination", "proxy")
        if self.destination.proxy is None and key not in self._document.missing:
            return None
        return self._required(self.destination.proxy, key)

    def state_url(self) -> str:
        """The state database's URL, a SQLite path absolute; raises ``ConfigError`` as the others do."""
        return self._required(self.state.url, ("state", "url"))

    @property
    def webhook_is_missing(self) -> bool:
        """Whether ``notify.webhook`` is asked for, but was not at hand."""
        return ("notify", "webhook") in self._document.missing

    def _required(self, secret: SecretStr | None, key: KeyPath) -> str:
        if secret is None:
            raise ConfigError(f"{self._document.where(key)} {self._document.missing.get(key, 'is missing')}")
        return secret.get_secret_value()
