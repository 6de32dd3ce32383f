#!/bin/sh
# Acceptance of the three shared pneumonia models, checked from outside; see README.md. Fails when a check does.
set -eu
cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
SHARED=${SHARED:-../shared}
ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$("$PYTHON" -c 'import onnxruntime, glob, os; print(glob.glob(os.path.join(os.path.dirname(onnxruntime.__file__), "capi", "libonnxruntime.so*"))[0])')}
export ORT_DYLIB_PATH SHARED
out=${1:-$(mktemp -d)}
mkdir -p "$out"
"$PYTHON" bench/acceptance/accept.py "$out"
