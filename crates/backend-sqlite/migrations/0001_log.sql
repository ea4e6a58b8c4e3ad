-- The log: one row per turn, the tiles of its tree, its newest snapshots, and who may append.
-- Small columns stand before the blobs, so that reading a head touches no overflow page.

CREATE TABLE turn (
    first_seq INTEGER PRIMARY KEY,
    n         INTEGER NOT NULL CHECK (n > 0),
    root      BLOB    NOT NULL CHECK (length(root) = 32),
    last_leaf BLOB    NOT NULL CHECK (length(last_leaf) = 32),
    envelopes BLOB    NOT NULL,
    bodies    BLOB
) STRICT;

-- place = level << 48 | index: a rowid, because rows of 8 KiB are slow in an index B-tree.
CREATE TABLE tile (
    place  INTEGER PRIMARY KEY,
    hashes BLOB NOT NULL CHECK (length(hashes) = 8192)
) STRICT;

CREATE TABLE snapshot (
    at_seq INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    bytes  BLOB NOT NULL
) STRICT;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('epoch', 0);
