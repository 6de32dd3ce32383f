#!/bin/bash
# C-STORE rate of DCMTK's dcmsend into a running SCP, one JSON line per width.
#   dcmsend.sh PORT CALLED_AE FOLDER_OF_DICOM_FILES [SERVER_PID]     WIDTHS="1 4 8" ROUNDS=3
# Run it twice, with and without TCP_NODELAY=1 in the environment: Debian's DCMTK leaves Nagle's algorithm on.
# A line counts only if "success" equals "files". With SERVER_PID the CPU time of the server per object is added.
set -euo pipefail
port=$1 title=$2 folder=$3 pid=${4:-}
on_cpu_ns() { if [ -n "$pid" ]; then cat "/proc/$pid"/task/*/schedstat | awk '{s += $1} END {printf "%.0f", s}'; else echo 0; fi; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for width in ${WIDTHS:-1 4 8}; do
    rm -rf "${work:?}"/*
    n=0
    for file in "$folder"/*.dcm; do
        mkdir -p "$work/$((n % width))"
        ln -s "$(realpath "$file")" "$work/$((n % width))/"
        n=$((n + 1))
    done
    for ((round = 0; round < ${ROUNDS:-3}; round++)); do
        cpu=$(on_cpu_ns) start=$(date +%s.%N)
        for ((k = 0; k < width; k++)); do
            dcmsend -q -aec "$title" --no-uid-checks +sd 127.0.0.1 "$port" "$work/$k" --create-report-file "$work/report$k" &
        done
        wait
        end=$(date +%s.%N) used=$(($(on_cpu_ns) - cpu))
        success=$(cat "$work"/report* | grep -i 'with status SUCCESS' | awk -F: '{s += $2} END {print s + 0}')
        awk -v w="$width" -v n="$n" -v ok="$success" -v s="$start" -v e="$end" -v t="$used" -v nd="${TCP_NODELAY:-0}" \
            'BEGIN {printf "{\"nodelay\":%d,\"associations\":%d,\"files\":%d,\"success\":%d,\"objects_per_s\":%.0f,\"server_cpu_ms_per_object\":%.3f}\n", nd, w, n, ok, n / (e - s), t / 1e6 / n}'
    done
done
