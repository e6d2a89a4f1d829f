"""Projects made to hurt: the files of each, by what it tries."""

# ruff: noqa: E501

from __future__ import annotations

OK = "tables:\n  gold.a: {sql: SELECT 1 AS one}\n"


def spec(body: str = "", tables: str = OK) -> dict[str, str | bytes]:
    return {"spec.yaml": f"pipeline: p\n{body}{tables}"}


def sql(text: str) -> dict[str, str | bytes]:
    return {"spec.yaml": "pipeline: p\ntables:\n  gold.a:\n    sql_file: q.sql\n", "q.sql": text}


def table(line: str) -> dict[str, str | bytes]:
    return {"spec.yaml": f"pipeline: p\ntables:\n  gold.a:\n    sql: SELECT 1 AS one\n    {line}\n"}


N = "\n"
PROJECTS: dict[str, dict[str, str | bytes]] = {
    "alias bomb": spec(
        "l0: &l0 [x]\n" + N.join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)) + N
    ),
    "merge bomb": spec(
        "m0: &m0 {x: 1}\n"
        + N.join(f"m{n}: &m{n} {{a{n}: *m{n - 1}, b{n}: *m{n - 1}, <<: *m{n - 1}}}" for n in range(1, 40))
        + N
    ),
    "merge list bomb": spec(
        "m0: &m0 {" + ", ".join(f"k{i}: 1" for i in range(1000)) + "}\n" + "m1: {<<: [" + "*m0, " * 40000 + "*m0]}\n"
    ),
    "many anchors": spec("x: [" + ", ".join(f"&a{i} {i}" for i in range(40000)) + "]\n"),
    "anchor of itself": spec("x: &x [*x]\n"),
    "variables bomb": spec("variables: {a: " + "x" * 1000 + "}\ndescription: " + "${a}" * 100000 + N),
    "variables in variables": spec(
        "variables:\n  a0: x\n" + N.join(f"  a{i}: ${{a{i - 1}}}${{a{i - 1}}}" for i in range(1, 60)) + N
    ),
    "variable lists bomb": {
        "spec.yaml": "pipeline: p\nvariables: {l: ["
        + "a," * 1000
        + "]}\ntables:\n"
        + N.join(f"  gold.t{i}: {{sql: SELECT 1 AS a, tags: '${{l}}'}}" for i in range(4000))
        + N
    },
    "variables unclosed": table("description: '" + "${" * 100000 + "'"),
    "variables long name": table("description: '${" + "a" * 500000 + "}'"),
    "variables spaces": table("description: '${" + " " * 500000 + "'"),
    "extends chain of big files": {
        **spec("extends: b0.yaml\n"),
        **{
            f"b{i}.yaml": f"extends: b{i + 1}.yaml\nparams: {{" + ", ".join(f"k{j}: 1" for j in range(20000)) + "}\n"
            for i in range(30)
        },
    },
    "extends itself": spec("extends: spec.yaml\n"),
    "ten megabytes text": spec("description: " + "a" * 10_000_000 + N),
    "ten megabytes sql": sql("SELECT '" + "a" * 10_000_000 + "' AS x"),
    "ten megabytes lake": {**spec(), "lake.yaml": "# " + "a" * 10_000_000},
    "ten megabytes extends": {**spec("extends: b.yaml\n"), "b.yaml": "doc: " + "a" * 10_000_000},
    "ten megabytes python": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a: {python: 'f.py:f'}\n",
        "f.py": "def f():\n    pass\n" + "x = 1\n" * 2_000_000,
    },
    "sql just below the limit": sql("SELECT " + ", ".join(f"a{i}" for i in range(14000)) + " FROM gold.b"),
    "sql of many joins": sql(
        "SELECT 1 FROM gold.b t0 " + " ".join(f"JOIN gold.b t{i} ON t{i}.a = t0.a" for i in range(1, 2500))
    ),
    "sql of many unions": sql(" UNION ALL ".join(["SELECT 1 AS a"] * 6000)),
    "sql of many ands": sql("SELECT 1 AS a WHERE " + " AND ".join(["b = 1"] * 10000)),
    "sql of ctes": sql(
        "WITH "
        + ", ".join(f"c{i} AS (SELECT * FROM {'gold.a' if i == 0 else f'c{i - 1}'})" for i in range(2500))
        + " SELECT * FROM c2499"
    ),
    "sql of ctes that double": {
        **sql(
            "WITH "
            + ", ".join(
                f"c{i} AS (SELECT a.* FROM {'gold.b' if i == 0 else f'c{i - 1}'} a JOIN {'gold.b' if i == 0 else f'c{i - 1}'} b)"
                for i in range(60)
            )
            + " SELECT x FROM c59"
        ),
        "spec.yaml": "pipeline: p\ntables:\n  gold.a: {sql_file: q.sql}\n  gold.b: {sql: SELECT 1 AS a, columns: {a: int}}\n",
    },
    "sql of subqueries": sql("SELECT * FROM (" * 3000 + "SELECT 1 AS a" + ")" * 3000),
    "sql of parentheses": sql("SELECT " + "(" * 40000 + "1" + ")" * 40000),
    "sql of brackets": sql("SELECT " + "[" * 40000),
    "sql of case": sql("SELECT " + "CASE WHEN 1=1 THEN " * 4000 + "1" + " END" * 4000),
    "sql of nots": sql("SELECT " + "NOT " * 20000 + "a"),
    "sql of minuses": sql("SELECT " + "- " * 40000 + "1"),
    "sql of dots": sql("SELECT " + "a." * 40000 + "a FROM gold.b"),
    "sql of comments": sql("/*" * 40000 + " SELECT 1"),
    "sql of nested comments": sql("/* " * 30000 + "*/ " * 30000 + "SELECT 1"),
    "sql of quotes": sql("SELECT '" + "''" * 40000),
    "sql of backslashes": sql("SELECT '" + "\\" * 90000),
    "sql of semicolons": sql(";" * 90000),
    "sql of types": sql("SELECT CAST(a AS " + "array<" * 8000 + "int" + ">" * 8000 + ")"),
    "sql of lambdas": sql("SELECT " + "transform(a, x -> " * 3000 + "x" + ")" * 3000),
    "sql of templates": sql("SELECT " + ", ".join(["{{ ds }}"] * 9000)),
    "sql of other templates": sql("SELECT " + ", ".join(["{{ x.y[1] }}"] * 6000)),
    "sql of hints": sql("SELECT /*+ " + "A(" * 20000 + " */ 1"),
    "sql whole file of sql": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(
            f"  gold.t{i}:\n    sql: SELECT " + ", ".join(f"a{j} + b{j} AS c{j}" for j in range(4000))
            for i in range(11)
        )
        + N
    },
    "many big sql files": {
        "spec.yaml": "pipeline: p\ntables:\n" + N.join(f"  gold.t{i}: {{sql_file: q.sql}}" for i in range(4000)) + N,
        "q.sql": "SELECT " + ", ".join(f"a{j} + b{j} AS c{j}" for j in range(4000)),
    },
    "many sql files of a megabyte": {
        "spec.yaml": "pipeline: p\ntables:\n" + N.join(f"  gold.t{i}: {{sql_file: q.sql}}" for i in range(4000)) + N,
        "q.sql": "-- " + "a" * 900_000 + "\nSELECT 1 AS one",
    },
    "types deep": table("columns: {one: '" + "array<" * 20000 + "int" + ">" * 20000 + "'}"),
    "types wide": table("columns: {one: 'struct<" + ",".join(f"a{i}: int" for i in range(60000)) + ">'}"),
    "types digits": table("columns: {one: 'decimal(" + "9" * 100000 + "," + "9" * 100000 + ")'}"),
    "checks deep": table("checks: [" + "{a: " * 45 + "1" + "}" * 45 + "]"),
    "checks same as": table("checks: ['row_count same as " + "a." * 100000 + "']"),
    "checks exist in": table("checks: ['values in " + "(" * 100000 + "']"),
    "checks exist in 2": table("checks: ['values in (a) must " + " " * 100000 + "exist']"),
    "checks spaces": table("checks: ['" + "row_count same as " * 20000 + "']"),
    "checks columns": table("checks: ['missing_count(" + "," * 100000 + ") = 0']"),
    "checks comparisons": table("checks: ['row_count " + "<" * 100000 + "']"),
    "checks query": table("checks: [{failed rows: {fail query: 'SELECT " + "(" * 40000 + "'}}]"),
    "transforms": table("partition_by: ['" + "bucket(" * 50000 + "']"),
    "transforms spaces": table("partition_by: ['bucket(" + " " * 100000 + "x']"),
    "transforms digits": table("partition_by: ['bucket(" + "9" * 100000 + ", one)']"),
    "durations": table("retry_delay: '" + "1" * 100000 + "'"),
    "durations of many parts": table("retry_delay: '" + "1d" * 100000 + "'"),
    "durations of zeros": table("retry_delay: 000000000d000000000h000000000m000000001s"),
    "durations too long": table("retry_delay: 999999999d"),
    "sizes": {**spec(), "lake.yaml": "resource_profiles: {a: {driver_memory: '" + "9" * 100000 + "g'}}\n"},
    "fractions": table("quarantine: {max: '" + "9" * 100000 + "." + "9" * 100000 + " " * 100000 + "%'}"),
    "fractions huge": table("quarantine: {max: 1e400}"),
    "templates unclosed": table("description: x\n    pool: '" + "{{ " * 100000 + "'"),
    "templates nested": table("pool: '{{ " + "(" * 100000 + " }}'"),
    "templates deep": table("pool: '{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}'"),
    "templates evaluated": table("pool: \"{{ 9**9**9**9 }} {{ 'a' * 10**12 }} {{ range(10**12) | list }}\""),
    "templates blocks": table("pool: '" + "{% if a %}" * 20000 + "'"),
    "templates many": table("pool: '" + "{{ a.b(1) }}" * 40000 + "'"),
    "templates strings": table("pool: \"{{ '" + "\\\\'" * 100000 + ' }}"'),
    "templates raw": table("pool: '{% raw %}" + "{{" * 100000 + "'"),
    "integers": spec("max_active_runs: " + "9" * 100000 + N),
    "integers of base": spec("max_active_runs: 0x" + "f" * 250000 + N),
    "integers that airflow cannot store": spec("max_active_runs: " + "9" * 200 + N),
    "priority of many digits": table("priority_weight: -" + "9" * 250),
    "retries of many digits": table("retries: " + "9" * 250),
    "floats": spec("max_active_runs: 1e999999\n"),
    "floats of digits": spec("max_active_runs: 1." + "9" * 100000 + N),
    "infinities": spec("params: {a: .inf, b: .nan, c: -.inf}\n"),
    "dates before all": spec('timezone: America/New_York\nstart_date: "0001-01-01T00:00:00+14:00"\n'),
    "dates after all": spec(
        'timezone: Pacific/Kiritimati\nstart_date: 2026-01-01\nend_date: "9999-12-31T23:59:59-12:00"\n'
    ),
    "dates at the end": spec('schedule: "@daily"\nstart_date: "9999-12-31T00:00:00"\n'),
    "dates of five digits": spec("start_date: 99999-01-01\n"),
    "dates long": spec("start_date: '2026-01-01" + "0" * 100000 + "'\n"),
    "dates at the beginning": spec('timezone: Asia/Tokyo\nstart_date: "0001-01-01"\n'),
    "time zone long": spec("timezone: '" + "a" * 100000 + "'\n"),
    "time zone path": spec("timezone: ../../../../etc/passwd\n"),
    "time zone absolute": spec("timezone: /etc/passwd\n"),
    "time zone nul": spec('timezone: "a\\0b"\n'),
    "cron never": spec("schedule: 0 0 30 2 *\nstart_date: 2026-01-01\n"),
    "cron never 2": spec("schedule: 0 0 31 2,4,6,9,11 *\nstart_date: 2026-01-01\n"),
    "cron rare": spec("schedule: 0 0 29 2 */7\nstart_date: 2026-01-01\n"),
    "cron nth": spec("schedule: '0 0 * 2 6#5'\nstart_date: 2026-01-01\n"),
    "cron last": spec("schedule: 0 0 L 2 *\nstart_date: 2026-01-01\n"),
    "cron zero step": spec("schedule: '*/0 * * * *'\nstart_date: 2026-01-01\n"),
    "cron long list": spec("schedule: '" + "0," * 100000 + "0 * * * *'\nstart_date: 2026-01-01\n"),
    "cron long ranges": spec("schedule: '" + "0-59," * 50000 + "0 * * * *'\nstart_date: 2026-01-01\n"),
    "cron huge range": spec("schedule: 0-999999999999 * * * *\nstart_date: 2026-01-01\n"),
    "cron huge step": spec("schedule: '*/99999999999999999999 * * * *'\nstart_date: 2026-01-01\n"),
    "cron hashed": spec("schedule: H H H H H\nstart_date: 2026-01-01\n"),
    "cron random": spec("schedule: R(0-99999999999) R R R R\nstart_date: 2026-01-01\n"),
    "cron unicode digits": spec("schedule: '٣ * * * *'\nstart_date: 2026-01-01\n"),
    "cron dashes": spec("schedule: '" + "-" * 100000 + " * * * *'\nstart_date: 2026-01-01\n"),
    "conditions deep": spec("schedule: " + "{any: [" * 24 + "a.b" + "]}" * 24 + N),
    "conditions wide": spec("schedule: {any: [" + "'s3://b/c'," * 20000 + "]}\n"),
    "nested flow": spec("params: " + "[" * 20000 + N),
    "nested maps": spec("params: " + "{a: " * 20000 + N),
    "nested block": spec("params:\n" + N.join(" " * i + "a:" for i in range(1, 1200)) + N),
    "nested dashes": spec("params: \n  " + "- " * 20000 + N),
    "question marks": spec("? " * 20000 + N),
    "quotes": spec("description: " + "'" * 100001 + N),
    "long key": spec("k" * 900_000 + ": 1\n"),
    "long keys": spec("".join(f"{'k' * 900}{i}: 1\n" for i in range(900))),
    "long table name": {"spec.yaml": "pipeline: p\ntables:\n  gold." + "a" * 900_000 + ": {sql: SELECT 1 AS one}\n"},
    "keys like ours": spec("".join(f"descriptio{i}: 1\n" for i in range(20000))),
    "wrong table keys": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(f"  gold.t{i}: {{sql: SELECT 1 AS a, retrys: 1}}" for i in range(8000))
        + N
    },
    "ten thousand tables": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(f"  gold.t{i}: {{sql: SELECT 1 AS a}}" for i in range(10_000))
        + N
    },
    "ten thousand ingests": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(f"  bronze.t{i}: {{ingest: {{files: a{i}.csv}}}}" for i in range(8_000))
        + N
    },
    "ten thousand wrong tables": {
        "spec.yaml": "pipeline: p\ntables:\n" + N.join(f"  t{i}: {{sql: SELECT 1 AS a}}" for i in range(10_000)) + N
    },
    "a chain of tables": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(f"  gold.t{i}: {{sql: SELECT * FROM gold.t{i + 1}}}" for i in range(3000))
        + "\n  gold.t3000: {sql: SELECT 1 AS one}\n"
    },
    "a circle of tables": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(f"  gold.t{i}: {{sql: SELECT * FROM gold.t{(i + 1) % 3000}}}" for i in range(3000))
        + N
    },
    "many circles": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(f"  gold.t{i}: {{sql: SELECT * FROM gold.t{i ^ 1}}}" for i in range(3000))
        + N
    },
    "all read all": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(
            f"  gold.t{i}: {{sql: SELECT 1 AS a, depends_on: ["
            + ", ".join(f"gold.t{j}" for j in range(200) if j != i)
            + "]}"
            for i in range(200)
        )
        + N
    },
    "many unknown tables": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(f"  gold.table_number_{i}: {{sql: SELECT * FROM silver.table_namber_{i}}}" for i in range(3000))
        + N
    },
    "many unknown columns": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.b: {sql: SELECT 1 AS a, columns: {"
        + ", ".join(f"column_{i}: int" for i in range(3000))
        + "}}\n  gold.a:\n    sql: SELECT "
        + ", ".join(f"colunm_{i}" for i in range(6000))
        + " FROM gold.b\n"
    },
    "layers chain": {
        "spec.yaml": "pipeline: p\nlayers:\n"
        + N.join(f"  l{i}: {{like: {'gold' if i == 0 else f'l{i - 1}'}, retries: 1}}" for i in range(3000))
        + "\ntables:\n  l2999.a: {sql: SELECT 1 AS one}\n"
    },
    "layers chain of many tables": {
        "spec.yaml": "pipeline: p\nlayers:\n"
        + N.join(f"  l{i}: {{like: {'gold' if i == 0 else f'l{i - 1}'}, retries: 1}}" for i in range(1500))
        + "\ntables:\n"
        + N.join(f"  l{i}.a: {{sql: SELECT 1 AS one}}" for i in range(1500))
        + N
    },
    "layers circle": {
        "spec.yaml": "pipeline: p\nlayers:\n"
        + N.join(f"  l{i}: {{like: l{(i + 1) % 3000}}}" for i in range(3000))
        + "\n"
        + OK
    },
    "defaults for all": {
        "spec.yaml": "pipeline: p\ndefaults: {checks: ["
        + "row_count > 0, " * 3000
        + "]}\ntables:\n"
        + N.join(f"  gold.t{i}: {{sql: SELECT 1 AS a}}" for i in range(3000))
        + N
    },
    "defaults wrong for all": {
        "spec.yaml": "pipeline: p\ndefaults: {unique_key: ["
        + ", ".join(f"k{i}" for i in range(1000))
        + "]}\ntables:\n"
        + N.join(f"  gold.t{i}: {{sql: SELECT 1 AS a, columns: {{a: int}}}}" for i in range(1000))
        + N
    },
    "nul characters": {"spec.yaml": b"pipeline: p\0\ntables: {}\n"},
    "nul escape": {
        "spec.yaml": 'pipeline: "p\\0"\nextends: "a\\0b"\ntables:\n  gold.a: {sql_file: "a\\0b", columns: {"a\\0": int}}\n  gold.b: {sql: "SELECT \\0"}\n  gold.c: {python: "a\\0.py:f"}\n'
    },
    "surrogates": {"spec.yaml": 'pipeline: "p\\ud800"\ntables:\n  gold.a: {sql: "SELECT \'\\ud800\' AS a"}\n'},
    "control characters": {"spec.yaml": b"pipeline: p\ndescription: \x01\x02\x1b[2J\ntables: {}\n"},
    "latin": {"spec.yaml": b"pipeline: caf\xe9\ntables: {}\n"},
    "utf 16": {"spec.yaml": "pipeline: p\ntables: {}\n".encode("utf-16")},
    "bom": {"spec.yaml": b"\xef\xbb\xbfpipeline: p\r\ntables:\r\n  gold.a: {sql: SELECT 1 AS one}\r\n"},
    "boms": {"spec.yaml": b"\xef\xbb\xbf\xef\xbb\xbfpipeline: p\ntables:\n  gold.a: {sql: SELECT 1 AS one}\n"},
    "old mac": {"spec.yaml": b"pipeline: p\rtables:\r  gold.a: {sql: SELECT 1 AS one}\r"},
    "tabs": {"spec.yaml": "pipeline: p\ntables:\n\tgold.a:\n\t\tsql: SELECT 1 AS one\n"},
    "python tags": {
        "spec.yaml": "pipeline: !!python/object/apply:os.system ['touch trace']\ntables: !!python/module:spec {}\n"
    },
    "python name tags": {
        "spec.yaml": "pipeline: p\ndescription: !!python/name:os.system\nparams: !!python/object/new:subprocess.Popen [[touch, trace]]\n"
        + OK
    },
    "set and omap tags": {"spec.yaml": "pipeline: p\nparams: !!set {a, b}\ntags: !!binary aGk=\n" + OK},
    "python that would run": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a: {python: 'evil.py:f'}\n",
        "evil.py": "open('trace', 'w')\nimport os\nos.system('touch trace')\ndef f():\n    return 1\n",
    },
    "python package that would run": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a: {python: 'pkg.mod:f'}\n",
        "pkg/__init__.py": "open('trace', 'w')",
        "pkg/mod.py": "from pkg import other\ndef f():\n    return 1\n",
        "pkg/other.py": "open('trace','w')",
    },
    "modules named as ours": {
        **spec(),
        "sqlglot.py": "open('trace', 'w')",
        "jinja2.py": "open('trace', 'w')",
        "croniter.py": "open('trace','w')",
    },
    "python deep": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a: {python: 'f.py:f'}\n",
        "f.py": "def f():\n    return " + "(" * 50000 + "1" + ")" * 50000,
    },
    "python deep 2": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a: {python: 'f.py:f'}\n",
        "f.py": "def f():\n    return " + "-" * 90000 + "1",
    },
    "python deep 3": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a: {python: 'f.py:f'}\n",
        "f.py": "def f():\n    return a" + ".b" * 90000,
    },
    "outside": {
        "spec.yaml": "pipeline: p\nextends: /etc/passwd\ntables:\n  gold.a: {sql_file: /etc/passwd}\n  gold.b: {sql_file: ../../../../../../../../etc/passwd}\n  gold.c: {python: '/etc/passwd:f'}\n  gold.d: {python: '../x.py:f'}\n  gold.e: {sql_file: ~/x.sql}\n  gold.f: {sql: SELECT * FROM csv.`/etc/passwd`}\n"
    },
    "paths long": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a: {sql_file: "
        + "a/" * 50000
        + "x}\n  gold.b: {python: '"
        + "a." * 50000
        + "b:f'}\n  gold.c: {sql_file: "
        + "../" * 50000
        + "x}\n"
    },
    "globs": table("description: x\n  bronze.b: {ingest: {files: '" + "**/" * 50000 + "*.csv'}}"),
    "globs braces": table("description: x\n  bronze.b: {ingest: {files: '" + "{a," * 50000 + "*.csv'}}"),
    "urls": {
        "spec.yaml": "pipeline: p\nextends: http://localhost:1/x.yaml\ntables:\n  gold.a: {sql_file: 'https://localhost:1/x.sql'}\n  bronze.b: {ingest: {files: 'http://localhost:1/a.csv'}}\n"
    },
    "lake yaml of many environments": {
        **spec(),
        "lake.yaml": "environments:\n"
        + N.join(f"  e{i}: {{variables: {{a: 1}}, base_path: '${{a}}'}}" for i in range(5000))
        + N,
    },
    "lake yaml bomb": {
        **spec(),
        "lake.yaml": "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e]\n",
    },
    "names that differ by case": {
        "spec.yaml": "pipeline: p\ntables:\n"
        + N.join(
            "  gold."
            + "".join(c.upper() if i >> k & 1 else c for k, c in enumerate("abcdefghijk"))
            + ": {sql: SELECT 1 AS a}"
            for i in range(2048)
        )
        + N
    },
    "documents": {"spec.yaml": "---\n" * 100000 + "pipeline: p\n"},
    "directives": {"spec.yaml": "%YAML 1.1\n%TAG ! tag:example.com,2000:\n---\npipeline: !foo p\n" + OK},
    "directive bomb": {
        "spec.yaml": "".join(f"%TAG !t{i}! tag:x,2000:\n" for i in range(20000)) + "---\npipeline: p\n" + OK
    },
    "comments": {"spec.yaml": "# x\n" * 200000 + "pipeline: p\n" + OK},
    "blank lines": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a:\n    sql: >\n      SELECT\n"
        + "\n" * 200000
        + "      x FROM gold.nowhere\n"
    },
    "folded lines": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a:\n    sql: >\n      SELECT *\n"
        + "      , a\n" * 9000
        + "      FROM gold.nowhere\n"
    },
    "plain lines": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a:\n    sql: SELECT *\n"
        + "      , a\n" * 9000
        + "      FROM gold.nowhere\n"
    },
    "quoted lines": {
        "spec.yaml": 'pipeline: p\ntables:\n  gold.a:\n    sql: "SELECT *\n'
        + "      , a\\n\\\n" * 9000
        + '      FROM gold.nowhere"\n'
    },
    "many mistakes in one text": {
        "spec.yaml": "pipeline: p\ntables:\n  gold.a:\n    sql: >\n      SELECT * FROM gold.x\n"
        + "".join(f"      , gold.y{i}\n" for i in range(5000))
    },
}
