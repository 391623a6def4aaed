"""The air between machines: bumble's controllers on one link, each driven by a host elsewhere.

Where bumble's controller is simpler than a real one in a way that matters here, it is mended here:
scan responses, the kind of scan, signal strength, reset, what was cancelled, a peer that has gone,
and the event that tells of a connection.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any, Final

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

_LENGTH: Final = struct.Struct("<H")
_PLUGGED_IN: Final = 0  # lengths that no packet has: guest/adapter.py
_PULLED_OUT: Final = 0xFFFF
_ACTIVE: Final = 1  # Core specification, 7.8.10 and 7.8.64: LE_Scan_Type
_EVENT: Final = hci.HCI_LE_Extended_Advertising_Report_Event.EventType
_CONNECTABLE: Final = (
    _EVENT.CONNECTABLE_ADVERTISING
    | _EVENT.SCANNABLE_ADVERTISING
    | _EVENT.LEGACY_ADVERTISING_PDU_USED
)
# 7.8.1, LE_Event_Mask: which event the host wants to hear of a new connection, and the default.
_WANTS_ENHANCED: Final = 1 << 9
_LE_EVENT_MASK: Final = 0x1F
USUAL_RSSI_DBM: Final = -50


class Air(LocalLink):
    """What one radio sends, all others hear."""

    def send_advertising_pdu(self, sender_controller: Any, packet: Any) -> None:
        """To everybody else, with what the sender would say to a scan request."""
        loop = asyncio.get_running_loop()
        for radio in [r for r in self.controllers if r is not sender_controller]:
            if isinstance(packet, ll.AdvInd | ll.AdvExtInd):
                loop.call_soon(radio.hear, packet, sender_controller)
            else:
                loop.call_soon(radio.on_ll_advertising_pdu, packet)

    def send_acl_data(
        self, sender_controller: Any, destination_address: Any, transport: Any, data: bytes
    ) -> None:
        """From the address that the connection was made with; bumble takes the random one."""
        if transport != PhysicalTransport.LE:
            super().send_acl_data(sender_controller, destination_address, transport, data)
            return
        connection = sender_controller.le_connections.get(destination_address)
        source = connection.self_address if connection else sender_controller.random_address
        receiver = self.find_le_controller(destination_address)
        if receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.on_link_acl_data, source, transport, data)


class Radio(Controller):
    """One controller. `rssi_dbm` is how loud the others hear it."""

    link: Any
    pending_le_connection: Any
    le_acl_data_packet_length = 251  # as today's radios: with bumble's 27 an answer is 20 packets

    def __init__(self, name: str, air: Air, address: str) -> None:
        super().__init__(
            name,
            link=air,
            public_address=hci.Address(address, hci.Address.PUBLIC_DEVICE_ADDRESS),
        )
        self.rssi_dbm = USUAL_RSSI_DBM

    def send_hci_packet(self, packet: Any) -> None:
        """To the host, of a new connection by the event that it asked for (7.7.65.10): Linux waits
        for no other, and after 4 s it cancels a connection that it has not heard of in this way.
        """
        is_plain = isinstance(packet, hci.HCI_LE_Connection_Complete_Event)
        if is_plain and self.le_event_mask & _WANTS_ENHANCED:
            packet = _enhanced(packet)
        super().send_hci_packet(packet)

    def hear(self, packet: Any, sender: Radio) -> None:
        """One advertisement of `sender`'s."""
        address = packet.advertiser_address
        if self.le_scan_enable:
            self._report(address, _CONNECTABLE, packet.data, sender.rssi_dbm)
            answer = sender.scan_response(address)
            if self.le_scan_type == _ACTIVE and answer:
                kind = _CONNECTABLE | _EVENT.SCAN_RESPONSE
                self._report(address, kind, answer, sender.rssi_dbm)
        pending = self.pending_le_connection
        if pending is not None and pending.peer_address == address:
            self.create_le_connection(address)

    def scan_response(self, address: Any) -> bytes:
        """What this radio answers to a scan request for `address`."""
        for each in self.advertising_sets.values():
            if each.address == address:
                return bytes(each.scan_response_data)
        return bytes(self.le_legacy_advertiser.scan_response_data)

    def _report(self, address: Any, kind: Any, data: bytes, rssi_dbm: int) -> None:
        report = hci.HCI_LE_Extended_Advertising_Report_Event.Report(
            event_type=kind,
            address_type=address.address_type,
            address=address,
            primary_phy=hci.Phy.LE_1M,
            secondary_phy=0,  # none: legacy advertising
            advertising_sid=0xFF,
            tx_power=0x7F,
            rssi=rssi_dbm,
            periodic_advertising_interval=0,
            direct_address_type=0,
            direct_address=hci.Address.ANY,
            data=data,
        )
        self.send_hci_packet(hci.HCI_LE_Extended_Advertising_Report_Event([report]))

    def on_hci_le_set_extended_scan_parameters_command(self, command: Any) -> Any:
        """bumble forgets which kind of scan it is."""
        self.le_scan_type = command.scan_types[0]
        return super().on_hci_le_set_extended_scan_parameters_command(command)

    def on_hci_le_create_connection_cancel_command(self, command: Any) -> Any:
        """bumble goes on with what was cancelled, and never says that it is over."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        over = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, over)
        return super().on_hci_le_create_connection_cancel_command(command)

    def on_hci_disconnect_command(self, command: Any) -> None:
        """bumble promises the end of a connection that is not there."""
        if self.find_connection_by_handle(command.connection_handle) is None:
            unknown = hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR
            self._send_hci_command_status(unknown, command.op_code)
        else:
            super().on_hci_disconnect_command(command)

    def on_hci_reset_command(self, command: Any) -> Any:
        """bumble resets nothing."""
        self.fall_silent()
        self.le_event_mask = _LE_EVENT_MASK
        return super().on_hci_reset_command(command)

    def leave(self) -> None:
        """Be gone from the air."""
        self.fall_silent()
        self.set_packet_sink(None)
        self.link.remove_controller(self)

    def fall_silent(self) -> None:
        """Advertise and scan no more, and drop every connection."""
        self.le_scan_enable = False
        self.pending_le_connection = None
        self.le_legacy_advertiser.stop()
        for each in self.advertising_sets.values():
            each.stop()
        self.advertising_sets.clear()
        for connection in list(self.le_connections.values()):
            reason = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
            peer = self.link.find_le_controller(connection.peer_address)
            theirs = peer and peer.le_connections.get(connection.self_address)
            if theirs:
                peer.on_le_disconnected(theirs, reason)
        self.le_connections.clear()


def _enhanced(plain: Any) -> Any:
    """The same in LE Enhanced Connection Complete: nobody here has a resolvable address."""
    return hci.HCI_LE_Enhanced_Connection_Complete_Event(
        status=plain.status,
        connection_handle=plain.connection_handle,
        role=plain.role,
        peer_address_type=plain.peer_address_type,
        peer_address=plain.peer_address,
        local_resolvable_private_address=hci.Address.ANY_RANDOM,
        peer_resolvable_private_address=hci.Address.ANY_RANDOM,
        connection_interval=plain.connection_interval,
        peripheral_latency=plain.peripheral_latency,
        supervision_timeout=plain.supervision_timeout,
        central_clock_accuracy=plain.central_clock_accuracy,
    )


class Adapter:
    """The radio of an adapter in a machine, by a serial port (guest/adapter.py). Pulled out and
    plugged in again it is a new one with the same address.
    """

    def __init__(self, air: Air, name: str, address: str) -> None:
        self._air = air
        self._name = name
        self.address = address
        self.rssi_dbm = USUAL_RSSI_DBM
        self._radio: Radio | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A machine.Plug."""
        try:
            while True:
                (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                if size in (_PLUGGED_IN, _PULLED_OUT):
                    self._unplug()
                    if size == _PLUGGED_IN:
                        self._plug_in(writer)
                    continue
                packet = await reader.readexactly(size)
                if self._radio is not None:
                    self._radio.on_packet(packet)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._unplug()
        finally:
            writer.close()

    def _plug_in(self, writer: asyncio.StreamWriter) -> None:
        self._radio = Radio(self._name, self._air, self.address)
        self._radio.rssi_dbm = self.rssi_dbm
        self._radio.set_packet_sink(_ToHost(writer))

    def _unplug(self) -> None:
        radio, self._radio = self._radio, None
        if radio is not None:
            radio.leave()


class _ToHost:
    """Where a controller's packets for its host go: to the machine."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def on_packet(self, packet: bytes) -> None:
        """A bumble TransportSink."""
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(packet)) + packet)
