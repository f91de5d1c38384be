#!/usr/bin/env bash
# Sets up .venv in the checkout, once. Owns: finding a Python, the virtual environment, the pinned
# packages, the system libraries that Qt needs. It does not know what is run afterwards. run.sh,
# test.sh and .ci/run call it:
#
#   bash packaging/setup_env.sh        what the program needs
#   bash packaging/setup_env.sh --dev  and what its tests need
#
# Everything it says goes to stderr: stdout belongs to the command that is run. A finished set-up
# leaves a stamp in .venv over pyproject.toml, constraints.txt, the Python and the place of the
# checkout; while the stamp fits, nothing is done. It is removed first and written last, so a
# set-up that was interrupted goes on where it was. Works with bash 3.2 (macOS).

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python
stamp=$venv/.secateur-setup
place=$venv/.secateur-place
qt_stamp=$venv/.secateur-qt
constraints=$root/packaging/constraints.txt
level=run
[ "${1:-}" = --dev ] && level=dev

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "secateur: $*"
    exit 2
}

# --- the stamp ----------------------------------------------------------------------------------

checksum() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

# The state that a set-up with this Python would leave, without its level.
fingerprint() {
    local version
    version=$("$python" -I -S -c 'import sys; print(sys.version)' 2>/dev/null) || return 1
    { printf '%s\n%s\n' "$root" "$version"; cat "$root/pyproject.toml" "$constraints"; } | checksum
}

# Whether the stamp says that this level is complete; "dev" holds "run" too.
is_complete() {
    local had_level had_fingerprint
    [ -f "$stamp" ] || return 1
    read -r had_level had_fingerprint <"$stamp" || return 1
    [ "$had_level" = dev ] || [ "$had_level" = "$level" ] || return 1
    [ "$had_fingerprint" = "$(fingerprint)" ]
}

# --- a Python -----------------------------------------------------------------------------------

# Prints "ok", "novenv" or nothing, by what this interpreter is good for.
judge_python() {
    "$1" -I -c '
import sys
if (3, 11) <= sys.version_info[:2] <= (3, 13) and sys.maxsize > 2**32:
    try:
        import ensurepip, venv
    except ImportError:
        print("novenv")
    else:
        print("ok")
' 2>/dev/null || true
}

