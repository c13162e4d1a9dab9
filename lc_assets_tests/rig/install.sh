#!/usr/bin/env bash
# Install the rig's programs into .rig: azurite by npm, pgstac and its API by pip. What this machine cannot run is told
# and left out, for the tests that need it skip; it never fails. Done and quick the second time.
set -uo pipefail
cd "$(dirname "$0")/../.."

azurite=3.35.0
requirements=lc_assets_tests/rig/requirements.txt
python=${PYTHON:-python3}
skipped=0

skip() {
    echo "SKIPPED: $1"
    skipped=1
}

has_postgresql() {
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
rm -f .rig/.installed

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip "the rig's blob storage, for there is no node or npm (install nodejs and npm)"
elif ! grep -qs "\"version\": \"$azurite\"" .rig/azurite/node_modules/azurite/package.json; then
    npm install --prefix .rig/azurite --no-audit --no-fund --loglevel=error "azurite@$azurite" ||
        skip "the rig's blob storage, for npm could not install azurite $azurite (install it into .rig/azurite)"
fi

if ! has_postgresql; then
    skip "the rig's STAC API, for there is no PostgreSQL (install postgresql and postgresql-postgis)"
elif ! has_postgis; then
    skip "the rig's STAC API, for PostgreSQL lacks PostGIS (install postgresql-postgis)"
elif ! cmp -s "$requirements" .rig/pgstac/requirements.txt; then
    if "$python" -m venv .rig/pgstac &&
        .rig/pgstac/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$requirements"; then
        cp "$requirements" .rig/pgstac/requirements.txt
    else
        skip "the rig's STAC API, for pip could not install pgstac (Python 3.11 or newer can; set PYTHON)"
    fi
fi

[ "$skipped" = 1 ] || touch .rig/.installed
exit 0
