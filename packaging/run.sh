#!/usr/bin/env bash
# Sets Secateur up (once) and runs it; all arguments are the program's.
#
#   bash packaging/run.sh             opens the window
#   bash packaging/run.sh demo        the main job on the built-in digits
#   bash packaging/run.sh prune MODEL --data DATA ...
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
bash "$here/setup_env.sh"
exec "$here/../.venv/bin/secateur" "$@"
