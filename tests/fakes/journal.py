"""A journal that remembers, to be asked what was told, and searched for what must never be."""

from __future__ import annotations

from blelockd.services.events import Event, EventKind


class RememberingJournal:
    """ports.Journal that keeps every event in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        """Keep `event`."""
        self.events.append(event)

    def kinds(self) -> list[EventKind]:
        """What happened, in order."""
        return [event.kind for event in self.events]

    def of(self, kind: EventKind) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if event.kind is kind]

    def reasons(self, kind: EventKind = EventKind.REFUSAL) -> list[str]:
        """The field `reason` of each event of that kind."""
        return [str(event.fields["reason"]) for event in self.of(kind)]

    def text(self) -> str:
        """Everything that a reader of the journal would see."""
        return "\n".join(
            f"{event.kind} {event.message} "
            + " ".join(f"{name}={value}" for name, value in event.fields.items())
            for event in self.events
        )
