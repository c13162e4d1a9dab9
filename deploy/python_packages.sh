#!/usr/bin/env bash
# Install Python's packages into a virtual environment: `python_packages.sh .rig/wheel --editable '.[dg]'`. uv takes a
# fifth of pip's time, but does not read pip's settings (an index, a certificate): where it fails, pip installs.
set -uo pipefail
python=$1/bin/python
shift

if [ -x .venv/bin/uv ]; then
    .venv/bin/uv pip install --quiet --python "$python" "$@" && exit 0
    echo "uv could not install $*: pip installs instead" >&2
fi
# The pip that a Python brings can be years old: it takes twice as long, or has no --python.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
# Python compiles what is imported, when it is; pip would compile all, on one core. setuptools warns of every editable
# installation.
PYTHONWARNINGS=ignore .venv/bin/python -m pip --python "$python" install --quiet --disable-pip-version-check --no-compile "$@"
