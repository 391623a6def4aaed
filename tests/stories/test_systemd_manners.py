"""What systemd hears of a daemon: ready, how it is, alive, reloading, stopping."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml

from blelockd.virtual.stage import DaemonProcess
from tests.fakes.systemd import ListeningSystemd, listening_systemd
from tests.stories.play import FAR_DBM, NEAR_DBM, Play, playing

pytestmark = pytest.mark.timeout(120)


@asynccontextmanager
async def _watched(play: Play, daemon: DaemonProcess) -> AsyncIterator[ListeningSystemd]:
    """That daemon, started anew under a service manager with a watchdog of 3 s."""
    await daemon.stop()
    with listening_systemd(play.stage.directory) as systemd:
        await daemon.start(**systemd.environment(watchdog_seconds=3))
        yield systemd


def _rewrite(daemon: DaemonProcess, **changes: Any) -> None:
    settings = yaml.safe_load(daemon.config.read_text())
    settings.update(changes)
    daemon.config.write_text(yaml.safe_dump(settings))


@pytest.mark.parametrize("role", ["issuer", "lock", "guest"])
async def test_a_daemon_is_ready_says_how_it_is_lives_and_stops(role: str) -> None:
    async with playing() as play:
        daemon: DaemonProcess = getattr(play, role)
        async with _watched(play, daemon) as systemd:
            await systemd.hears("READY=1")
            status = await systemd.hears("STATUS=")
            assert "hci0" in status or "connected" in status
            beats = systemd.count("WATCHDOG=1")
            await asyncio.sleep(3)
            assert systemd.count("WATCHDOG=1") >= beats + 2
            assert await daemon.stop() == 0
            await systemd.hears("STOPPING=1")


async def test_the_status_names_what_is_down_and_the_watchdog_is_fed_meanwhile() -> None:
    async with playing() as play, _watched(play, play.lock) as systemd:
        await systemd.hears("READY=1")
        since = len(systemd.told)
        play.broker.kill()
        status = await _hears_containing(systemd, "broker down", since)
        assert "scan up" in status
        beats = systemd.count("WATCHDOG=1")
        await asyncio.sleep(3)
        assert systemd.count("WATCHDOG=1") >= beats + 2


async def _hears_containing(systemd: ListeningSystemd, words: str, since: int) -> str:
    async with asyncio.timeout(15):
        while True:
            systemd.count("STATUS=")
            for line in systemd.told[since:]:
                if line.startswith("STATUS=") and words in line:
                    return line
            await asyncio.sleep(0.05)


async def test_a_daemon_is_ready_though_bluetoothd_is_not_and_says_so() -> None:
    async with playing() as play:
        await play.hosts["lock"].kill_bluetoothd()
        async with _watched(play, play.lock) as systemd:
            await systemd.hears("READY=1", 20)
            await _hears_containing(systemd, "bluetoothd is not running", 0)


async def test_a_frozen_bluetoothd_is_noticed_and_named() -> None:
    async with playing() as play:
        await play.opens()
        pid = play.hosts["lock"].bluetoothd_pid
        assert pid is not None
        since = len(play.lock.events)
        os.kill(pid, signal.SIGSTOP)
        try:
            await play.lock.told("link-lost", 40, since=since, part="scan")
        finally:
            os.kill(pid, signal.SIGCONT)
        await play.lock.told("link-regained", 40, since=since, part="scan")
        await play.leave_and_return()


async def test_a_reload_changes_what_can_change_and_names_what_cannot() -> None:
    async with playing() as play, _watched(play, play.lock) as systemd:
        await systemd.hears("READY=1")
        _rewrite(play.lock, rssi_threshold_dbm=NEAR_DBM + 5, adapter="hci7")
        since, heard = len(play.lock.events), len(systemd.told)
        play.lock.signal(signal.SIGHUP)
        reloaded = await play.lock.told("reloaded", since=since)
        assert "rssi_threshold_dbm changed" in reloaded.message
        assert "restart to change adapter" in reloaded.message
        await systemd.hears("RELOADING=1", since=heard)
        await systemd.hears("MONOTONIC_USEC=", since=heard)
        await systemd.hears("READY=1", since=heard)
        play.walk_up()
        await play.stays_shut(5)


async def test_a_bad_file_leaves_the_running_configuration_in_force() -> None:
    async with playing() as play:
        await play.opens()
        good = play.lock.config.read_text()
        play.lock.config.write_text(good + "rssi_treshold_dbm: -60\n")
        refused = await play.reload_refused(play.lock)
        line = good.count("\n") + 1
        assert f":{line}" in refused.message or f"line {line}" in refused.message
        assert "rssi_threshold_dbm" in refused.message
        await play.leave_and_return()


async def test_a_reload_shuts_out_a_phone_that_stands_too_far_away_from_now_on() -> None:
    async with playing({"lock": {"rssi_threshold_dbm": FAR_DBM - 1}}) as play:
        play.walk_away()
        await play.opens()
        _rewrite(play.lock, rssi_threshold_dbm=-70)
        play.lock.signal(signal.SIGHUP)
        await play.lock.told("reloaded")
        since = len(play.lock.events)
        await play.lock.told("refusal", since=since, reason="too-far")
        await play.stays_shut(6)
