"""An engine that replays a run's journal: `-m tests.bench.replay RUN NICE`.

SECATEUR_REPLAY names the journal, SECATEUR_REPLAY_UNTIL how many events to send before it holds
(all without it), SECATEUR_REPLAY_RATE how many a second (as fast as they go without it). It ends
when told to stop, when its parent is gone, or after the journal's own end.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from engine import events as ev


def main() -> None:
    """Send the journal's lines, then hold."""
    told = threading.Event()

    def listen() -> None:
        for line in sys.stdin.buffer:
            if b'"stop"' in line:
                told.set()
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    lines = Path(os.environ["SECATEUR_REPLAY"]).read_bytes().splitlines()
    until = int(os.environ.get("SECATEUR_REPLAY_UNTIL", len(lines)))
    rate = float(os.environ.get("SECATEUR_REPLAY_RATE", "0"))
    for line in lines[:until]:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
        if rate:
            time.sleep(1 / rate)
    if until < len(lines):
        told.wait()
        sys.stdout.buffer.write(ev.dump_event(ev.RunEnded(outcome="stopped")) + b"\n")
        sys.stdout.buffer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
