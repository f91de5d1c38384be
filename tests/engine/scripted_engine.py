"""An engine that plays a script: ``-m tests.engine.scripted_engine RUN NICE``.

The script is ``script.json`` in the run folder: a list of event lines, or of
``{"sleep": s}``, ``{"noise": text}``, ``{"kill": true}``, ``{"exit": code}``, ``{"obey": true}``
(wait for commands and answer them), ``{"journal": event}`` (an event that is journaled too),
``{"child": s}`` (a process), or
``{"die": signal, "times": n}`` (only the first n engines of the run do).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    run = Path(sys.argv[1])
    for item in json.loads((run / "script.json").read_text()):
        if "sleep" in item:
            time.sleep(item["sleep"])
        elif "noise" in item:
            sys.stdout.write(item["noise"] + "\n")
        elif "kill" in item:
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        elif "journal" in item:
            with (run / "journal.jsonl").open("a") as journal:
                journal.write(json.dumps(item["journal"]) + "\n")
            sys.stdout.write(json.dumps(item["journal"]) + "\n")
        elif "die" in item:
            died = run / f"died-of-{item['die']}"
            times = len(died.read_bytes()) if died.exists() else 0
            if times < item["times"]:
                died.write_bytes(b"." * (times + 1))
                sys.stdout.flush()
                os.kill(os.getpid(), signal.Signals[item["die"]])
        elif "child" in item:
            child = subprocess.Popen(["sleep", str(item["child"])])
            (run / "child").write_text(str(child.pid))
        elif "exit" in item:
            sys.exit(item["exit"])
        elif "obey" in item:
            for line in sys.stdin:
                command = json.loads(line)["command"]
                event = {"pause": "Paused", "resume": "Resumed"}.get(command)
                end = {"event": "RunEnded", "outcome": "stopped"}
                sys.stdout.write(json.dumps({"event": event} if event else end) + "\n")
                sys.stdout.flush()
                if event is None:
                    return
        else:
            sys.stdout.write(json.dumps(item) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
