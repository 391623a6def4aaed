"""What comes over version 2's service: INFO out, a message in, one answer out, to the writer.

Everything that a stranger can make us do is bounded, and paid for before the first seal is opened.
docs/protocol.md, REQ: the order of what is checked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.answer import GRID_MS
from blelockd.protocol.v2.challenges import Challenges
from blelockd.protocol.v2.enroll import SealedEnrolment
from blelockd.protocol.v2.enrolled import decode_card_request, write_card
from blelockd.protocol.v2.frames import Reassembler, frames
from blelockd.protocol.v2.headers import MessageType, RequestHeader, denied
from blelockd.protocol.v2.info import CHALLENGE_BYTES, Info
from blelockd.protocol.v2.request import SealedRequest
from blelockd.services.allowance import Allowance
from blelockd.services.events import EventKind
from blelockd.services.issuer.denials import Denial, Denials, OverLimit
from blelockd.services.issuer.enrolling import Enrolling
from blelockd.services.issuer.granting import Granting
from blelockd.services.issuer.identity import IssuerIdentity
from blelockd.services.issuer.provider import ProviderLimits
from blelockd.services.ports import CharacteristicWrite, Clock, Entropy, LinkDown, V2Peripheral
from blelockd.services.tally import Counted, Tally

MOST_CHALLENGES: Final = 256
"""So many who have read INFO may answer: more than connect while an honest guest answers."""
SEALS_PER_SECOND: Final = 100.0
SEALS_AT_ONCE: Final = 100
"""So many messages of strangers are looked into: each costs some 0.2 ms, and no RSA. What guests
are answered is rationed once it is known that they are guests: strangers cannot use that up, also
not under a guest's address, by which therefore nothing is rationed.
"""

_NOTIFICATION_HEADER_BYTES: Final = 3  # Bluetooth Core Vol 3, Part F, 3.4.7.1
_TIDY_SECONDS: Final = 0.5

_Serve = Callable[[], Awaitable[bytes]]


class Reception:
    """Takes messages of guests, and those who want to become one."""

    def __init__(
        self,
        identity: IssuerIdentity,
        granting: Granting,
        enrolling: Enrolling,
        denials: Denials,
        limits: ProviderLimits,
        tally: Tally,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._card = identity.card
        self._granting = granting
        self._enrolling = enrolling
        self._denials = denials
        self._tally = tally
        self._clock = clock
        self._entropy = entropy
        self._challenges = Challenges(MOST_CHALLENGES)
        self._limits: ProviderLimits | None = None
        self.limit(limits)

    def limit(self, limits: ProviderLimits) -> None:
        """Heed `limits` from now on. Where they differ from those before, what was counted and
        half received is forgotten.
        """
        if limits == self._limits:
            return
        self._limits = limits
        self._reassembler = Reassembler(limits.pending)
        self._seals = Allowance(SEALS_PER_SECOND, SEALS_AT_ONCE)

    def info(self, device: str) -> bytes:
        """INFO for that device, with the only challenge that it may answer from now on."""
        challenge = self._entropy(CHALLENGE_BYTES)
        self._challenges.give(device, challenge, self._clock.monotonic_seconds())
        ids = self._card.signing_key.issuer_id, self._card.seal_key.iek_id
        return Info(*ids, challenge, self._clock.now()).encode()

    def forget(self, device: str) -> None:
        """The device has gone."""
        self._challenges.forget(device)
        self._reassembler.forget(device)

    async def run(self, peripheral: V2Peripheral) -> None:
        """Send away who does not get on with a message, until cancelled."""
        while True:
            await self._send_away_late(peripheral)
            await self._clock.sleep(_TIDY_SECONDS)

    async def on_write(self, peripheral: V2Peripheral, write: CharacteristicWrite) -> None:
        """Take one value written to `peripheral`; when it completes a message, answer it."""
        await self._send_away_late(peripheral)
        try:
            message = self._reassembler.feed(
                write.device, write.value, self._clock.monotonic_seconds()
            )
        except Malformed:
            self._tally.count(Counted.MALFORMED_REQUEST)
            await peripheral.disconnect(write.device)
            return
        if message is not None:
            answer = await self._answer(write.device, message)
            await self._notify(peripheral, write, answer)

    async def _send_away_late(self, peripheral: V2Peripheral) -> None:
        for device in self._reassembler.expire(self._clock.monotonic_seconds()):
            self._tally.count(Counted.UNFINISHED_REQUEST)
            await peripheral.disconnect(device)

    async def _answer(self, device: str, message: bytes) -> bytes:
        received_seconds = self._clock.monotonic_seconds()
        answer = await self._served(device, message)
        if answer is None:
            await self._wait_for_grid(received_seconds)
            return denied(message)
        return answer

    async def _served(self, device: str, message: bytes) -> bytes | None:
        """The answer, None for a denial."""
        received, now_seconds = self._clock.now(), self._clock.monotonic_seconds()
        try:
            header, serve, kind = self._read(message, received)
            header.check_recipient(self._card.signing_key.issuer_id, self._card.seal_key.iek_id)
            self._challenges.spend(device, header.challenge, now_seconds)
        except Malformed:
            self._tally.count(Counted.MALFORMED_REQUEST)
            return None
        if not self._seals.take(now_seconds):
            self._tally.count(Counted.LIMITED_REQUEST)
            return None
        try:
            return await serve()
        except OverLimit:
            self._tally.count(Counted.LIMITED_REQUEST)
            return None
        except Denial as denial:
            await self._denials.keep(message, denial, kind)
            return None

    def _read(self, message: bytes, received: Instant) -> tuple[RequestHeader, _Serve, EventKind]:
        """What the message is, and who serves it; raises Malformed."""
        kind = RequestHeader.decode(message).kind
        if kind is MessageType.REQ:
            request = SealedRequest.decode(message)
            return (
                request.header,
                lambda: self._granting.answer(request, received),
                EventKind.SESSION_DENIED,
            )
        if kind is MessageType.ENROLL:
            enrolment = SealedEnrolment.decode(message)
            return (
                enrolment.header,
                lambda: self._enrolling.answer(enrolment),
                EventKind.ENROLMENT_DENIED,
            )
        header = decode_card_request(message)
        return header, lambda: self._show_card(message), EventKind.ENROLMENT_DENIED

    async def _show_card(self, message: bytes) -> bytes:
        return write_card(message, self._card)

    async def _wait_for_grid(self, received_seconds: float) -> None:
        """Time must not tell why somebody is denied."""
        step_seconds = GRID_MS / MS_PER_SECOND
        passed = self._clock.monotonic_seconds() - received_seconds
        await self._clock.sleep((passed // step_seconds + 1) * step_seconds - passed)

    async def _notify(
        self, peripheral: V2Peripheral, write: CharacteristicWrite, answer: bytes
    ) -> None:
        try:
            sized = frames(answer, write.mtu - _NOTIFICATION_HEADER_BYTES)
            await peripheral.notify(write.device, sized)
        except (LinkDown, Malformed):  # not subscribed, gone, or the MTU is too small
            self._tally.count(Counted.UNNOTIFIED_ANSWER)
