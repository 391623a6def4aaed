"""Every trouble with the broker has a name, and a remedy that is true."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path

import pytest

from blelockd.adapters.mqtt import BrokerSettings, TlsSettings
from tests.fakes import bad_broker as bad
from tests.fakes.broker import Broker, Terms, running_broker
from tests.fakes.certificates import Authority, Credentials
from tests.fakes.parties import IMPATIENT, LockParty, at
from tests.fakes.waiting import running, until


async def complaint(settings: BrokerSettings) -> str:
    """What the lock says first when it cannot connect."""
    lock = LockParty(settings)
    async with running(lock.inbox.run()):
        await until(lambda: lock.links)
    up, detail = lock.links[0]
    assert not up
    assert "; " in detail  # what is wrong; what to do
    return detail


@dataclass(frozen=True)
class Trust:
    """Who vouches for whom in these tests."""

    authority: Authority
    broker: Credentials
    client: Credentials


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """An authority, a broker at 127.0.0.1, and a client."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    broker = authority.vouch_for("broker", address=Broker.host)
    return Trust(authority, broker, authority.vouch_for("client"))


def _tls_terms(trust: Trust, **more: bool) -> Terms:
    return Terms(
        ca_file=trust.authority.file,
        certificate_file=trust.broker.certificate_file,
        key_file=trust.broker.key_file,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def tls_broker(trust: Trust) -> Iterator[Broker]:
    """A broker that speaks TLS only."""
    with running_broker(_tls_terms(trust)) as broker:
        yield broker


@pytest.fixture(scope="module")
def strict_broker(trust: Trust) -> Iterator[Broker]:
    """A broker that wants a certificate of its clients."""
    with running_broker(_tls_terms(trust, client_certificate_required=True)) as broker:
        yield broker


def over_tls(broker: Broker, tls: TlsSettings) -> BrokerSettings:
    """The lock's settings for that broker."""
    return replace(at(broker, "lock"), tls=tls)


async def _connects(settings: BrokerSettings) -> None:
    lock = LockParty(settings)
    async with running(lock.inbox.run()):
        await until(lambda: lock.links)
        assert lock.up, lock.links


async def test_over_tls_the_lock_listens(tls_broker: Broker, trust: Trust) -> None:
    await _connects(over_tls(tls_broker, TlsSettings(trust.authority.file)))


async def test_over_tls_nothing_is_left_unread_that_came_in_one_record(trust: Trust) -> None:
    """What TLS has decrypted already, no event loop sees."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(trust.broker.certificate_file, trust.broker.key_file)
    async with bad.bad_broker(bad.ACCEPTS, bad.SAYS_ALL_AT_ONCE, tls=context) as port:
        tls = TlsSettings(trust.authority.file)
        settings = replace(IMPATIENT, client_id="lock", host=Broker.host, port=port, tls=tls)
        lock = LockParty(settings)
        async with running(lock.inbox.run()):
            await until(lambda: lock.messages == [b"a", b"b"], settings.connect_seconds / 2)


async def test_a_broker_nobody_vouches_for_is_not_trusted(
    tls_broker: Broker, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    detail = await complaint(over_tls(tls_broker, TlsSettings(other.file)))
    assert "is not trusted" in detail
    assert "check mqtt tls ca" in detail
    assert "is not trusted" in await complaint(over_tls(tls_broker, TlsSettings()))


async def test_a_certificate_for_another_host_is_not_trusted(
    tls_broker: Broker, trust: Trust
) -> None:
    by_name = replace(over_tls(tls_broker, TlsSettings(trust.authority.file)), host="localhost")
    assert "is not trusted" in await complaint(by_name)
    for_any_name = TlsSettings(trust.authority.file, verify_host=False)
    await _connects(replace(by_name, tls=for_any_name))


async def test_a_broker_that_wants_our_certificate_says_so(
    strict_broker: Broker, trust: Trust
) -> None:
    tls = TlsSettings(trust.authority.file)
    assert "set mqtt tls certificate and key" in await complaint(over_tls(strict_broker, tls))
    client = trust.client
    await _connects(
        over_tls(
            strict_broker,
            replace(tls, certificate_file=client.certificate_file, key_file=client.key_file),
        )
    )


async def test_a_broker_that_does_not_know_our_certificate_says_so(
    strict_broker: Broker, trust: Trust, tmp_path: Path
) -> None:
    foreign = Authority(tmp_path, "other").vouch_for("client")
    tls = TlsSettings(trust.authority.file, foreign.certificate_file, foreign.key_file)
    assert "refuses our client certificate" in await complaint(over_tls(strict_broker, tls))


async def test_the_wrong_kind_of_port_is_named(
    tls_broker: Broker, broker: Broker, trust: Trust
) -> None:
    assert "its TLS port needs mqtt tls" in await complaint(at(tls_broker, "lock"))
    tls = TlsSettings(trust.authority.file)
    assert "usually 8883" in await complaint(over_tls(broker, tls))


async def test_a_renewed_certificate_is_used_without_a_restart(
    trust: Trust, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.crt"
    ca_file.write_bytes(Authority(tmp_path, "outdated").file.read_bytes())
    with running_broker(_tls_terms(trust)) as broker:
        lock = LockParty(over_tls(broker, TlsSettings(ca_file)))
        async with running(lock.inbox.run()):
            await until(lambda: lock.links)
            assert not lock.up
            ca_file.write_bytes(trust.authority.file.read_bytes())
            await until(lambda: lock.up)


async def test_tls_files_that_cannot_be_used_are_named(
    tls_broker: Broker, trust: Trust, tmp_path: Path
) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no PEM at all")
    for ca_file in (tmp_path / "missing.pem", nonsense):
        detail = await complaint(over_tls(tls_broker, TlsSettings(ca_file)))
        assert detail.startswith(f"{ca_file} is no CA certificate")
    client = TlsSettings(trust.authority.file, trust.client.certificate_file, nonsense)
    assert "unencrypted private key" in await complaint(over_tls(tls_broker, client))
    other = TlsSettings(trust.authority.file, trust.client.certificate_file, trust.broker.key_file)
    assert "unencrypted private key" in await complaint(over_tls(tls_broker, other))


@pytest.fixture
def guarded_broker() -> Iterator[Broker]:
    """A broker that knows one user."""
    with running_broker(Terms(passwords={"lock_01": "right"})) as broker:
        yield broker


async def test_the_password_decides_and_is_read_anew_for_every_try(
    guarded_broker: Broker, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text("wrong\n")
    settings = replace(at(guarded_broker, "lock"), username="lock_01", password_file=file)
    lock = LockParty(settings)
    async with running(lock.inbox.run()):
        await until(lambda: lock.links)
        assert "refuses our credentials; check mqtt username and password_file" in lock.links[0][1]
        file.write_text("right\nnot the password\n")
        await until(lambda: lock.up)
    assert not any("wrong" in detail or "right" in detail for _, detail in lock.links)


async def test_no_credentials_where_some_are_needed_are_named(guarded_broker: Broker) -> None:
    assert "refuses our credentials" in await complaint(at(guarded_broker, "lock"))


async def test_a_broker_that_forbids_to_listen_is_named(tmp_path: Path) -> None:
    plugins = glob("/usr/lib/*/mosquitto_dynamic_security.so")
    if not plugins:
        pytest.skip("this mosquitto comes without its dynamic security plugin")
    rules = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False}
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"defaultACLAccess": rules}))
    terms = Terms(extra=f"plugin {plugins[0]}\nplugin_opt_config_file {file}")
    with running_broker(terms) as broker:
        detail = await complaint(at(broker, "lock"))
    assert "does not let us subscribe to locks/lock_01/session; allow this user" in detail


async def test_a_lock_that_may_not_say_that_it_is_there_works_and_says_why_it_is_not_seen() -> None:
    with running_broker(Terms(access="topic read #\n")) as broker:
        lock = LockParty(at(broker, "lock"))
        async with running(lock.inbox.run()):
            await until(lambda: lock.up)
    assert "but: " in lock.links[0][1]
    assert "publish to locks/lock_01/availability; allow this user" in lock.links[0][1]


async def test_a_host_that_does_not_exist_is_named() -> None:
    detail = await complaint(replace(IMPATIENT, client_id="lock", host="no-such-host.invalid"))
    assert "name in no-such-host.invalid:1883 cannot be resolved" in detail


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (bad.MUTE, "does not answer"),
        (bad.HANGS_UP, "closed the connection"),
        (bad.ONLY_MQTT_3, "does not speak MQTT 5"),
        (bad.IS_BUSY, "is busy; see its log"),
        (bad.SPEAKS_HTTP, "not MQTT 5"),
        (bad.BABBLES, "not MQTT 5"),
        (bad.MISCOUNTS, "not MQTT 5"),
    ],
    ids=["mute", "hangs-up", "mqtt-3", "busy", "http", "babbles", "miscounts"],
)
async def test_what_is_no_proper_broker_is_named(answer: bytes | None, expected: str) -> None:
    quick = replace(IMPATIENT, client_id="lock", host="127.0.0.1", connect_seconds=0.5)
    async with bad.bad_broker(answer) as port:
        assert expected in await complaint(replace(quick, port=port))