find_python() {
    local candidate verdict without_venv=""
    for candidate in ${SECATEUR_PYTHON:-python3 python3.13 python3.12 python3.11 /usr/bin/python3}; do
        command -v "$candidate" >/dev/null || continue
        verdict=$(judge_python "$candidate")
        if [ "$verdict" = ok ]; then
            command -v "$candidate"
            return
        fi
        if [ "$verdict" = novenv ] && [ -z "$without_venv" ]; then
            without_venv=${candidate##*/}
        fi
    done
    if [ -n "$without_venv" ]; then
        fail "this Python ($without_venv) cannot make virtual environments; run:" \
            "${sudo_word}apt-get install ${without_venv}-venv"
    fi
    fail "needs Python 3.11, 3.12 or 3.13 (64 bit) and found" \
        "$(python3 -V 2>/dev/null || echo none); install one, or name it: SECATEUR_PYTHON=/path/to/python3.12"
}

sudo_word="sudo "
[ "$(id -u)" = 0 ] && sudo_word=""

# --- the packages -------------------------------------------------------------------------------

pip() {
    local quiet=-q
    [ -t 2 ] && quiet=""
    env -u PYTHONPATH -u PYTHONHOME -u PIP_TARGET -u PIP_PREFIX -u PIP_CONSTRAINT PIP_USER=0 \
        "$python" -I -m pip --disable-pip-version-check --no-input $quiet "$@" >&2
}

# Whether .venv can be gone on with. A checkout that was moved has scripts that point to the old
# place: begin anew. One that somebody made by hand is kept.
has_usable_venv() {
    [ -x "$python" ] && "$python" -I -m pip --version >/dev/null 2>&1 &&
        [ "$(judge_python "$python")" = ok ] &&
        [ "$(cat "$place" 2>/dev/null || echo "$root")" = "$root" ]
}

make_venv() {
    local base=$1
    say "Making .venv with $("$base" -V) ($base)"
    env -u PYTHONPATH -u PYTHONHOME "$base" -m venv --clear "$venv" >&2 ||
        fail "could not make the virtual environment $venv with $base"
}

# pip writes RECORD last: a package without it was cut short and would be taken for installed.
drop_torn_packages() {
    local info
    for info in "$venv"/lib/python3*/site-packages/*.dist-info; do
        if [ -d "$info" ] && [ ! -s "$info/RECORD" ]; then rm -rf "$info"; fi
    done
}

install_packages() {
    local what=$root
    [ "$level" = dev ] && what="$root[dev]"
    drop_torn_packages
    say "Installing packages ..."
    pip install -c "$constraints" setuptools wheel &&
        pip install -c "$constraints" --no-build-isolation --only-binary :all: -e "$what" ||
        fail "pip could not install the packages (see above); run the same command again to go on"
}

announce() {
    if [ -f "$stamp" ]; then
        say "Secateur: bringing .venv up to date with pyproject.toml and packaging/constraints.txt."
        return
    fi
    say "Secateur sets itself up, once, in $venv:"
    say "it downloads Python packages (TensorFlow, Qt and others) from the package index that pip"
    say "is set to, about 0.8 GB, and takes about 2.8 GB of disk and some minutes."
    local free_kb
    free_kb=$(df -Pk "$root" | awk 'NR == 2 { print $4 }')
    if [ "${free_kb:-9999999}" -lt 3200000 ]; then
        say "Warning: only $((free_kb / 1000)) MB are free there."
    fi
}

# --- the system libraries of Qt -----------------------------------------------------------------

package_of() {
    case $1 in
        libEGL.so.*) echo libegl1 ;;
        libGL.so.*) echo libgl1 ;;
        libGLX.so.*) echo libglx0 ;;
        libOpenGL.so.*) echo libopengl0 ;;
        libxkbcommon.so.*) echo libxkbcommon0 ;;
        libxkbcommon-x11.so.*) echo libxkbcommon-x11-0 ;;
        libdbus-1.so.*) echo libdbus-1-3 ;;
        libfontconfig.so.*) echo libfontconfig1 ;;
        libfreetype.so.*) echo libfreetype6 ;;
        libglib-2.0.so.* | libgthread-2.0.so.* | libgobject-2.0.so.* | libgio-2.0.so.*) echo libglib2.0-0 ;;
        libX11.so.*) echo libx11-6 ;;
        libX11-xcb.so.*) echo libx11-xcb1 ;;
        libxcb.so.*) echo libxcb1 ;;
        libxcb-cursor.so.*) echo libxcb-cursor0 ;;
        libxcb-icccm.so.*) echo libxcb-icccm4 ;;
        libxcb-image.so.*) echo libxcb-image0 ;;
        libxcb-keysyms.so.*) echo libxcb-keysyms1 ;;
        libxcb-randr.so.*) echo libxcb-randr0 ;;
        libxcb-render.so.*) echo libxcb-render0 ;;
        libxcb-render-util.so.*) echo libxcb-render-util0 ;;
        libxcb-shape.so.*) echo libxcb-shape0 ;;
        libxcb-shm.so.*) echo libxcb-shm0 ;;
        libxcb-sync.so.*) echo libxcb-sync1 ;;
        libxcb-util.so.*) echo libxcb-util1 ;;
        libxcb-xfixes.so.*) echo libxcb-xfixes0 ;;
        libxcb-xkb.so.*) echo libxcb-xkb1 ;;
        libz.so.*) echo zlib1g ;;
        *) echo "" ;;
    esac
}

has_font() {
    local found
    found=$(find /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" "$HOME/.local/share/fonts" \
        \( -name '*.ttf' -o -name '*.otf' -o -name '*.ttc' \) -print 2>/dev/null | head -n 1 || true)
    [ -n "$found" ]
}

# Names of the Debian packages that Qt lacks here, one a line; "?name" for a library we cannot place.
missing_qt_packages() {
    local qt name package
    qt=$(echo "$venv"/lib/python3*/site-packages/PySide6)
    ldd "$qt"/Qt{Core,Gui,Widgets,Svg,OpenGL,OpenGLWidgets,Test}.abi3.so \
        "$qt"/Qt/plugins/platforms/lib{qxcb,qoffscreen}.so 2>/dev/null |
        awk '/not found/ { print $1 }' | sort -u | while read -r name; do
        package=$(package_of "$name")
        echo "${package:-?$name}"
    done | sort -u
    has_font || echo fonts-dejavu-core
}

