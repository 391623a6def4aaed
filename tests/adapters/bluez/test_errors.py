"""Whatever D-Bus, BlueZ or bleak say, a person learns what is wrong and what to do."""

from __future__ import annotations

import pytest
from bleak.exc import BleakDBusError, BleakError
from hypothesis import given
from hypothesis import strategies as st

from blelockd.adapters.bluez.errors import REMEDIES, BusRefusal, Cause, RadioDown, radio_down
from blelockd.services.ports import LinkDown


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        (
            "org.freedesktop.DBus.Error.ServiceUnknown",
            "The name is not activatable",
            "no-bluetoothd",
        ),
        ("org.freedesktop.DBus.Error.Spawn.ExecFailed", "", "no-bluetoothd"),
        ("org.freedesktop.DBus.Error.UnknownObject", "", "no-adapter"),
        (
            "org.freedesktop.DBus.Error.UnknownMethod",
            'Method "RegisterMonitor" with signature "o" on interface'
            ' "org.bluez.AdvertisementMonitorManager1" doesn\'t exist',
            "no-experimental",
        ),
        ("org.freedesktop.DBus.Error.UnknownMethod", 'Method "StartDiscovery"', "no-adapter"),
        ("org.freedesktop.DBus.Error.AccessDenied", "Rejected send message", "not-permitted"),
        ("org.freedesktop.DBus.Error.NoReply", "", "no-answer"),
        ("org.bluez.Error.NotReady", "Resource Not Ready", "adapter-off"),
        ("org.bluez.Error.Failed", "Not Powered", "adapter-off"),
        ("org.bluez.Error.Blocked", "Blocked through rfkill", "rfkill"),
        ("org.bluez.Error.InProgress", "Operation already in progress", "busy"),
        ("org.bluez.Error.Busy", "", "busy"),
        ("org.bluez.Error.NotPermitted", "Maximum advertisements reached", "no-room"),
        ("org.bluez.Error.NotPermitted", "Not Permitted", "refused"),
        ("org.bluez.Error.InvalidLength", "", "too-long"),
        ("org.bluez.Error.Failed", "le-connection-abort-by-local", "peer-gone"),
        ("com.example.Strange", "", "refused"),
    ],
)
def test_an_error_reply_has_one_cause_whichever_library_brought_it(
    name: str, text: str, cause: str
) -> None:
    assert radio_down(BusRefusal(name, text), "try").cause == cause
    assert radio_down(BleakDBusError(name, [text] if text else []), "try").cause == cause


def test_a_lost_bus_and_a_silent_bus_are_told_apart() -> None:
    assert radio_down(ConnectionResetError(), "call").cause is Cause.NO_BUS
    assert radio_down(EOFError(), "call").cause is Cause.NO_BUS
    silent = radio_down(TimeoutError(), "call StartDiscovery")
    assert silent.cause is Cause.NO_ANSWER
    assert silent.reason == "cannot call StartDiscovery: no answer in time"


def test_an_error_without_a_name_has_the_cause_that_its_caller_knows() -> None:
    error = BleakError("adapter 'hci7' not found")
    down = radio_down(error, "scan on hci7", otherwise=Cause.NO_ADAPTER)
    assert down.cause is Cause.NO_ADAPTER
    assert down.reason == "cannot scan on hci7: adapter 'hci7' not found"


def test_the_text_says_what_is_wrong_and_then_what_to_do() -> None:
    down = radio_down(BusRefusal("org.bluez.Error.NotReady", "Resource Not Ready"), "scan on hci0")
    assert isinstance(down, LinkDown)
    assert (
        str(down) == "cannot scan on hci0: Resource Not Ready: power it on: bluetoothctl power on"
        " (of several `select` the one before)"
    )


def test_every_cause_has_a_remedy() -> None:
    assert set(REMEDIES) == set(Cause)


def test_an_error_of_ours_stays_as_it_is() -> None:
    down = RadioDown(Cause.RFKILL, "hci0 is blocked by rfkill")
    assert radio_down(down, "anything") is down


@given(st.text(max_size=2000), st.text(max_size=2000))
def test_foreign_words_stay_short_and_on_one_line(name: str, text: str) -> None:
    down = radio_down(BusRefusal(name, text), "try")
    assert len(down.reason) < 200
    assert down.reason.removeprefix("cannot try: ").isprintable()
