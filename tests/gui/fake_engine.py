"""An engine that plays a part: `-m tests.gui.fake_engine RUN NICE`, the part in SECATEUR_FAKE.

It speaks the protocol of the real one (events up, commands down) and journals like it.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from engine import events as ev
from engine.jsonio import loads
from engine.runs import RunFolder
from tests.gui import story

COMMANDS: queue.SimpleQueue[str] = queue.SimpleQueue()


def listen() -> None:
    """Collect commands; the pipe's end is the end."""
    for line in sys.stdin.buffer:
        COMMANDS.put(str(loads(line)["command"]))
    os._exit(1)


def write(line: bytes) -> None:
    """One line up the pipe."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


class Player:
    """Sends events, journals them, obeys."""

    def __init__(self, run: Path) -> None:
        self.folder = RunFolder(run)

    def send(self, *events: ev.Event) -> None:
        """Journal and send."""
        for event in events:
            self.folder.append(event)
            write(ev.dump_event(event))

    def whole(self) -> None:
        """The whole story; a model file appears at the end."""
        self.send(*story.beginning(), *story.middle())
        (self.folder.path / "checkpoints" / "trial-010.keras").write_bytes(b"model")
        (self.folder.path / "model.keras").write_bytes(b"model")
        self.send(*story.ending())

    def die(self) -> None:
        """Killed in the middle of a fine-tune."""
        sys.stderr.write("the last words of the engine\n")
        sys.stderr.flush()
        self.send(*story.beginning(), *story.middle())
        os.kill(os.getpid(), signal.SIGKILL)

    def resume(self) -> None:
        """What a resumed engine does: it begins again and ends."""
        self.send(story.beginning()[0], *story.ending())

    def again(self) -> None:
        """What an engine with a new goal does: it judges the trials again and ends."""
        job = self.folder.job()
        best = 8 if job.goal.tolerance > 0.015 else 10
        self.send(
            replace(story.beginning()[0], job=job),  # type: ignore[type-var]
            ev.GoalSet(goal=job.goal, first_trial=12, accepted=(6, 7, 8, 10), best=best),
            replace(  # type: ignore[type-var]
                story.beginning()[-1],
                tolerance=job.goal.tolerance,
                floor=0.932 - job.goal.tolerance,
            ),
            *story.ending()[1:],
        )

    def fail(self) -> None:
        """A user's error, told properly."""
        from engine.errors import ErrorInfo

        error = ErrorInfo(
            kind="UserError",
            code="data.no_labels",
            message="The file has no labels: fashion.npz.",
            hint="Add an array y_train.",
        )
        self.send(story.beginning()[0], ev.RunEnded(outcome="failed", error=error, seconds=0.1))

    def obey(self) -> None:
        """Work slowly; pause, resume and stop as told."""
        self.send(*story.beginning(), *story.middle())
        step = 130
        while True:
            try:
                command = COMMANDS.get(timeout=0.02)
            except queue.Empty:
                step += 1
                self.send(ev.BatchDone(trial=11, step=step, steps=10_000, loss=0.3))
                continue
            if command == "pause":
                self.send(ev.Paused())
                while (command := COMMANDS.get()) == "pause":
                    pass
                self.send(ev.Resumed())
            if command == "stop":
                self.send(ev.RunEnded(outcome="stopped", seconds=3.0))
                return

    def control(self) -> None:
        """The result is whole; train the control until told to stop."""
        *before, phase, _, end = story.ending()
        self.send(*story.beginning(), *story.middle(), *before, phase)
        self.send(ev.WorkEstimated(fine_tunes_left=0, seconds_left=1140.0))
        while COMMANDS.get() != "stop":
            pass
        self.send(ev.Warned(code="control.stopped", message="The control was stopped."), end)

    def hang(self) -> None:
        """Never say anything again, obey nothing."""
        self.send(*story.beginning())
        time.sleep(600)

    def flood(self) -> None:
        """Tens of thousands of batches as fast as they go, then the rest of the story."""
        self.send(*story.beginning(), *story.middle())
        line = ev.dump_event(ev.BatchDone(trial=11, step=1, steps=60_000, loss=0.5))
        head, tail = line.split(b'"step":1,')
        for start in range(1, 60_001, 100):
            block = b"".join(
                head + b'"step":%d,' % step + tail + b"\n" for step in range(start, start + 100)
            )
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        self.send(*story.ending())

    def storm(self) -> None:
        """10,000 events a second of kinds that are drawn or logged, for two seconds."""
        self.send(*story.beginning(), *story.middle())
        events = [
            ev.Warned(code="storm", message="Something is odd."),
            ev.PhaseStarted(phase="weights"),
            ev.WorkEstimated(fine_tunes_left=2, seconds_left=60.0),
            *story.batches(11, 2),
            *story.trial(12, "probe", 0.2, 0.0, 0.9, "probe_only", start="probe"),
        ]
        block = b"".join(ev.dump_event(event) + b"\n" for event in events)
        for _ in range(20):
            sys.stdout.buffer.write(block * (1000 // len(events)))
            sys.stdout.buffer.flush()
            time.sleep(0.1)
        self.send(*story.ending())

    def strange(self) -> None:
        """Noise, torn lines, NaN, unknown events and codes between the story's events."""
        write(b"W0000 some library talks")
        write(b'{"event": "FromTheFuture", "value": 3}')
        write(json.dumps({"event": "BatchDone", "trial": 1, "step": 1, "steps": 2}).encode())
        self.send(*story.beginning())
        write(b'{"event": "BatchDone", "trial": 1, "step": 1, "steps": 9, "loss": NaN}')
        write(b'{"event": "TrialDone", "trial": "x"}')
        write(b'{"event": "Trial')
        self.send(
            *story.trial(1, "fine_tune", 0.4, 0.0, 0.925, "a_new_code", start="another_new_code")
        )
        self.send(ev.RunEnded(outcome="not_met", seconds=1.0))


def main() -> None:
    """Play the part."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=listen, daemon=True).start()
    run = Path(sys.argv[1])
    part = os.environ.get("SECATEUR_FAKE", "whole")
    getattr(Player(run), part)()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
