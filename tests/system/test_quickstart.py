"""deploy/quickstart.sh: twice, stopped, started again, removed."""

import os
import subprocess

import pytest
from process import ROOT, clean_env

SCRIPT = os.path.join(ROOT, "deploy", "quickstart.sh")


@pytest.fixture
def quickstart(tmp_path):
    state = tmp_path / "the state"

    def run(*words, **env):
        done = subprocess.run(
            [SCRIPT, *words], capture_output=True, text=True, timeout=600,
            check=False, stdin=subprocess.DEVNULL,
            env={**clean_env(), "PINFOLD_STATE": str(state), **env})
        return done.returncode, done.stdout + done.stderr

    run.state = state
    # A program that is there: nothing is downloaded in a test.
    ipfs = os.environ.get("PINFOLD_IPFS")
    run.more = {"PINFOLD_IPFS": ipfs} if ipfs else {}
    yield run
    run("--clean")


def pids(state):
    return {int(p.read_text().split()[0])
            for p in (state / "run").glob("*.pid")}


def running(pid):
    """Not counting what has ended and is not yet collected."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_quickstart(quickstart):
    if not quickstart.more:
        # As after a first run without a network: no look for Kubo.
        quickstart.state.mkdir()
        (quickstart.state / ".pinfold-quickstart").touch()
        (quickstart.state / "kind").write_text("testnode\n")
    code, text = quickstart(**quickstart.more)
    assert code == 0, text
    assert "which does not hold it" in text and "the same bytes" in text
    assert text.count("http://127.0.0.1:") == 6
    lines = text.split("Next:")[1].strip().split("\n")
    done = subprocess.run(["bash", "-c", "shopt -s expand_aliases\n" +
                           "\n".join(lines[:2])], capture_output=True,
                          env=clean_env(), text=True, check=False)
    assert done.returncode == 0 and "node-3" in done.stdout, done
    first = pids(quickstart.state)
    assert len(first) == 9

    code, text = quickstart()
    assert code == 0 and "running already" in text, text
    assert pids(quickstart.state) == first

    done = subprocess.run(["bash", "-c", lines[-1]], capture_output=True,
                          env=clean_env(), text=True, check=False)
    assert done.returncode == 0 and "stopped" in done.stdout, done
    assert not any(map(running, first))
    assert pids(quickstart.state) == set()
    code, text = quickstart("--stop")
    assert code == 0, text

    code, text = quickstart(**quickstart.more)
    assert code == 0 and "the same bytes" in text, text
    second = pids(quickstart.state)
    code, text = quickstart("--clean")
    assert code == 0, text
    assert not quickstart.state.exists()
    assert not any(map(running, second))
    code, text = quickstart("--clean")
    assert code == 0 and "nothing to do" in text


def test_wrong_use(quickstart):
    for words in (["--nodes"], ["--nodes", "0"], ["--coordinators", "2"],
                  ["--what"]):
        code, text = quickstart(*words)
        assert code == 2 and "FAILED" not in text, words
    code, text = quickstart("--help")
    assert code == 0 and "--clean" in text


def test_what_is_missing_is_said(quickstart, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(f"/bin/{name}" if name == "bash" else
                                  f"/usr/bin/{name}")
    code, text = quickstart(PATH=str(tools))
    assert code == 1 and "there is no awk" in text, text
    code, text = quickstart(PINFOLD_STATE="/proc/none")
    assert code == 1 and "the state directory /proc/none" in text, text
    assert text.count("cannot create") == 1, text
    code, text = quickstart(PINFOLD_STATE="", HOME="")
    assert code == 1 and "HOME" in text, text


def test_foreign_directory_is_refused(quickstart):
    quickstart.state.mkdir()
    (quickstart.state / "precious").write_text("x")
    code, text = quickstart()
    assert code == 1 and "not made by this script" in text
    code, text = quickstart("--clean")
    assert code == 0 and (quickstart.state / "precious").exists()
