"""What the command line uses of the public API, and nothing else: tests put another one in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from localpair.choices import settings
    from localpair.choices.selection import PlannedEntry, Selection
    from localpair.choices.settings import Approver, Chooser
    from localpair.diagnosis.record import Finding, Report
    from localpair.events import AddressAttempt, Event
    from localpair.net.agent.gathering import AddressReport
    from localpair.pairing.attempt import Pairing
    from localpair.pairing.host import Hosting
    from localpair.pairing.listen import Listening
    from localpair.transfer.folder.housekeeping import KeptPart
    from localpair.transfer.pace import Pace
    from localpair.trust import store as trust
    from localpair.wire.offer import Offer


class Api(Protocol):
    """The part of the package ``localpair`` that is used here."""

    @property
    def Settings(self) -> Callable[..., settings.Settings]: ...  # noqa: N802 - a class over there
    @property
    def TrustStore(self) -> Callable[[], trust.TrustStore]: ...  # noqa: N802
    @property
    def Pace(self) -> Callable[[int], Pace]: ...  # noqa: N802
    def host(
        self, settings: settings.Settings, *, store: trust.TrustStore, approve: Approver, choose: Chooser
    ) -> AbstractAsyncContextManager[Hosting]: ...
    def join(
        self,
        offer: Offer | Awaitable[Offer],
        settings: settings.Settings,
        *,
        store: trust.TrustStore,
        approve: Approver,
    ) -> AbstractAsyncContextManager[Pairing]: ...
    def reach(
        self, device_id: str, settings: settings.Settings, *, store: trust.TrustStore
    ) -> AbstractAsyncContextManager[Pairing]: ...
    def listen(
        self, settings: settings.Settings, *, store: trust.TrustStore
    ) -> AbstractAsyncContextManager[Listening]: ...
    def discover(self, timeout: float) -> AsyncIterator[Event]: ...
    async def acquire_addresses(
        self, *, peer_wait: float, on_attempt: Callable[[AddressAttempt], None]
    ) -> AddressReport: ...
    def preview_files(self, paths: Sequence[Path], selection: Selection) -> Iterator[PlannedEntry]: ...
    def kept_parts(self, folder: Path) -> list[KeptPart]: ...
    def overdue_parts(self, parts: list[KeptPart]) -> list[KeptPart]: ...
    def remove_parts(self, folder: Path, parts: Iterable[KeptPart]) -> list[KeptPart]: ...
    async def diagnose(
        self, *, deadline: float, on_finding: Callable[[Finding], None], offer: Offer | None
    ) -> Report: ...


def installed() -> Api:
    """The package itself."""
    import localpair

    return localpair
