"""A reload tells what a running daemon takes, and what waits for a restart."""

from __future__ import annotations

from blelockd.config import Changes, IssuerConfig, LockConfig, changes


def lock(text: str = "") -> LockConfig:
    return LockConfig.from_yaml(f"lock_id: front\n{text}", "lock.yaml")


def test_nothing_changed() -> None:
    assert changes(lock(), lock("# a comment\n")) == Changes((), ())


def test_what_a_running_lock_takes_is_told_apart_from_what_waits_for_a_restart() -> None:
    new = lock(
        "rssi_threshold_dbm: -60\nadapter: hci1\nstrike: {hold_seconds: 2}\nmqtt: {host: broker}\n"
        "phones: {AA:BB:CC:DD:EE:FF: {}}\n"
    )

    assert changes(lock(), new) == Changes(
        reloadable=("rssi_threshold_dbm", "phones", "strike.hold_seconds"),
        need_restart=("adapter", "mqtt.host"),
    )


def test_a_section_that_comes_or_goes_is_one_change() -> None:
    tls = lock("mqtt: {tls: {}}")

    assert changes(lock(), tls).need_restart == ("mqtt.port", "mqtt.tls")
    assert changes(tls, lock()).need_restart == ("mqtt.port", "mqtt.tls")
    assert changes(tls, lock("mqtt: {tls: {ca_file: /ca}}")).need_restart == ("mqtt.tls.ca_file",)


def test_an_issuer_learns_of_a_new_lock_without_a_restart() -> None:
    old = IssuerConfig.from_yaml("locks: {front: }", "issuer.yaml")
    new = IssuerConfig.from_yaml("locks: {front: , back: }", "issuer.yaml")

    assert changes(old, new) == Changes(reloadable=("locks",), need_restart=())
