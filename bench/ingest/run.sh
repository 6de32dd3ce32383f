#!/bin/bash
# Ingest side by side in one run: Hilum (fdatasync, index, audit), Orthanc (synced storage), DCMTK storescp (no sync).
#   bench/ingest/run.sh HILUM_BINARY FOLDER_OF_DICOM_FILES      WIDTHS="1 4 8" ROUNDS=3 PEERS="hilum orthanc storescp"
# Every peer starts with an empty folder for each measurement; the peers take turns, so that a slow moment of the
# machine hits all of them. Run twice, with and without TCP_NODELAY=1: Debian's senders leave Nagle's algorithm on.
# JSON lines as bench/cstore/dcmsend.sh prints them, with the peer and the number of stored files in front.
set -euo pipefail
here=$(dirname "$(realpath "$0")") hilum=$(realpath "$1") folder=$(realpath "$2")
work=$(mktemp -d -p "${SCRATCH:-/tmp}")
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
ulimit -n 65536 2>/dev/null || true
wait_for() { for _ in $(seq 300); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; echo "port $1 does not open" >&2; exit 1; }

# A folder of its own for each measurement, all removed at the end: ext4 searches long for a free inode while many were
# deleted in the last half minute, which would charge one measurement for the one before.
runs=0
start() {
    runs=$((runs + 1)) data=$work/data$runs
    mkdir -p "$data"
    case $1 in
    hilum)
        port=14250 title=HILUM
        printf 'data_dir = "%s"\n[dimse]\nlisten = "127.0.0.1:%s"\naccept_any_peer = true\n[http]\nlisten = "127.0.0.1:14251"\n[study]\nquiet_seconds = 3600\n' "$data" $port >"$work/hilum.toml"
        "$hilum" serve --config "$work/hilum.toml" 2>"$work/log" & ;;
    orthanc)
        port=14242 title=ORTHANC
        printf '{"StorageDirectory":"%s","IndexDirectory":"%s","HttpServerEnabled":false,"DicomAet":"ORTHANC","DicomPort":%s,"DicomCheckCalledAet":false,"DicomAlwaysAllowStore":true,"SyncStorageArea":true,"Plugins":[]}' "$data" "$data" $port >"$work/orthanc.json"
        Orthanc "$work/orthanc.json" >"$work/log" 2>&1 & ;;
    storescp)
        port=14243 title=ANY
        storescp --fork -od "$data" $port >"$work/log" 2>&1 & ;;
    esac
    pid=$!
    wait_for $port
    sleep 0.5
}

for ((round = 0; round < ${ROUNDS:-3}; round++)); do
    for width in ${WIDTHS:-1 4 8}; do
        for peer in ${PEERS:-hilum orthanc storescp}; do
            start "$peer"
            line=$(WIDTHS=$width ROUNDS=1 "$here/../cstore/dcmsend.sh" $port $title "$folder" "$pid")
            stored=$(find "$data" -type f -size +100k | wc -l)
            echo "${line/\{/\{\"peer\":\"$peer\",\"stored\":$stored,\"load\":$(cut -d' ' -f1 /proc/loadavg),}"
            kill "$pid"; wait "$pid" 2>/dev/null || true
        done
    done
done
