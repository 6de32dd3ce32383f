#!/bin/sh
# All comparisons and the benchmark; see README.md. Fails when a limit is missed.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
SHARED=${SHARED:-../shared}
ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$("$PYTHON" -c 'import onnxruntime, glob, os; print(glob.glob(os.path.join(os.path.dirname(onnxruntime.__file__), "capi", "libonnxruntime.so*"))[0])')}
export ORT_DYLIB_PATH SHARED
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for part in ${*:-chest lungs brain bench}; do
    if [ "$part" = bench ]; then
        "$PYTHON" bench/inference/bench.py "$work"
    else
        "$PYTHON" bench/inference/compare.py "$part" "$work"
    fi
done
