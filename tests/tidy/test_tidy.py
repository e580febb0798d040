"""Plants one violation of each rule and expects tidy to see it there."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import tidy  # noqa: E402

LONG = "int f(void)\n{\n" + "    g();\n" * 70 + "}\n"

CLEAN = {
    "proto/err.h": '#define ERR_TABLE(X) X(OK, "ok", 200, 0)\n\n',
    "proto/types.h": '#define VERDICT_TABLE(X) X(1, ALREADY, "already")\n\n'
                     '#define REASON_TABLE(X) X(1, PLACED, "placed")\n\n',
    "proto/types.c": '#include "proto/types.h"\n'
                     'case NODE_READY:\n    return "ready";\n',
    "proto/buf.c": '#include "proto/err.h"\n',
    "proto/command.h": "enum command_kind { COMMAND_TICK = 1 };\n",
    "proto/command.c": '#include "proto/command.h"\n',
    "tests/golden/command_tick_v1.hex": "00\n",
    "tests/fuzz/corpus/command/TICK": "0",
    "docs/protocol.md": "ok already placed ready listen\n",
    "coordinator/core/fsm.c": '/* time(NULL), float */\n'
                              '#include "proto/types.h"\n'
                              'static const int table[] = {1};\n'
                              'int fsm(void) { return log_time(); }\n',
    "coordinator/config.c": '{"listen", CONF_ADDR, AT(listen), NULL},\n',
    "coordinator/main.c": "int main(void) { use(c->listen); }\n",
    "tests/unit/test_fsm.c": "/* listen */\n",
}

# name: (file, content, group, part of the message)
PLANTED = {
    "base includes domain": (
        "proto/buf.c", '#include "proto/types.h"\n', "layers",
        "proto/buf.c:1: domain-free proto includes"),
    "proto includes shell": (
        "proto/command.c", '#include "coordinator/replica.h"\n', "layers",
        "proto/command.c:1"),
    "core includes shell": (
        "coordinator/core/fsm.c", '#include "coordinator/replica.h"\n',
        "layers", "coordinator/core/fsm.c:1"),
    "agent includes coordinator": (
        "agent/main.c", '#include "coordinator/replica.h"\n', "layers",
        "agent/main.c:1"),
    "sqlite in a shell": (
        "coordinator/api.c", "\n#include <sqlite3.h>\n",
        "owners of libraries", "coordinator/api.c:2"),
    "nng outside stream": (
        "coordinator/agents.c", "#include <nng/nng.h>\n",
        "owners of libraries", "coordinator/agents.c:1"),
    "clock in a core": (
        "coordinator/core/fsm.c", "int f(void) { return time(0); }\n",
        "pure cores", "core calls time()"),
    "float in a core": (
        "agent/core/work.c", "static float x(void);\n", "pure cores",
        "core uses float"),
    "log in a core": (
        "agent/core/work.c", "\n\nvoid f(void) { log_info(0); }\n",
        "pure cores", "agent/core/work.c:3"),
    "global in a core": (
        "agent/core/work.c", "int counter;\n", "pure cores", "counter"),
    "static in a core": (
        "agent/core/work.c", "void f(void)\n{\n    static int n = 0;\n}\n",
        "pure cores", "agent/core/work.c:3: core keeps"),
    "sprintf": (
        "ctl/print.c", 'void f(void) { sprintf(b, "x"); }\n',
        "banned calls", "ctl/print.c:1: sprintf()"),
    "bad name": ("proto/utils.c", "", "file names", "proto/utils.c:1"),
    "long line": (
        "ctl/print.c", "int " + "x" * 80 + ";\n", "sizes", "85 columns"),
    "long function": ("ctl/print.c", LONG, "sizes", "f has 73 lines"),
    "long file": ("ctl/print.c", "\n" * 601, "sizes", "601 lines"),
    "core without test": (
        "coordinator/core/plan.c", "", "completeness", "test_plan.c"),
    "no golden": (
        "proto/command.h", "enum command_kind { COMMAND_EXPIRE = 6 };\n",
        "completeness", "command_expire_v1.hex"),
    "error not in docs": (
        "proto/err.h", '#define ERR_TABLE(X) X(IO, "broken disk", 500, 1)\n\n',
        "docs name every row", "broken disk"),
    "dead option": (
        "coordinator/config.c", '\n{"listen", CONF_ADDR, AT(dead), NULL},\n',
        "options", "coordinator/config.c:2: nothing reads option listen"),
    "untested option": (
        "tests/unit/test_fsm.c", "", "options", "no test names"),
    "unfinished": (
        "ctl/print.c", "\n/* TO" "DO: colours */\n", "dead matter",
        "ctl/print.c:2"),
    "unreferenced": (
        "proto/lonely.h", "\n", "dead matter", "proto/lonely.h:1"),
}


def check(tmp_path, files):
    for path, text in files.items():
        full = tmp_path / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)
    tree = tidy.Tree(str(tmp_path))
    return {name: list(group(tree)) for name, group in tidy.GROUPS.items()}


def test_clean_tree_has_no_messages(tmp_path):
    found = check(tmp_path, CLEAN)
    assert {name: m for name, m in found.items() if m} == {}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_is_seen(tmp_path, name):
    path, text, group, part = PLANTED[name]
    files = dict(CLEAN)
    files["coordinator/replica.h"] = "\n"
    files[path] = text
    messages = check(tmp_path, files)[group]
    assert any(part in m for m in messages), messages


def test_marked_table_may_be_long(tmp_path):
    files = dict(CLEAN)
    files["ctl/print.c"] = tidy.FLAT + "\n" + LONG
    assert check(tmp_path, files)["sizes"] == []
