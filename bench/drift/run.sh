#!/usr/bin/env bash
# bench/drift/run.sh [ROWS]: drift of a table of ROWS (1,000,000) x 20 and of 2,000 x 512 points, Hilum, Evidently and Alibi Detect on
# the same files in one run.
set -euo pipefail
cd "$(dirname "$0")/../.."
rows=${1:-1000000} rounds=${ROUNDS:-3}
peers=${PEERS:-${TMPDIR:-/tmp}/hilum-drift-peers}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Two environments, because the peers ask for different versions of numpy.
if [ ! -x "$peers/evidently/bin/python" ]; then
  python3 -m venv "$peers/evidently"
  "$peers/evidently/bin/pip" install --quiet --disable-pip-version-check evidently==0.7.23 'pandas<3'
fi
source bench/alibi_environment
# The release profile of the repository, whatever the environment says.
unset CARGO_PROFILE_RELEASE_OPT_LEVEL
cargo build --release --quiet -p hilum
hilum="${CARGO_TARGET_DIR:-target}/release/hilum"
evidently="$peers/evidently/bin/python" alibi="$peers/alibi/bin/python" here=bench/drift
"$evidently" $here/inputs.py "$work" "$rows"
# The peers warn a lot, so what a run says goes to a file, and is shown when the run fails.
measure() {
  if ! python3 $here/measure.py "$1" -- "${@:2}" 2>"$work/errors"; then
    { echo "bench/drift: $1 failed:"; tail -n 20 "$work/errors"; } >&2
    return 1
  fi
}
table() { echo "$work/table-ref.csv" "$work/table-cur.csv"; }
points() { echo "$work/points-ref.csv" "$work/points-$1.csv"; }
for round in $(seq "$rounds"); do
  for method in ks wasserstein psi js; do
    measure "hilum/$method" "$hilum" stats drift $(table) --method $method
    # The slow ones once: their ratio leaves no doubt.
    if [ "$round" = 1 ]; then measure "evidently/$method" "$evidently" $here/evidently_peer.py $(table) $method; fi
  done
  if [ "$round" = 1 ]; then measure alibi/ks "$alibi" $here/alibi_peer.py $(table) ks; fi
  for current in same cur; do
    measure "hilum/mmd-$current" "$hilum" stats drift $(points $current) --method mmd --permutations 100 --scale none
    measure "evidently/mmd-$current" "$evidently" $here/evidently_mmd_peer.py $(points $current)
    if [ "$round" = 1 ]; then measure "alibi/mmd-$current" "$alibi" $here/alibi_peer.py $(points $current) mmd; fi
    measure "hilum/c2st-$current" "$hilum" stats drift $(points $current) --method c2st --scale none
  done
done | tee "$work/figures.jsonl" | cut -c1-160
python3 $here/summary.py "$work/figures.jsonl"
if [ -n "${KEEP:-}" ]; then cp "$work/figures.jsonl" "$KEEP"; fi
