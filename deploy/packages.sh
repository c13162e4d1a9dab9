#!/usr/bin/env bash
# Install Debian's packages that are named and not there yet: `packages.sh redis-server postgresql`. Where that cannot be
# done (no apt-get, not root) it says so and succeeds: what needs them says what is missing, or skips.
set -uo pipefail

is_there() {
    case "$1" in
    gdal-bin) command -v gdalinfo ;;
    nodejs) command -v node ;;
    postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' || command -v initdb ;;
    postgresql-postgis) compgen -G '/usr/share/postgresql/*/extension/postgis.control' ;;
    python3-qgis) compgen -G '/usr/lib/python3/dist-packages/qgis/core/__init__.py' ;;
    *) command -v "$1" ;;
    esac >/dev/null
}

wanted=()
for package in "$@"; do
    is_there "$package" || wanted+=("$package")
done
if [ "${#wanted[@]}" -eq 0 ]; then
    exit 0
elif [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed: ${wanted[*]} (as root, on Debian: apt-get install --no-install-recommends ${wanted[*]})"
    exit 0
fi
echo "installing ${wanted[*]}"
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null; } ||
    echo "SKIPPED: ${wanted[*]}, for apt-get could not install them"
exit 0
