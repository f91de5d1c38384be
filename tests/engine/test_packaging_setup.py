"""packaging/*.sh against a pretended machine: a checkout of stubs, a Python, pip, apt-get and ldd
that only write down how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"

# Answers the questions of setup_env.sh and makes environments that hold a copy of itself.
FAKE_PYTHON = r"""#!/bin/bash
case "$*" in
    *ensurepip*) echo "${FAKE_VERDICT-ok}" ;;
    *sys.version*) echo "3.12.0 (fake${FAKE_UPGRADE-})" ;;
    -V) echo "Python 3.12.0" ;;
    *"-m venv"*)
        target=${*: -1}
        echo "venv $target" >>"$FAKE_LOG"
        rm -rf "$target"; mkdir -p "$target/bin" "$target/lib/python3.12/site-packages"
        touch "$target/pyvenv.cfg"
        cp "$0" "$target/bin/python"
        printf '#!/bin/bash\necho "secateur:$*:in $PWD"\nexit 3\n' >"$target/bin/secateur"
        chmod +x "$target/bin/secateur" ;;
    *"-m pip --version"*) echo "pip 25 ${FAKE_PIP_BROKEN-}"; [ -z "${FAKE_PIP_BROKEN-}" ] ;;
    *" install "*)
        echo "pip ${*:4}" >>"$FAKE_LOG"
        echo "pip talks on stdout"
        if [ -n "${FAKE_SLEEP-}" ]; then sleep "$FAKE_SLEEP"; fi
        exit "${FAKE_PIP_EXIT-0}" ;;
    *"-m pytest"*) echo "pytest:${*:3}:$QT_QPA_PLATFORM" ;;
    *) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""