# Adds what Qt lacks where it may ("install"), else prints the one command.
provide_qt() {
    local missing unknown packages as_root=""
    if [ "$(uname -s)" != Linux ] || ! command -v ldd >/dev/null; then
        : >"$qt_stamp"
        return
    fi
    missing=$(missing_qt_packages | tr '\n' ' ')
    if [ -n "$missing" ] && [ "$1" = install ] && command -v apt-get >/dev/null; then
        packages=$(printf '%s' "$missing" | tr ' ' '\n' | grep -v '^?' | tr '\n' ' ' || true)
        if [ "$(id -u)" = 0 ]; then as_root=env; elif sudo -n true 2>/dev/null; then as_root="sudo -n env"; fi
        if [ -n "$as_root" ] && [ -n "$packages" ]; then
            say "Adding system libraries for the window, at most 60 MB: $packages"
            # shellcheck disable=SC2086
            { $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
                $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
                    --no-install-recommends $packages; } >"$venv/apt.log" 2>&1 </dev/null ||
                say "apt-get failed, see $venv/apt.log"
            missing=$(missing_qt_packages | tr '\n' ' ')
        fi
    fi
    if [ -z "$missing" ]; then
        : >"$qt_stamp"
        return
    fi
    packages=$(printf '%s' "$missing" | tr ' ' '\n' | grep -v '^?' | tr '\n' ' ' || true)
    unknown=$(printf '%s' "$missing" | tr ' ' '\n' | sed -n 's/^?//p' | tr '\n' ' ')
    [ -n "$packages" ] &&
        say "The window needs system libraries that are missing; run: ${sudo_word}apt-get install $packages"
    [ -n "$unknown" ] && say "The window needs these libraries, which are missing: $unknown"
    return 0
}

# --- all together -------------------------------------------------------------------------------

set_up() {
    local base
    is_complete && return # another set-up was at work while this one waited
    if has_usable_venv; then
        announce
    else
        base=$(find_python) || exit $?
        if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
            fail "will not replace $venv, which is not a virtual environment; move it away"
        fi
        rm -f "$stamp"
        announce
        make_venv "$base"
    fi
    printf '%s\n' "$root" >"$place"
    if [ -f "$stamp" ]; then
        # What is there is a whole set-up of another day; a "dev" one stays one.
        [ "$(cut -d ' ' -f 1 <"$stamp")" = dev ] && level=dev
        rm -f "$stamp" "$qt_stamp"
    fi
    install_packages
    provide_qt install
    printf '%s %s\n' "$level" "$(fingerprint)" >"$stamp.part"
    mv -f "$stamp.part" "$stamp"
    say "Secateur is set up."
}

if ! is_complete; then
    if command -v flock >/dev/null; then
        exec 9<"$root/packaging"
        flock -n 9 || { say "Waiting for another set-up of this checkout to end."; flock 9; }
        set_up 9<&-
        exec 9<&-
    else
        set_up
    fi
elif [ ! -e "$qt_stamp" ]; then
    provide_qt check
fi
