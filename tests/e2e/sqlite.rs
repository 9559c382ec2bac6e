//! SQLite is built with the same options as Debian's, and can do the same.

use std::collections::BTreeMap;

use crate::support::{Start, site};

/// `PRAGMA compile_options` of Debian 13's libsqlite3-0 3.46.1-7+deb13u2.
const DEBIAN: &str = "\
ALLOW_ROWID_IN_VIEW
ATOMIC_INTRINSICS=1
COMPILER=gcc-14.2.0
DEFAULT_AUTOVACUUM
DEFAULT_CACHE_SIZE=-2000
DEFAULT_FILE_FORMAT=4
DEFAULT_JOURNAL_SIZE_LIMIT=-1
DEFAULT_MMAP_SIZE=0
DEFAULT_PAGE_SIZE=4096
DEFAULT_PCACHE_INITSZ=20
DEFAULT_RECURSIVE_TRIGGERS
DEFAULT_SECTOR_SIZE=4096
DEFAULT_SYNCHRONOUS=2
DEFAULT_WAL_AUTOCHECKPOINT=1000
DEFAULT_WAL_SYNCHRONOUS=2
DEFAULT_WORKER_THREADS=0
DIRECT_OVERFLOW_READ
ENABLE_COLUMN_METADATA
ENABLE_DBPAGE_VTAB
ENABLE_DBSTAT_VTAB
ENABLE_FTS3
ENABLE_FTS3_PARENTHESIS
ENABLE_FTS3_TOKENIZER
ENABLE_FTS4
ENABLE_FTS5
ENABLE_LOAD_EXTENSION
ENABLE_MATH_FUNCTIONS
ENABLE_PREUPDATE_HOOK
ENABLE_RTREE
ENABLE_SESSION
ENABLE_STMTVTAB
ENABLE_UNLOCK_NOTIFY
ENABLE_UPDATE_DELETE_LIMIT
HAVE_ISNAN
LIKE_DOESNT_MATCH_BLOBS
MALLOC_SOFT_LIMIT=1024
MAX_ATTACHED=10
MAX_COLUMN=2000
MAX_COMPOUND_SELECT=500
MAX_DEFAULT_PAGE_SIZE=32768
MAX_EXPR_DEPTH=1000
MAX_FUNCTION_ARG=127
MAX_LENGTH=1000000000
MAX_LIKE_PATTERN_LENGTH=50000
MAX_MMAP_SIZE=0x7fff0000
MAX_PAGE_COUNT=0xfffffffe
MAX_PAGE_SIZE=65536
MAX_SCHEMA_RETRY=25
MAX_SQL_LENGTH=1000000000
MAX_TRIGGER_DEPTH=1000
MAX_VARIABLE_NUMBER=250000
MAX_VDBE_OP=250000000
MAX_WORKER_THREADS=8
MUTEX_PTHREADS
SECURE_DELETE
SOUNDEX
SYSTEM_MALLOC
TEMP_STORE=1
THREADSAFE=1
USE_URI";

/// Options that differ, and why.
const DIFFERENCES: [(&str, &str); 6] = [
    ("COMPILER", "it names the compiler"),
    (
        "MAX_FUNCTION_ARG",
        "SQLite has raised its own limit since Debian's version",
    ),
    (
        "MAX_SCHEMA",
        "a limit that Debian's version does not have yet",
    ),
    (
        "DEFAULT_FOREIGN_KEYS",
        "set to 0, which is SQLite's own default; the option is listed because it is set",
    ),
    (
        "ENABLE_STAT4",
        "the crate that brings SQLite turns it on; ANALYZE gathers more, and old statistics do",
    ),
    (
        "ENABLE_UPDATE_DELETE_LIMIT",
        "it needs a parser that is made from SQLite's grammar, which the amalgamation lacks",
    ),
];

/// The output of a script.
#[track_caller]
fn printed(script: &str) -> String {
    let script = format!("import sqlite3\ndb = sqlite3.connect(':memory:')\n{script}");
    site::python(["-c", &script]).run().expect_success().stdout
}

/// Options and their values.
fn options(list: &str) -> BTreeMap<&str, &str> {
    let lines = list.lines();
    lines
        .map(|line| line.split_once('=').unwrap_or((line, "")))
        .collect()
}

#[test]
fn it_is_built_with_debians_options() {
    let ours = printed("for option, in db.execute('PRAGMA compile_options'): print(option)");
    let (ours, debians) = (options(&ours), options(DEBIAN));
    assert!(ours.len() > 50, "{ours:?}");
    let mut differ: Vec<_> = ours
        .keys()
        .chain(debians.keys())
        .copied()
        .filter(|name| ours.get(name) != debians.get(name))
        .collect();
    differ.sort_unstable();
    differ.dedup();
    let mut named = DIFFERENCES.map(|(name, _)| name);
    named.sort_unstable();
    // The compiler may be Debian's, too.
    let is_option = |name: &&str| *name != "COMPILER";
    let differ: Vec<_> = differ.into_iter().filter(is_option).collect();
    let named: Vec<_> = named.into_iter().filter(is_option).collect();
    assert_eq!(differ, named);
}

