"""Which strike the configuration asks for."""

from __future__ import annotations

from blelockd.adapters.strike import CommandStrike, LogStrike, check_command
from blelockd.config import LockConfig, StrikeType
from blelockd.services.ports import Strike


def build_strike(config: LockConfig) -> Strike:
    """The strike of `config`; raises StrikeFailed when a command of it could not be run."""
    strike = config.strike
    if strike.type is StrikeType.LOG:
        return LogStrike()
    check_command(strike.command)
    if strike.secure_command:
        check_command(strike.secure_command)
    return CommandStrike(
        config.lock_id,
        strike.command,
        strike.secure_command,
        time_limit_seconds=strike.time_limit_seconds,
    )
