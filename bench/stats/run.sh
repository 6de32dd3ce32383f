#!/usr/bin/env bash
# bench/stats/run.sh [N]: DeLong and bootstrap of N scores (100,000), Hilum and Python taking turns, one thread and all. DECIMALS
# (4) of the scores: 9 leaves hardly a tie. SLOW=1 also runs the definition over every pair, for an N of some thousands.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/environment
n=${1:-100000} resamples=${RESAMPLES:-2000} rounds=${ROUNDS:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --quiet -p hilum-stats --example bench
bench="${CARGO_TARGET_DIR:-target}/release/examples/bench"
"$HILUM_PYTHON" bench/stats/scores.py "$work/scores.csv" "$n" "${DECIMALS:-4}"
# Numerical libraries may start threads of their own; CPU time counts them all, and one is enough here.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
peer() { "$HILUM_PYTHON" bench/stats/peer.py "$work/scores.csv" "$@"; }
for _ in $(seq "$rounds"); do
  for paired in "" -paired; do
    RAYON_NUM_THREADS=1 "$bench" "$work/scores.csv" "delong$paired" 0 101
    peer "midrank$paired" 0 21
    peer "midrank-loop$paired" 0 5
  done
  RAYON_NUM_THREADS=1 "$bench" "$work/scores.csv" bootstrap "$resamples" 1
  RAYON_NUM_THREADS=1 "$bench" "$work/scores.csv" bootstrap-bca "$resamples" 1
  "$bench" "$work/scores.csv" bootstrap "$resamples" 1 | sed 's/bootstrap"/bootstrap-all-cores"/'
  peer counts "$resamples" 1
done | tee "$work/figures.jsonl"
# The slow ones once: their ratio leaves no doubt. Every pair of 100,000 cases was never seen to finish.
{
  peer sklearn "$resamples" 1
  if [ -n "${SLOW:-}" ]; then
    peer definition 0 1
    peer definition-paired 0 1
  fi
} | tee -a "$work/figures.jsonl"
"$HILUM_PYTHON" bench/stats/summary.py "$work/figures.jsonl"