#[test]
fn a_statement_may_have_a_quarter_of_a_million_variables() {
    let script = r#"
most = db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
db.execute("CREATE TABLE t (a, b)")
rows = ", ".join(["(?, ?)"] * (most // 2))
db.execute(f"INSERT INTO t VALUES {rows}", range(most))
marks = ", ".join(["?"] * most)
print(most, *db.execute(f"SELECT count(*), sum(a + b) FROM t WHERE a IN ({marks})", range(most)))
try:
    db.execute(f"SELECT ?, {marks}", range(most + 1))
except sqlite3.OperationalError as error:
    print(error)
"#;
    let sum = (0..250_000_u64).sum::<u64>();
    let expected = format!("250000 (125000, {sum})\ntoo many SQL variables");
    assert_eq!(printed(script), expected);
}

#[test]
fn django_inserts_as_many_rows_at_once() {
    let script = r#"
import django
from django.conf import settings

sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(DATABASES={"default": sqlite}, DEBUG=True)
django.setup()

from django.db import connection, models

class Item(models.Model):
    number = models.IntegerField()

    class Meta:
        app_label = "items"

with connection.schema_editor() as editor:
    editor.create_model(Item)
before = len(connection.queries)
Item.objects.bulk_create([Item(number=number) for number in range(40_000)])
inserts = [query for query in connection.queries[before:] if "INSERT" in query["sql"]]
print(Item.objects.filter(number__in=range(40_000)).count(), len(inserts))
"#;
    let said = Start::new(["--venv"])
        .args([site::venv("django_site")])
        .args(["python", "-c", script])
        .run()
        .expect_success();
    assert_eq!(said.stdout, "40000 1");
}

#[test]
fn text_is_searched_by_all_three_versions() {
    let script = r#"
for module in "fts3", "fts4", "fts5":
    db.execute(f"CREATE VIRTUAL TABLE {module}_t USING {module}(text)")
    texts = [("the quick fox",), ("the lazy dog",), ("a fox and a dog",)]
    db.executemany(f"INSERT INTO {module}_t VALUES (?)", texts)
    query = f"SELECT rowid FROM {module}_t WHERE {module}_t MATCH ? ORDER BY rowid"
    print(module, *db.execute(query, ["(fox OR lazy) NOT quick"]).fetchall())
"#;
    assert_eq!(
        printed(script),
        "fts3 (2,) (3,)\nfts4 (2,) (3,)\nfts5 (2,) (3,)"
    );
}

#[test]
fn what_the_options_turn_on_works() {
    let statements = [
        (
            "SELECT round(sqrt(2) * sin(pi() / 2), 6), ceil(1.2), log2(8)",
            "(1.414214, 2.0, 3.0)",
        ),
        ("SELECT soundex('Robert')", "('R163',)"),
        ("SELECT count(*) FROM dbstat", "(0,)"),
        ("SELECT count(*) > 0 FROM sqlite_stmt", "(1,)"),
        // A blob is not text (LIKE_DOESNT_MATCH_BLOBS).
        ("SELECT x'616263' LIKE 'abc', 'abc' LIKE 'ABC'", "(0, 1)"),
        ("SELECT '[1, 2]' ->> 1", "(2,)"),
        // As in SQLite itself.
        ("PRAGMA foreign_keys", "(0,)"),
        // Deleted data is overwritten.
        ("PRAGMA secure_delete", "(1,)"),
        // A custom tokenizer can be looked up (ENABLE_FTS3_TOKENIZER).
        ("SELECT typeof(fts3_tokenizer('simple'))", "('blob',)"),
    ];
    let script: String = statements
        .iter()
        .map(|(statement, _)| format!("print(db.execute({statement:?}).fetchone())\n"))
        .collect();
    let said = printed(&script);
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said, statements.map(|(_, answer)| answer));
}

#[test]
fn boxes_are_indexed() {
    let script = r#"
db.execute("CREATE VIRTUAL TABLE boxes USING rtree(id, left, right, bottom, top)")
boxes = [(1, 0, 2, 0, 2), (2, 5, 6, 5, 6)]
db.executemany("INSERT INTO boxes VALUES (?, ?, ?, ?, ?)", boxes)
print(*db.execute("SELECT id FROM boxes WHERE left < 3 AND top > 1"))
"#;
    assert_eq!(printed(script), "(1,)");
}

#[test]
fn databases_have_uris_and_take_extensions() {
    let script = r#"
uri = "file:shared?mode=memory&cache=shared"
first, second = sqlite3.connect(uri, uri=True), sqlite3.connect(uri, uri=True)
first.execute("CREATE TABLE t (a)")
print(second.execute("SELECT count(*) FROM t").fetchone())
first.enable_load_extension(True)
try:
    first.load_extension("/nowhere/extension")
except sqlite3.OperationalError as error:
    print(error)
"#;
    let said = printed(script);
    assert!(
        said.starts_with("(0,)\n/nowhere/extension.so: cannot open"),
        "{said}"
    );
}

/// The only thing that Debian's can do and ours cannot (docs/guide/python.md).
#[test]
fn update_and_delete_take_no_limit() {
    let script = r#"
db.execute("CREATE TABLE t (a)")
for statement in "UPDATE t SET a = 1 LIMIT 1", "DELETE FROM t ORDER BY a LIMIT 1":
    try:
        db.execute(statement)
    except sqlite3.OperationalError as error:
        print(error)
"#;
    assert_eq!(
        printed(script),
        "near \"LIMIT\": syntax error\nnear \"ORDER\": syntax error"
    );
}
