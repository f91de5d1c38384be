#!/usr/bin/env bash
# Sets Secateur up with its developers' tools (once) and runs the tests; arguments are pytest's.
#
#   bash packaging/test.sh            the suite, under 15 minutes on 2 cores
#   bash packaging/test.sh --all      and the slow part
#   bash packaging/test.sh tests/engine -k groups
#
# Two processes share the files of tests out among them; `-n 0` runs them in one, for a debugger.
# Windows of tests are drawn off screen; QT_QPA_PLATFORM=xcb (or wayland) shows them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
bash "$here/setup_env.sh" --dev
cd "$here/.."
export QT_QPA_PLATFORM=${QT_QPA_PLATFORM:-offscreen}
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
