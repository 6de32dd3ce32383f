#!/usr/bin/env bash
# bench/reference/run.sh: writes the answers of Alibi Detect and NannyML anew, crates/hilum-stats/tests/it/reference/*.json.
set -euo pipefail
cd "$(dirname "$0")"
peers=${PEERS:-${TMPDIR:-/tmp}/hilum-drift-peers}
# An environment each, because they ask for different versions of numpy.
source ../alibi_environment
if [ ! -x "$peers/nannyml/bin/python" ]; then
  python3 -m venv "$peers/nannyml"
  # It imports statsmodels without asking for it.
  "$peers/nannyml/bin/pip" install --quiet --disable-pip-version-check nannyml==0.13.1 statsmodels
fi
"$peers/alibi/bin/python" alibi_values.py
"$peers/nannyml/bin/python" nannyml_values.py
