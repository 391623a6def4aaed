"""What is needed to reach a broker, and how its secret files are read: only if they are private."""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blelockd.adapters.mqtt.causes import Cause, CauseName, Unreachable, Where

PLAIN_PORT: Final = 1883
TLS_PORT: Final = 8883

_LARGEST_PASSWORD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """TLS 1.2 or later. `ca_file` None means the CAs that the system trusts.

    `certificate_file` and `key_file` (PEM) are this client's own, both or neither.
    Without `verify_host` the broker's certificate must be valid, but for any name.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    verify_host: bool = True


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where the broker is, who we are, and how patient we are.

    `client_id` must be this client's alone: the broker disconnects whoever has it already.
    A broker that stops answering is noticed within one and a half times `keepalive_seconds`.
    """

    client_id: str
    host: str = "localhost"
    port: int = PLAIN_PORT
    username: str | None = None
    password_file: Path | None = None
    tls: TlsSettings | None = None
    keepalive_seconds: int = 6
    connect_seconds: float = 10.0
    retry_first_seconds: float = 0.5
    retry_longest_seconds: float = 10.0

    @property
    def ping_seconds(self) -> int:
        """MQTT's Keep Alive. paho asks after it, and gives up after as long again."""
        return max(1, self.keepalive_seconds * 3 // 4)

    @property
    def where(self) -> Where:
        """The broker and ourselves, as causes name them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return Where(f"{host}:{self.port}", self.tls is not None, self.client_id)


def read_password(path: Path) -> str:
    """The first line of `path`; blocks on the file. Raises Unreachable with the remedy.

    The file must be a plain one that other users can neither read nor write: the group may
    read it, as systemd's credentials are (systemd.exec(5), LoadCredential=).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})", f"check {path}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unusable(path, "is not a plain file", "put the password into a plain file")
        if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            raise _unusable(path, "is open to other users", f"chmod 0600 {path}")
        content = os.read(descriptor, _LARGEST_PASSWORD_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _LARGEST_PASSWORD_BYTES:
        raise _unusable(path, "is too large", "put nothing but the password into it")
    return _first_line(path, content)


def _first_line(path: Path, content: bytes) -> str:
    try:
        line = content.decode("utf-8").split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        raise _unusable(path, "is not UTF-8 text", "put the password into it as text") from None
    if not line:
        raise _unusable(path, "has an empty first line", "put the password into its first line")
    return line


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """The context for one connection, read from the files anew so that renewed certificates
    count; blocks on the files. Raises Unreachable with the remedy.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ValueError) as error:
        raise _unusable(
            tls.ca_file, f"is no CA certificate ({_why(error)})", "give a PEM file"
        ) from error
    context.sslsocket_class = _TidySocket
    # Python 3.13 asks for extensions that home-made certificates lack: an upgrade of the system
    # must not cut the door off. Chain, dates and host name are checked as before.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = tls.verify_host
    if tls.certificate_file is not None:
        try:
            context.load_cert_chain(tls.certificate_file, tls.key_file, password=_no_password)
        except (OSError, ValueError) as error:
            raise _unusable(
                tls.certificate_file,
                f"cannot be used with {tls.key_file} ({_why(error)})",
                "give a PEM certificate and its unencrypted private key",
            ) from error
    return context


class _TidySocket(ssl.SSLSocket):
    """Closed when the handshake fails: paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _no_password() -> str:
    """OpenSSL would ask a terminal for the password of an encrypted key; a daemon has none."""
    raise ValueError("the key is encrypted")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not PEM"
    return getattr(error, "strerror", None) or str(error)


def _unusable(path: Path | None, what: str, remedy: str) -> Unreachable:
    return Unreachable(Cause(CauseName.LOCAL_FILE, f"{path} {what}", remedy))
