"""/metrics of both programs, and what deploy/ builds on them: alert rules and
the board. promtool is what tests/promtool.sh got, or PINFOLD_PROMTOOL.

PINFOLD_PRINT=1 prints the tables of docs/operations.md, to be put there.
"""

import json
import os
import re
import shutil
import subprocess

import pytest

from cluster import Cluster, make_cid, pinfold
from process import ROOT, until
from wire import request

DEPLOY = os.path.join(ROOT, "deploy")
ALERTS = os.path.join(DEPLOY, "prometheus", "alerts.yml")
ALERTS_TEST = os.path.join(DEPLOY, "prometheus", "alerts_test.yml")
BOARD = os.path.join(DEPLOY, "grafana", "pinfold.json")
OPERATIONS = os.path.join(ROOT, "docs", "operations.md")
NAME = re.compile(r"\b(?:pinfold|process)_[a-z0-9_]+")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    c = Cluster(tmp_path_factory.mktemp("metrics"), coordinators=3, nodes=3,
                daemon="fake")
    try:
        c.start()
        yield c
    finally:
        wrong = c.close()
        assert not wrong, "\n".join(wrong) + c.logs()


@pytest.fixture(scope="module")
def promtool():
    here = os.environ.get("PINFOLD_PROMTOOL") or \
        os.path.join(ROOT, "build", "promtool")
    found = here if os.access(here, os.X_OK) else shutil.which("promtool")
    if not found:
        pytest.skip("no promtool: tests/promtool.sh build/promtool says why")

    def run(*words, **more):
        return subprocess.run([found, *words], text=True, timeout=120,
                              capture_output=True, check=False, **more)
    return run


def agent_text(agent):
    answer = request(agent.http, "GET", "/metrics", timeout=10)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    return answer.text()


def coordinator_text(coordinator):
    answer = coordinator.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    return answer.text()


def samples(text):
    """'name{labels}' -> value"""
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if not line.startswith("#")}


def families(text):
    """name -> [type, labels of its samples but le, help], in order"""
    found = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            assert name not in found, f"{name} twice"
            found[name] = ["", None, words]
            last = name
        elif line.startswith("# TYPE "):
            found[last][0] = line.rsplit(" ", 1)[1]
        else:
            name = re.match(r"[a-z0-9_]+", line).group()
            if found[last][0] == "histogram":
                name = re.sub("_(bucket|sum|count)$", "", name)
            assert name == last, line
            labels = [x for x in re.findall(r'(\w+)="', line) if x != "le"]
            found[last][1] = max(found[last][1] or [], labels, key=len)
    return found


def series_names(text):
    """What queries may name."""
    names = set()
    for name, (kind, _, _) in families(text).items():
        names |= {name + x for x in ("_bucket", "_sum", "_count")} \
            if kind == "histogram" else {name}
    return names


# --- form --------------------------------------------------------------------

def test_promtool_finds_nothing(cluster, promtool):
    for text in [coordinator_text(c) for c in cluster.coordinators] + \
            [agent_text(a) for a in cluster.agents]:
        assert len(text) > 10000
        done = promtool("check", "metrics", input=text)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_no_series_twice(cluster):
    for text in (coordinator_text(cluster.coordinators[0]),
                 agent_text(cluster.agents[0])):
        lines = [x.rsplit(" ", 1)[0] for x in text.splitlines()]
        assert len(lines) == len(set(lines))
        families(text)


def test_buckets_add_up(cluster):
    cluster.any().get("/id")
    for text in (coordinator_text(cluster.any()),
                 agent_text(cluster.agents[0])):
        counts = {}
        for series, value in samples(text).items():
            if m := re.fullmatch(r'(\w+)_bucket\{(.*?),?le="(.*)"\}', series):
                counts.setdefault(m.groups()[:2], []).append(value)
            elif m := re.fullmatch(r"(\w+)_count\{(.*)\}", series):
                assert counts[m.groups()][-1] == value, series
        assert counts and all(x == sorted(x) for x in counts.values())


