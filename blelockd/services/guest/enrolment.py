"""How a guest enrols with an invite: it tells its key, and pins the issuer that proves the invite.

A scanned or pasted invite names the issuer; who types a code asks for the issuer's card first, and
believes it when ENROLLED proves the invite.
"""

from __future__ import annotations

from blelockd.protocol.v2 import enroll, enrolled
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.ec_keys import EphemeralKey, GuestSigningKey, IssuerSealPublic
from blelockd.protocol.v2.enroll import Newcomer
from blelockd.protocol.v2.headers import MessageType, RequestHeader, req_id
from blelockd.protocol.v2.info import Info
from blelockd.protocol.v2.invites import Invite, InviteSecret, is_typed
from blelockd.protocol.v2.request import NONCE_BYTES
from blelockd.services.guest.dialogue import Dialogue, Issuer
from blelockd.services.guest.provisioning import Obstacle, Progress, ProvisioningFailed
from blelockd.services.guest.provisioning_v2 import SEED_BYTES
from blelockd.services.ports import Entropy


def invite_in(text: str) -> Invite | InviteSecret:
    """What somebody scanned, pasted or typed; raises Malformed with what is wrong with it."""
    return InviteSecret.from_typed(text) if is_typed(text) else Invite.parse(text)


class Enrolment:
    """Enrols one guest, once."""

    def __init__(self, issuer: Issuer, own_key: GuestSigningKey, entropy: Entropy) -> None:
        self._issuer = issuer
        self._own_key = own_key
        self._entropy = entropy

    async def enrol(
        self,
        code: Invite | InviteSecret,
        trusted: IssuerCard | None,
        label: str,
        progress: Progress,
    ) -> IssuerCard:
        """The issuer to pin: `trusted`, where there is one. `label` names this device to people.

        Raises ProvisioningFailed.
        """
        trace = ""
        try:
            async with self._issuer.conversation(progress) as dialogue:
                info = await dialogue.info()
                _check_trusted(info, trusted)
                seal_key = await self._seal_key(info, code, dialogue, progress)
                progress("showing the invite, and this guest's key")
                header = RequestHeader.to(await dialogue.info(), MessageType.ENROLL)
                enrolling = self._write(header, code, label, seal_key)
                trace = req_id(enrolling.request).hex()
                invite = code if isinstance(code, Invite) else None
                answered = await dialogue.ask(
                    enrolling.request, lambda raw: enrolled.read_enrolled(raw, enrolling, invite)
                )
                return answered.said
        except ProvisioningFailed as failure:
            failure.trace = trace
            raise

    async def _seal_key(
        self, info: Info, code: Invite | InviteSecret, dialogue: Dialogue, progress: Progress
    ) -> IssuerSealPublic:
        if isinstance(code, Invite):
            _check_invited(info, code)
            return code.seal_key
        progress("asking for the issuer's card")
        asking = enrolled.write_card_request(info)
        card = await dialogue.ask(asking, lambda raw: enrolled.read_card(raw, asking, info))
        return card.said.seal_key

    def _write(
        self,
        header: RequestHeader,
        code: Invite | InviteSecret,
        label: str,
        seal_key: IssuerSealPublic,
    ) -> enroll.Enrolling:
        secret = code.secret if isinstance(code, Invite) else code
        ephemeral = EphemeralKey.derive(self._entropy(SEED_BYTES))
        newcomer = Newcomer(self._own_key, ephemeral, self._entropy(NONCE_BYTES), label)
        return enroll.write(header, newcomer, secret.key(), seal_key, self._entropy(SEED_BYTES))


def _check_invited(info: Info, invite: Invite) -> None:
    if (info.issuer_id, info.iek_id) != (invite.issuer_id, invite.seal_key.iek_id):
        reason = "this is another issuer than the one that invited"
        raise ProvisioningFailed(reason, Obstacle.OTHER_ISSUER)


def _check_trusted(info: Info, trusted: IssuerCard | None) -> None:
    if trusted is not None and info.issuer_id != trusted.signing_key.issuer_id:
        reason = "this is another issuer than the one that this guest trusts already"
        raise ProvisioningFailed(reason, Obstacle.OTHER_ISSUER)


def label_in(text: str) -> str:
    """`text` as far as a label goes: what is printable of it, at most 32 bytes."""
    printable = "".join(character for character in text if character.isprintable())
    raw = printable.encode()[: enroll.LONGEST_LABEL_BYTES]
    return raw.decode(errors="ignore")
