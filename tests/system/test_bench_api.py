"""tests/bench/api measures all that it says it does; figures are not looked
at, since tests share their machine."""

import json
import os
import subprocess
import sys

from daemons import NODE
from process import BUILD, ROOT, clean_env


def test_measures_everything(tmp_path):
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, "tests", "bench", "api.py"),
         "--seconds", "0.2", "--pins", "300", "--requests", "1200",
         "--mib", "2", "--node", NODE, "--out", out],
        env={**os.environ, "PINFOLD_BUILD": BUILD,
             "TMPDIR": str(tmp_path),
             "TSAN_OPTIONS": clean_env()["TSAN_OPTIONS"]},
        text=True, capture_output=True, timeout=400, check=False)
    assert out.exists(), done.stdout + done.stderr
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert figures["failed"] == "", figures["failed"]
    found = figures["results"]
    for load in [*found["pins"].values(), *found["gets"].values()]:
        assert load["errors"] + load["broken"] + load["timeouts"] == 0
    assert list(found["lists"]) == ["300"]
    assert found["service"]["pages"] == 2
    kinds = ["fake daemon", "test node"]
    if os.environ.get("PINFOLD_IPFS"):
        kinds.append("Kubo")
    assert {k: u["mib"] for k, u in found["upload"].items()} == dict.fromkeys(
        kinds, 2)
    for text in ("POST /pins/{cid}, 128 connections, token",
                 "GET /allocations/{cid}, 16 connections, no token",
                 "GET /pins, page of 1,000",
                 "GET /pins, 300 items", "upload of 2 MiB to test node"):
        assert text in done.stdout, done.stdout + done.stderr