def table(text):
    """The rows that docs/operations.md has of these families."""
    rows = []
    for name, (kind, labels, words) in families(text).items():
        words = words.replace("|", "\\|")
        names = ", ".join(f"`{x}`" for x in labels or [])
        rows.append(f"| `{name}` | {kind} | {names} | {words} |")
    return rows


# Without samples in a small cluster: their labels are as the table says.
RARE = {"pinfold_cluster_limit_bytes",
        "pinfold_org_guarantee_bytes", "pinfold_org_limit_bytes",
        "pinfold_org_limit_pins", "pinfold_node_drain_copies",
        "pinfold_elastic_bytes", "pinfold_elastic_frontier_price",
        "pinfold_tls_certificate_loads_total"}


def test_documented(cluster):
    with open(OPERATIONS, encoding="utf-8") as f:
        text = f.read().split("## Metrics and alerts\n", 1)[1]
    text = text.split("\n## ", 1)[0]
    parts = text.split("**Of an agent**", 1)
    for part, live in zip(parts, (coordinator_text(cluster.coordinators[0]),
                                  agent_text(cluster.agents[0]))):
        live = table(live)
        if os.environ.get("PINFOLD_PRINT"):
            print("\n".join(live))
        said = [x for x in part.splitlines()
                if x.startswith(("| `pinfold_", "| `process_"))]

        def bare(row):
            cells = row.split(" | ")
            if cells[0].strip("| `") in RARE:
                cells[2] = ""
            return " | ".join(cells)
        assert [bare(x) for x in said] == [bare(x) for x in live]


# --- rules and board ---------------------------------------------------------

def alerts():
    """Name -> its lines in alerts.yml."""
    with open(ALERTS, encoding="utf-8") as f:
        parts = f.read().split("- alert: ")
    return {x.split("\n", 1)[0]: x for x in parts[1:]}


def board_queries():
    with open(BOARD, encoding="utf-8") as f:
        board = json.load(f)
    return [(p["title"], t["expr"]) for p in board["panels"]
            for t in p.get("targets", [])]


def test_rules(promtool):
    done = promtool("check", "rules", ALERTS)
    assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("test", "rules", ALERTS_TEST)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_both_ways():
    with open(ALERTS_TEST, encoding="utf-8") as f:
        text = f.read()
    assert len(alerts()) > 30
    for name, body in alerts().items():
        for way in ("fires", "is quiet"):
            assert text.count(f"name: {name} {way}\n") == 1, name
        assert re.search(r"severity: (critical|warning|info)\}", body), name
        assert "summary: " in body, name


def test_rules_and_board_name_what_there_is(cluster):
    there = series_names(coordinator_text(cluster.any())) | \
        series_names(agent_text(cluster.agents[0]))
    used = {name: f"alert {alert}" for alert, body in alerts().items()
            for name in NAME.findall(body)}
    used.update({name: f"panel {title}" for title, query in board_queries()
                 for name in NAME.findall(query)})
    assert len(used) > 60
    lost = {name: by for name, by in used.items() if name not in there}
    assert not lost


def test_labels_that_rules_pick_exist(cluster):
    """A selector of a word that is never there would never fire."""
    live = coordinator_text(cluster.any()) + agent_text(cluster.agents[0])
    known = live + ' state="out" state="full" state="stuck" level="hard" ' \
        'result="refused" '
    for text in [*alerts().values(), *(q for _, q in board_queries())]:
        for label, word in re.findall(r'(\w+)=~?"([^"]+)"', text):
            for part in word.split("|"):
                assert label == "job" or f'{label}="{part}"' in known, \
                    (label, part)


