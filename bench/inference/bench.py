"""Time per radiograph, bytes of the file to scores or mask, on one core: hilum-infer and Python in turn."""
import io
import os
import statistics
import sys
import time

import numpy as np
from PIL import Image

from packages import OBJECTS, package, prepared, session, tool

CORE = min(os.sched_getaffinity(0))
ROUNDS, PASSES = 5, 3
FILES = OBJECTS[::4]


def python_ms(name, side, buffers):
    python = session(name)
    times = []
    for _ in range(PASSES + 1):
        begun = time.perf_counter()
        for data in buffers:
            tensor, size = prepared(io.BytesIO(data), side, True)
            answers = python.run(None, {"image": tensor})
            if name == "lung-unet":
                np.asarray(Image.fromarray(answers[0][0, 0]).resize(size, Image.BILINEAR)) > 0.5
        times.append((time.perf_counter() - begun) * 1000 / len(buffers))
    return statistics.median(times[1:])


os.sched_setaffinity(0, {CORE})
buffers = [path.read_bytes() for path in FILES]
missed = False
for name, side in (("cxr-pneumonia-v2", 224), ("lung-unet", 128)):
    folder = package(sys.argv[1], name)
    tool("make_golden", folder, *OBJECTS[:3])
    hilum, python = [], []
    for _ in range(ROUNDS):
        said = tool("score", folder, f"{sys.argv[1]}/bench", "--repeat", PASSES, *FILES, core=CORE)
        hilum.append(float(said.split()[0]))
        python.append(python_ms(name, side, buffers))
    ratios = [h / p for h, p in zip(hilum, python)]
    ratio = statistics.median(ratios)
    print(f"{name}: Hilum {statistics.median(hilum):.2f} ms, Python {statistics.median(python):.2f} ms per object, "
          f"ratio {ratio:.3f} (rounds {', '.join(f'{r:.3f}' for r in ratios)})")
    missed |= ratio > 1.0
sys.exit("slower than Python" if missed else 0)
