"""What a measurement was made on: processor, cores, memory, system, versions; never who or where.

Every bench writes this beside its figures. Host names, user names and paths stay out of it. Run as
a program it prints the JSON: ``python -m tests.bench.environment``.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from engine import jsonio

DISTRIBUTIONS = (
    "tensorflow",
    "keras",
    "tf_keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "numpy",
    "scikit-learn",
    "h5py",
    "PySide6-Essentials",
    "pyqtgraph",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The machine and the versions of one measurement."""

    cpu: str
    architecture: str
    cores_logical: int
    cores_usable: int
    memory_bytes: int
    system: str
    kernel: str
    python: str
    versions: dict[str, str | None]
    thread_limits: dict[str, str]


def describe() -> Environment:
    """This machine; a version is None where that distribution is not installed."""
    return Environment(
        cpu=_cpu_name(),
        architecture=platform.machine(),
        cores_logical=os.cpu_count() or 1,
        cores_usable=_usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        system=_system_name(),
        kernel=platform.release(),
        python=platform.python_version(),
        versions={name: _version(name) for name in DISTRIBUTIONS},
        thread_limits={
            name: value
            for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
            if (value := os.environ.get(name)) is not None
        },
    )


def _usable_cores() -> int:
    """Cores that this process may run on; containers may allow fewer than there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Model") and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def _system_name() -> str:
    """Distribution and version, with a word where this is Windows' Linux."""
    if sys.platform == "linux":
        try:
            name = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
        except OSError:
            name = "Linux"
        return f"{name} (WSL)" if "microsoft" in platform.release().lower() else name
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.version()}"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.stdout.write(jsonio.dumps(describe()).decode() + "\n")
