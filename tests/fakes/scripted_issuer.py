"""An issuer of version 2 that answers whatever the test wants, with the published keys.

It reads each message as the real one would, and leaves what to answer to `answers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from blelockd.protocol.v2 import answer, enroll, enrolled
from blelockd.protocol.v2.answer import Granted, Refused, Times
from blelockd.protocol.v2.frames import Reassembler, frames
from blelockd.protocol.v2.headers import MessageType, RequestHeader
from blelockd.protocol.v2.invites import InviteSecret
from blelockd.protocol.v2.request import Request, SealedRequest
from blelockd.services.ports import CharacteristicWrite
from tests.fakes import enrolled as party
from tests.fakes.central import FakePeripheral
from tests.fakes.clock import NOON

AT_NOON: Final = replace(party.GRANTED, times=Times(NOON, NOON))
"""A grant by who answers at once, as long as no time passes."""

Answers = Callable[[bytes], list[bytes]]


class ScriptedIssuer:
    """`answers` makes, of each message, what is notified; `heard` are the messages so far."""

    def __init__(self, peripheral: FakePeripheral) -> None:
        self.peripheral = peripheral
        self.card = party.ISSUER_CARD
        self.signing_key = party.ISK
        self.info = party.INFO.encode()
        self.heard: list[bytes] = []
        self.answers: Answers = lambda message: [self.grant(message)]
        self._reassembler = Reassembler()
        peripheral.on_write = self._on_write
        peripheral.on_read = lambda _device: self.info

    async def _on_write(self, write: CharacteristicWrite) -> None:
        message = self._reassembler.feed(write.device, write.value, 0.0)
        if message is None:
            return
        self.heard.append(message)
        for said in self.answers(message):
            await self.peripheral.notify(write.device, frames(said, write.mtu - 3))

    def request(self, message: bytes) -> Request:
        """The REQ in `message`, which the guest must have signed."""
        return SealedRequest.decode(message).open(party.IEK).verify(party.GSK_PUBLIC)

    def grant(self, message: bytes, granted: Granted | None = None) -> bytes:
        """RSP with a grant."""
        return self._seal(granted or AT_NOON, message)

    def refuse(self, message: bytes, refused: Refused = party.REFUSED) -> bytes:
        """RSP with a refusal."""
        return self._seal(replace(refused, lock_id=self.request(message).lock_id), message)

    def _seal(self, said: Granted | Refused, message: bytes) -> bytes:
        guest = self.request(message).ephemeral
        return answer.write(said, message, guest, self.signing_key, party.fresh())

    def enrol(self, secret: InviteSecret) -> Answers:
        """Answers of an issuer that has that invite open: CARD, and ENROLLED."""

        def answers(message: bytes) -> list[bytes]:
            if RequestHeader.decode(message).kind is MessageType.ASK_CARD:
                return [enrolled.write_card(message, self.card)]
            opened = enroll.SealedEnrolment.decode(message).open(party.IEK)
            enrolment, keys = opened.verify(secret.key()), (party.ISK, party.IEK_PUBLIC)
            return [enrolled.write_enrolled(enrolment, message, secret.key(), keys, party.fresh())]

        return answers
