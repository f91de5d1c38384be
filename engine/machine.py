"""The computer and the installation, as far as results and troubles depend on them. Light.

Owns what can be read without any library of size: processor, memory, versions.
"""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "tensorflow", "keras", "tf_keras", "tensorflow-model-optimization", "ai-edge-litert", "numpy",
    "scipy", "scikit-learn", "h5py", "msgspec", "PySide6-Essentials", "pyqtgraph",
)  # fmt: skip


def cpu_name() -> str:
    """The processor's model name, or its architecture where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def meminfo(name: str) -> int | None:
    """A line of Linux's memory table, such as ``MemTotal``, in bytes; None elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(x.split()[1]) * 1024 for x in lines if x.startswith(f"{name}:")), None)


def package_versions() -> dict[str, str | None]:
    """Versions of the packages that count, None for those that are not installed."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found
