#!/usr/bin/env bash
# Install the rig's programs into .rig: azurite and axe-core by npm, pgstac and its API; and, where there is a
# browser, Playwright into .venv to drive it. What this machine cannot run is told and left out, for the tests that need
# it skip; it never fails. Done and quick the second time.
set -uo pipefail
cd "$(dirname "$0")/../.."

azurite=3.35.0
axe=4.14.1
requirements=lc_assets_tests/rig/requirements.txt
python=${PYTHON:-python3}

skip() {
    echo "SKIPPED: $1"
    touch .rig/.skipped
}

# PATH alone says what a machine has: Debian puts psql there when it has a server or a client.
has_postgresql() {
    command -v psql >/dev/null || return 1
    for folder in /usr/lib/postgresql/*/bin ${PATH//:/ }; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/psql" ]; then
            return 0
        fi
    done
    return 1
}

has_postgis() {
    for control in /usr/share/postgresql/*/extension/postgis.control \
        "$(pg_config --sharedir 2>/dev/null)/extension/postgis.control"; do
        [ -e "$control" ] && return 0
    done
    return 1
}

mkdir -p .rig
rm -f .rig/.installed .rig/.skipped

# npm_install NAME VERSION WHAT: into .rig/NAME, once.
npm_install() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        skip "$3, for there is no node or npm (install nodejs and npm)"
    elif ! grep -qs "\"version\": \"$2\"" ".rig/$1/node_modules/$1/package.json"; then
        npm install --prefix ".rig/$1" --no-audit --no-fund --loglevel=error "$1@$2" ||
            skip "$3, for npm could not install $1 $2 (install it into .rig/$1)"
    fi
}

# Beside the installation of Python's packages.
npm_install azurite "$azurite" "the rig's blob storage" &
npm_install axe-core "$axe" "the check of pages for accessibility" &

if ! command -v chromium chromium-browser google-chrome >/dev/null; then
    skip "the tests of pages, for there is no browser (install chromium)"
elif ! "${MAKE:-make}" --no-print-directory .venv/.installed-browser; then
    skip "the tests of pages, for Playwright could not be installed"
fi

if ! has_postgresql; then
    skip "the rig's STAC API, for there is no PostgreSQL (install postgresql and postgresql-postgis)"
elif ! has_postgis; then
    skip "the rig's STAC API, for PostgreSQL lacks PostGIS (install postgresql-postgis)"
elif ! cmp -s "$requirements" .rig/pgstac/requirements.txt; then
    if "$python" -m venv --without-pip .rig/pgstac &&
        deploy/python_packages.sh .rig/pgstac --requirement "$requirements"; then
        cp "$requirements" .rig/pgstac/requirements.txt
    else
        skip "the rig's STAC API, for pgstac could not be installed (Python 3.11 or newer can; set PYTHON)"
    fi
fi

wait
[ -e .rig/.skipped ] || touch .rig/.installed
exit 0