FAKE_LDD = r"""#!/bin/bash
[ -f "$FAKE_BIN/qt-is-whole" ] && exit 0
for name in ${FAKE_MISSING-}; do echo "	$name => not found"; done
"""
FAKE_APT = r"""#!/bin/bash
echo "apt-get $*" >>"$FAKE_LOG"
case "$*" in *install*) touch "$FAKE_BIN/qt-is-whole" ;; esac
exit "${FAKE_APT_EXIT-0}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A pretended machine with a checkout on it."""

    checkout: Path
    bin: Path
    log: Path

    def run(
        self, *command: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of the checkout, such as ``"run.sh", "demo"``."""
        return subprocess.run(
            ["bash", str(self.checkout / "packaging" / command[0]), *command[1:]],
            cwd=cwd or self.checkout,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of the pretended machine."""
        return {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.bin),
            "SECATEUR_PYTHON": str(self.bin / "python3"),
            "FAKE_BIN": str(self.bin),
            "FAKE_LOG": str(self.log),
            **variables,
        }

    def calls(self) -> list[str]:
        """What was called since the last look."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    checkout = tmp_path / "a checkout"
    binaries = tmp_path / "bin"
    shutil.copytree(PACKAGING, checkout / "packaging")
    (checkout / "pyproject.toml").write_text("[project]\n")
    binaries.mkdir()
    for name, text in {
        "python3": FAKE_PYTHON,
        "ldd": FAKE_LDD,
        "apt-get": FAKE_APT,
        "sudo": "#!/bin/bash\nexit 1\n",
        "find": "#!/bin/bash\necho /usr/share/fonts/a.ttf\n",
        "id": '#!/bin/bash\necho "${FAKE_UID-1000}"\n',
        "uname": "#!/bin/bash\necho Linux\n",
    }.items():
        (binaries / name).write_text(text)
        (binaries / name).chmod(0o755)
    return Machine(checkout=checkout, bin=binaries, log=tmp_path / "log")


def test_that_the_first_run_sets_up_and_hands_over_arguments_place_and_exit_code(
    machine: Machine, tmp_path: Path
) -> None:
    done = machine.run("run.sh", "prune", "my model.keras", cwd=tmp_path)
    assert done.stdout == f"secateur:prune my model.keras:in {tmp_path}\n"
    assert done.returncode == 3
    assert "GB" in done.stderr
    calls = machine.calls()
    assert calls[0] == f"venv {machine.checkout}/.venv"
    pinned = f"-c {machine.checkout}/packaging/constraints.txt"
    assert all(pinned in call for call in calls[1:])
    assert calls[-1].endswith(f"-e {machine.checkout}")


def test_that_the_second_run_does_nothing_and_takes_under_a_second(machine: Machine) -> None:
    machine.run("run.sh")
    machine.calls()
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        done = machine.run("run.sh", "demo")
        seconds.append(time.monotonic() - began)
    assert min(seconds) < 1.0
    assert machine.calls() == []
    assert done.stderr == ""
    assert done.stdout.startswith("secateur:demo:")


def test_that_tests_get_the_developers_tools_once_and_a_screen_of_their_own(
    machine: Machine,
) -> None:
    machine.run("run.sh")
    machine.calls()
    done = machine.run("test.sh", "--all", "-k", "groups or plans")
    assert done.stdout == "pytest:-n 2 --dist loadfile --all -k groups or plans:offscreen\n"
    assert machine.calls()[-1].endswith(f"-e {machine.checkout}[dev]")
    shown = machine.run("test.sh", QT_QPA_PLATFORM="xcb")
    assert shown.stdout == "pytest:-n 2 --dist loadfile:xcb\n"
    machine.run("run.sh")
    assert machine.calls() == [], "the developers' set-up holds the program's"


@pytest.mark.parametrize("script", ["run.sh", "test.sh"])
def test_that_a_changed_pin_or_project_file_brings_the_set_up_up_to_date(
    machine: Machine, script: str
) -> None:
    machine.run("test.sh")
    machine.calls()
    with (machine.checkout / "packaging" / "constraints.txt").open("a") as file:
        file.write("six==1.0\n")
    done = machine.run(script)
    assert machine.calls()[-1].endswith("[dev]"), "the developers' tools stay"
    assert "up to date" in done.stderr
    (machine.checkout / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    machine.run(script)
    assert machine.calls() != []
    machine.run(script)
    assert machine.calls() == []


def test_that_another_python_under_the_environment_is_noticed(machine: Machine) -> None:
    machine.run("run.sh")
    machine.calls()
    machine.run("run.sh", FAKE_UPGRADE="d")
    assert machine.calls() != []


def test_that_a_failed_download_is_not_taken_for_a_set_up(machine: Machine) -> None:
    done = machine.run("run.sh", "demo", FAKE_PIP_EXIT="1")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "run the same command again" in done.stderr
    machine.calls()
    again = machine.run("run.sh", "demo")
    assert again.returncode == 3
    calls = machine.calls()
    assert not any(call.startswith("venv") for call in calls), "goes on, does not begin anew"
    assert len(calls) == 2


def test_that_a_failed_change_of_a_good_set_up_is_finished_by_the_next_run(
    machine: Machine,
) -> None:
    machine.run("run.sh")
    machine.run("test.sh", FAKE_PIP_EXIT="1")
    machine.calls()
    assert machine.run("run.sh").returncode == 3
    assert len(machine.calls()) == 2


def test_that_a_killed_set_up_is_resumed_without_half_installed_packages(machine: Machine) -> None:
    with subprocess.Popen(
        ["bash", str(machine.checkout / "packaging" / "setup_env.sh")],
        env=machine.environment(FAKE_SLEEP="30"),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        process_group=0,
    ) as process:
        deadline = time.monotonic() + 20
        while not any("pip" in call for call in machine.calls()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, 9)
    packages = machine.checkout / ".venv" / "lib" / "python3.12" / "site-packages"
    (packages / "torn-1.0.dist-info").mkdir()
    (packages / "torn-1.0.dist-info" / "METADATA").touch()
    (packages / "whole-1.0.dist-info").mkdir()
    (packages / "whole-1.0.dist-info" / "RECORD").write_text("whole/__init__.py,,\n")
    assert machine.run("run.sh").returncode == 3
    assert len(machine.calls()) == 2
    assert [path.name for path in packages.glob("*.dist-info")] == ["whole-1.0.dist-info"]


def test_that_a_moved_checkout_and_a_broken_environment_are_made_anew(machine: Machine) -> None:
    machine.run("run.sh")
    moved = Machine(
        checkout=machine.checkout.rename(machine.checkout.with_name("moved")),
        bin=machine.bin,
        log=machine.log,
    )
    machine.calls()
    moved.run("run.sh")
    assert moved.calls()[0] == f"venv {moved.checkout}/.venv"
    assert moved.run("run.sh").stderr == ""
    (moved.checkout / ".venv" / "bin" / "python").unlink()
    moved.run("run.sh")
    assert moved.calls()[0] == f"venv {moved.checkout}/.venv"


def test_that_a_folder_that_is_no_environment_is_not_replaced(machine: Machine) -> None:
    (machine.checkout / ".venv").mkdir()
    (machine.checkout / ".venv" / "precious").write_text("data")
    done = machine.run("run.sh")
    assert done.returncode == 2
    assert "will not replace" in done.stderr
    assert (machine.checkout / ".venv" / "precious").read_text() == "data"


def test_that_a_python_without_venv_gets_one_sentence_with_the_command(machine: Machine) -> None:
    done = machine.run("run.sh", FAKE_VERDICT="novenv")
    assert done.returncode == 2
    assert done.stderr == (
        "secateur: this Python (python3) cannot make virtual environments; run: "
        "sudo apt-get install python3-venv\n"
    )
    as_root = machine.run("run.sh", FAKE_VERDICT="novenv", FAKE_UID="0")
    assert as_root.stderr.endswith("run: apt-get install python3-venv\n")


def test_that_a_python_out_of_range_gets_one_sentence(machine: Machine) -> None:
    done = machine.run("run.sh", FAKE_VERDICT="")
    assert done.returncode == 2
    assert done.stderr.startswith("secateur: needs Python 3.11, 3.12 or 3.13 (64 bit) and found")
    assert done.stderr.count("\n") == 1
    assert not (machine.checkout / ".venv").exists()


def test_that_missing_libraries_are_installed_where_they_may_be(machine: Machine) -> None:
    missing = "libEGL.so.1 libxcb-cursor.so.0"
    done = machine.run("run.sh", FAKE_MISSING=missing, FAKE_UID="0")
    apt = [call for call in machine.calls() if call.startswith("apt-get")]
    assert apt == [
        "apt-get -qq update",
        "apt-get -qq install -y --no-install-recommends libegl1 libxcb-cursor0",
    ]
    assert done.returncode == 3
    machine.run("run.sh", FAKE_MISSING=missing, FAKE_UID="0")
    assert machine.calls() == []


def test_that_missing_libraries_are_else_named_with_the_one_command(machine: Machine) -> None:
    missing = "libEGL.so.1 libnew.so.9"
    done = machine.run("run.sh", FAKE_MISSING=missing)
    assert done.returncode == 3, "the command line needs no window"
    assert "run: sudo apt-get install libegl1" in done.stderr
    assert "libnew.so.9" in done.stderr
    assert not any(call.startswith("apt-get") for call in machine.calls())
    assert "libegl1" in machine.run("run.sh", FAKE_MISSING=missing).stderr, "said until it is done"
    (machine.bin / "qt-is-whole").touch()
    assert machine.run("run.sh", FAKE_MISSING=missing).stderr == ""


def test_that_a_failing_apt_leaves_the_command_line_usable(machine: Machine) -> None:
    done = machine.run(
        "run.sh", "demo", FAKE_MISSING="libEGL.so.1", FAKE_UID="0", FAKE_APT_EXIT="100"
    )
    assert "secateur:demo" in done.stdout
    assert "apt-get failed" in done.stderr


def test_that_a_machine_without_any_font_gets_one(machine: Machine) -> None:
    (machine.bin / "find").write_text("#!/bin/bash\nexit 1\n")
    done = machine.run("run.sh")
    assert "fonts-dejavu-core" in done.stderr


def test_that_two_set_ups_at_once_take_turns(machine: Machine) -> None:
    command = ["bash", str(machine.checkout / "packaging" / "setup_env.sh")]
    environment = machine.environment(FAKE_SLEEP="0.5")
    both = [
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len([call for call in machine.calls() if call.startswith("pip")]) == 2
    assert sum("Waiting for another set-up" in text for text in said) == 1
