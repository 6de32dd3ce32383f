"""measure.py NAME -- COMMAND...: runs a command and prints one JSON line: wall and CPU seconds and peak resident memory of the whole
process, and what it printed."""
import json
import os
import sys
import time

name, command = sys.argv[1], sys.argv[3:]
read, write = os.pipe()
start = time.perf_counter()
child = os.fork()
if child == 0:
    os.dup2(write, 1)
    os.close(read)
    os.execvp(command[0], command)
os.close(write)
with os.fdopen(read) as pipe:
    said = pipe.read()
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - start
if status != 0:
    sys.exit(f"{name}: {command} failed")
lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
print(json.dumps(dict(
    bench=name, wall_s=round(wall, 3), cpu_s=round(used.ru_utime + used.ru_stime, 3), peak_mib=round(used.ru_maxrss / 1024, 1), said=lines,
)), flush=True)
