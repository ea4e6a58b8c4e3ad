-- What queries read. Disposable: no migration, a new version makes the file anew from the log.
-- Every index grows at its right edge or is small; nothing random is indexed per signal.

CREATE TABLE progress (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    log_id       BLOB    NOT NULL,
    complete_to  INTEGER NOT NULL DEFAULT 0,
    -- Keys in key_tail; the next run's number; counts changes of key_run.
    tail_keys    INTEGER NOT NULL DEFAULT 0,
    next_run     INTEGER NOT NULL DEFAULT 1,
    runs_version INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

-- correlation is NULL for the first signal of its chain.
CREATE TABLE signal (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL,
    name        INTEGER NOT NULL,
    time_ms     INTEGER NOT NULL,
    correlation BLOB
) STRICT;
CREATE INDEX signal_id ON signal (id);
CREATE INDEX signal_name ON signal (name);
CREATE INDEX signal_correlation ON signal (correlation) WHERE correlation IS NOT NULL;

-- The latest time among the signals of 4,096 records, so that "since" skips what is older.
CREATE TABLE span (block INTEGER PRIMARY KEY, time_ms_max INTEGER NOT NULL) STRICT;

-- Keys grow in the order of planning.
CREATE TABLE run (
    key             INTEGER PRIMARY KEY,
    id              BLOB    NOT NULL UNIQUE,
    task            TEXT    NOT NULL,
    agent           TEXT    NOT NULL,
    signal          BLOB    NOT NULL,
    correlation     BLOB    NOT NULL,
    planned_seq     INTEGER NOT NULL,
    state           TEXT    NOT NULL DEFAULT 'planned',
    attempt         INTEGER NOT NULL DEFAULT 0,
    started_ms      INTEGER,
    finished_ms     INTEGER,
    exit_code       INTEGER,
    evidence_sha256 TEXT
) STRICT;
CREATE INDEX run_task ON run (task);
CREATE INDEX run_state ON run (state);
CREATE INDEX run_signal ON run (signal);
CREATE INDEX run_correlation ON run (correlation);

CREATE TABLE run_event (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- The agents of the policy in force, for runs that no lease has named one for.
CREATE TABLE task (name TEXT PRIMARY KEY, agent TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- Asks that are open: what a run that their answer plans belongs to.
CREATE TABLE ask (
    id          BLOB PRIMARY KEY,
    signal      BLOB NOT NULL,
    correlation BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE letter (
    seq     INTEGER PRIMARY KEY,
    id      BLOB    NOT NULL UNIQUE,
    replays INTEGER NOT NULL DEFAULT 0,
    purged  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX letter_kept ON letter (seq) WHERE purged = 0;

-- Evidence that settlements name: place = seq << 1, and 1 more for standard error.
CREATE TABLE evidence (place INTEGER PRIMARY KEY, sha256 BLOB NOT NULL) STRICT;
CREATE INDEX evidence_sha256 ON evidence (sha256);

CREATE TABLE event (seq INTEGER PRIMARY KEY) STRICT;

-- Idempotency keys. An entry is hash 16, payload 8, seq 8, id 16 bytes; the tail holds them as
-- they came, a run holds them sorted, in chunks of one page: place = run << 24 | chunk.
CREATE TABLE key_tail (first_seq INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
CREATE TABLE key_run (
    run       INTEGER PRIMARY KEY,
    tier      INTEGER NOT NULL,
    -- It holds the keys of records below this; the newest came at this elapsed time.
    upto_seq  INTEGER NOT NULL,
    newest_ms INTEGER NOT NULL,
    keys      INTEGER NOT NULL,
    bloom     BLOB    NOT NULL,
    fences    BLOB    NOT NULL
) STRICT;
CREATE TABLE key_chunk (place INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