def test_board(promtool, tmp_path):
    with open(BOARD, encoding="utf-8") as f:
        board = json.load(f)
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids)) and len(ids) > 30
    assert [v["name"] for v in board["templating"]["list"]] == ["datasource"]
    for p in board["panels"]:
        for t in p.get("targets", []):
            assert t["datasource"]["uid"] == "${datasource}", p["title"]
    rules = ["groups: [{name: board, rules: ["]
    for i, (_, query) in enumerate(board_queries()):
        query = query.replace("$__rate_interval", "5m")
        assert "$" not in query
        rules.append(json.dumps({"record": f"q:{i}", "expr": query}) + ",")
    path = tmp_path / "board.yml"
    path.write_text("\n".join(rules) + "]}]\n")
    done = promtool("check", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


# --- values ------------------------------------------------------------------

def value(process, series):
    """Of a coordinator or an agent; None: no such series."""
    text = agent_text(process) if hasattr(process, "daemon") \
        else coordinator_text(process)
    return samples(text).get(series)


def becomes(process, series, want, seconds=30):
    until(lambda: value(process, series) == want, seconds,
          f"{series} is {want} at {process.name}")


def test_pins_are_counted(cluster):
    c = cluster.leader()
    before = samples(coordinator_text(c))
    cids = [make_cid(f"metrics {i}") for i in range(5)]
    for cid in cids:
        assert c.post(f"/pins/{cid}?replication-min=2&replication-max=3"
                      ).status == 200
    for cid in cids:
        cluster.wait_pinned(cid, 3)
    settled = before['pinfold_pins{state="settled"}'] + 5
    for x in cluster.coordinators:
        becomes(x, 'pinfold_pins{state="settled"}', settled)
        becomes(x, 'pinfold_copies_reported_total{state="pinned"}', 15)
        assert value(x, 'pinfold_pins{state="no_copy"}') == 0
    now = samples(coordinator_text(c))

    def grew(series):
        return now[series] - before[series]
    assert grew('pinfold_operations_total{verdict="accepted"}') == 5
    assert grew('pinfold_copies_ordered_total{reason="placed"}') == 15
    assert grew('pinfold_org_pins{org="default"}') == 5
    route = 'door="cluster",method="POST",route="/pins/{}"'
    assert grew(f"pinfold_http_request_seconds_count{{{route}}}") == 5
    assert grew(f'pinfold_http_request_seconds_bucket{{{route},le="+Inf"}}'
                ) == 5
    assert 0 < grew(f"pinfold_http_request_seconds_sum{{{route}}}") < 60
    for a in cluster.agents:
        assert value(a, 'pinfold_agent_orders{want="hold"}') == 5
        assert value(a, 'pinfold_agent_turns_total{org="1"}') >= 5
        assert value(a, 'pinfold_agent_queue_pins{org="1"}') == 0
        assert value(a, "pinfold_agent_backoff_pins") == 0
        name = "pinfold_agent_daemon_call_seconds_count"
        assert value(a, name + '{call="pin/add"}') == 5
    for cid in cids:
        assert c.delete(f"/pins/{cid}").status == 200
    becomes(c, 'pinfold_pins{state="settled"}', settled - 5)
    becomes(c, 'pinfold_pins{state="releasing"}', 0)
    becomes(c, 'pinfold_copies_released_total{reason="unclaimed"}', 15)
    becomes(c, 'pinfold_copies_reported_total{state="gone"}', 15)


def test_refusals_by_reason(cluster):
    c = cluster.followers()[0]
    before = samples(coordinator_text(c))
    assert c.post("/pins/nonsense").status == 400
    assert c.get("/nowhere").status == 404
    assert c.delete(f"/pins/{make_cid('never pinned')}").status == 404
    assert c.call("PATCH", "/id").status == 405
    now = samples(coordinator_text(c))
    for series, more in (
            ('pinfold_http_refusals_total{reason="invalid"}', 1),
            ('pinfold_http_refusals_total{reason="not_found"}', 2),
            ('pinfold_http_refusals_total{reason="method"}', 1),
            ('pinfold_operations_total{verdict="not_found"}', 1),
            ('pinfold_http_answers_total{code="4xx"}', 4)):
        assert now[series] - before[series] == more, series


def test_budgets_and_elastic_pins(cluster):
    c = cluster.leader()
    done = pinfold(cluster, "org", "create", "lab")
    assert done.returncode == 0, done.stderr
    done = pinfold(cluster, "quota", "set", "lab", "--physical", "8MiB",
                   "--pins", "3")
    assert done.returncode == 0, done.stderr
    becomes(c, 'pinfold_org_limit_bytes{org="lab",level="hard",'
            'kind="physical"}', 8 << 20)
    assert value(c, 'pinfold_org_limit_pins{org="lab",level="hard"}') == 3
    lab = {"X-Pinfold-Org": "lab"}
    refused = value(c, 'pinfold_operations_total{verdict="over_quota"}')
    for i in range(4):
        answer = c.post(f"/pins/{make_cid(f'lab {i}')}?replication-min=1"
                        "&replication-max=1&mode=recursive", headers=lab)
        assert answer.status == (200 if i < 3 else 403)
    assert value(c, 'pinfold_operations_total{verdict="over_quota"}') == \
        refused + 1
    becomes(c, 'pinfold_org_pins{org="lab"}', 3)
    done = pinfold(cluster, "offer", make_cid("elastic"))
    assert done.returncode == 0, done.stderr
    becomes(c, 'pinfold_elastic_demands{state="held"}', 1)
    assert value(c, "pinfold_elastic_admitted_total") == 1
    until(lambda: value(c, 'pinfold_elastic_frontier_price{org="default"}'),
          20, "the price of what is held")


def test_a_daemon_that_dies(cluster):
    c, a = cluster.leader(), cluster.agents[1]
    daemon = cluster.daemons[1]
    becomes(a, "pinfold_agent_daemon_up", 1)
    daemon.kill9()
    becomes(a, "pinfold_agent_daemon_up", 0)
    assert value(a, "pinfold_agent_ready") == 0
    answer = request(a.http, "GET", "/readyz")
    assert answer.status == 503
    assert answer.json() == {"ready": False,
                             "reason": "the IPFS daemon is not up"}
    assert request(a.http, "GET", "/livez").status == 200
    becomes(c, f'pinfold_node_daemon_up{{node="node-{a.number}"}}', 0)
    daemon.start()
    becomes(a, "pinfold_agent_daemon_up", 1)
    becomes(c, f'pinfold_node_daemon_up{{node="node-{a.number}"}}', 1)


def test_an_agent_that_dies(cluster):
    """What it held is under-replicated until it is back."""
    c, a = cluster.leader(), cluster.agents[2]
    node = f"node-{a.number}"
    cid = make_cid("three copies")
    assert c.post(f"/pins/{cid}?replication-min=3&replication-max=3"
                  ).status == 200
    cluster.wait_pinned(cid, 3)
    becomes(c, 'pinfold_pins_under_replicated{cause="node_down"}', 0)
    a.kill9()
    becomes(c, f'pinfold_node_connected{{node="{node}"}}', 0)
    becomes(c, "pinfold_agents_connected", 2)
    becomes(c, f'pinfold_node_state{{node="{node}",state="down"}}', 1)
    becomes(c, 'pinfold_pins_under_replicated{cause="node_down"}', 1)
    a.start()
    becomes(c, f'pinfold_node_connected{{node="{node}"}}', 1)
    becomes(c, 'pinfold_pins_under_replicated{cause="node_down"}', 0)


# --- the agent's listener ----------------------------------------------------

def test_agent_listener(cluster):
    port = cluster.agents[0].http
    assert request(port, "GET", "/healthz").json() == {"alive": True}
    assert request(port, "GET", "/readyz").json() == {"ready": True,
                                                      "reason": ""}
    assert request(port, "GET", "/").status == 404
    assert request(port, "GET", "/metrics/").status == 404
    for method in ("POST", "PUT", "DELETE"):
        answer = request(port, method, "/metrics", b"x" * 100)
        assert answer.status == 405 and answer.headers["allow"] == "GET"
    assert value(cluster.agents[0],
                 'pinfold_http_answers_total{code="4xx"}') >= 5
    head = request(port, "HEAD", "/metrics")
    assert head.status == 200 and head.body == b""


def test_agent_without_listener(tmp_path):
    c = Cluster(tmp_path, coordinators=1, nodes=1, daemon="fake",
                agent_options={"listen-http": "none"})
    try:
        c.start()
        with pytest.raises(OSError):
            request(c.agents[0].http, "GET", "/livez")
    finally:
        wrong = c.close()
        assert not wrong, "\n".join(wrong) + c.logs()
