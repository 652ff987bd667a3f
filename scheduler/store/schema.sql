-- The database of chipqd, in numbered steps. A step is never changed once released: a new one is
-- appended. All steps that a database lacks run in one transaction; PRAGMA user_version counts them.

-- step 1
-- The truth: every fact, append-only. Everything below is a view of it, or a convenience.
CREATE TABLE journal(
    seq     INTEGER PRIMARY KEY,
    at_us   INTEGER NOT NULL,
    type    INTEGER NOT NULL,
    version INTEGER NOT NULL,
    payload BLOB NOT NULL
);

-- The reign. One row; every write transaction checks it.
CREATE TABLE reign(
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL
);
INSERT INTO reign VALUES(1, 0);

-- Snapshot records of what is small: enterprises, principals, projects, workers, open leases.
CREATE TABLE entity(
    kind    INTEGER NOT NULL,
    id      INTEGER NOT NULL,
    version INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;

-- One row a job. `snapshot` is the JOB_SNAPSHOT payload of a live job, NULL once it is over.
CREATE TABLE job(
    id            INTEGER PRIMARY KEY,
    enterprise    INTEGER NOT NULL,
    number        INTEGER NOT NULL,
    principal     INTEGER NOT NULL,
    project       INTEGER NOT NULL,
    user_name     TEXT NOT NULL,
    project_name  TEXT NOT NULL,
    name          TEXT NOT NULL,
    flow          TEXT NOT NULL,
    tool          TEXT NOT NULL,
    stage_of      TEXT NOT NULL,
    is_array      INTEGER NOT NULL,
    expects       INTEGER NOT NULL,
    tasks         INTEGER NOT NULL,
    cores         INTEGER NOT NULL,
    mem_mib       INTEGER NOT NULL,
    time_us       INTEGER NOT NULL,
    submit_us     INTEGER NOT NULL,
    state         INTEGER NOT NULL,
    verdict       INTEGER NOT NULL,
    waiting       INTEGER NOT NULL,
    running       INTEGER NOT NULL,
    passed        INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    killed        INTEGER NOT NULL,
    lost          INTEGER NOT NULL,
    priority      INTEGER NOT NULL,
    start_us      INTEGER NOT NULL,
    end_us        INTEGER NOT NULL,
    node          TEXT NOT NULL,
    end_cause     TEXT NOT NULL,
    passed_ranges TEXT NOT NULL,
    failed_ranges TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    metrics       TEXT,
    snapshot      BLOB
);
CREATE UNIQUE INDEX job_number ON job(enterprise, number);
-- Live jobs only: pending 1, held 2, running 3. The one index that start-up and --live use.
CREATE INDEX job_live ON job(enterprise, number) WHERE state < 4;

-- The JOB_SUBMIT payload, beside the row so that changing the row does not rewrite it.
CREATE TABLE job_request(
    job     INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    payload BLOB NOT NULL
);

-- Client keys, for a submit that is sent again. Keys are random, and random inserts into one large
-- tree dirty a page each; so they are kept in buckets by age: inserts stay in one small hot region,
-- a look-up probes the buckets from the newest.
CREATE TABLE submit_key(
    bucket INTEGER NOT NULL,
    key64  INTEGER NOT NULL,
    job    INTEGER NOT NULL,
    PRIMARY KEY (bucket, key64, job)
) WITHOUT ROWID;

-- The last attempt of tasks that are told apart; `row` is flat (scheduler/store/stored.c).
CREATE TABLE task(
    job     INTEGER NOT NULL,
    task    INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    row     BLOB NOT NULL,
    PRIMARY KEY (job, task)
) WITHOUT ROWID;

-- Attempts before the last.
CREATE TABLE attempt(
    job     INTEGER NOT NULL,
    task    INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    row     BLOB NOT NULL,
    PRIMARY KEY (job, task, attempt)
) WITHOUT ROWID;

-- step 2
-- What was killed, as ranges; and what end_cause is: CANCELLED, SKIPPED_DEPENDENCY, or nothing.
ALTER TABLE job ADD COLUMN killed_ranges TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN end_code TEXT NOT NULL DEFAULT '';

-- step 3
-- What was used, per leaf of the share tree and hour (wall time at which it begins), added up in
-- the transaction of the records that say so.
CREATE TABLE usage(
    enterprise INTEGER NOT NULL,
    hour_us    INTEGER NOT NULL,
    project    INTEGER NOT NULL,
    principal  INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    core_us    INTEGER NOT NULL,
    mem_mib_us INTEGER NOT NULL,
    waits      INTEGER NOT NULL,
    wait_us    INTEGER NOT NULL,
    PRIMARY KEY (enterprise, hour_us, project, principal)
) WITHOUT ROWID;

-- How long its tasks waited: how many in each bucket (usage_wait_of_bucket of scheduler/core).
CREATE TABLE usage_wait(
    enterprise INTEGER NOT NULL,
    hour_us    INTEGER NOT NULL,
    project    INTEGER NOT NULL,
    principal  INTEGER NOT NULL,
    bucket     INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (enterprise, hour_us, project, principal, bucket)
) WITHOUT ROWID;

-- Tokens of licence features and instruments, in tokens x time.
CREATE TABLE usage_licence(
    enterprise INTEGER NOT NULL,
    hour_us    INTEGER NOT NULL,
    project    INTEGER NOT NULL,
    principal  INTEGER NOT NULL,
    feature    TEXT NOT NULL,
    token_us   INTEGER NOT NULL,
    PRIMARY KEY (enterprise, hour_us, project, principal, feature)
) WITHOUT ROWID;

-- step 4
-- Who changed configuration or people, in the transaction of the record of that number. `hash` is
-- BLAKE2b-256 of prev_hash and the row (scheduler/store/audit.c): each row vouches for all before.
CREATE TABLE audit(
    seq            INTEGER PRIMARY KEY,
    at_us          INTEGER NOT NULL,
    principal      INTEGER NOT NULL,
    principal_name TEXT NOT NULL,
    enterprise     INTEGER NOT NULL,
    verb           TEXT NOT NULL,
    object         TEXT NOT NULL,
    detail         TEXT NOT NULL,
    prev_hash      BLOB NOT NULL,
    hash           BLOB NOT NULL
);

-- step 5
-- Tasks of arrays that passed at once and without a word: as many to a row as one transaction brings of
-- a job, each as in `task`, behind its length (scheduler/store/passes.c).
CREATE TABLE pass(
    job   INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL,
    rows  BLOB NOT NULL,
    PRIMARY KEY (job, first)
) WITHOUT ROWID;

-- step 6
-- Used against asked: attempts that ran, per hour (wall time at which it begins) in which their ends
-- were written, leaf of the share tree, cores and name of the kind of run (learn_what of
-- scheduler/core), added up in the transaction of the records that say so. asked_mib is that of the
-- newest, peak_mib the most; peaks is flat: how many peaks in each bucket.
CREATE TABLE efficiency(
    enterprise   INTEGER NOT NULL,
    hour_us      INTEGER NOT NULL,
    project      INTEGER NOT NULL,
    principal    INTEGER NOT NULL,
    cores        INTEGER NOT NULL,
    what         TEXT NOT NULL,
    runs         REAL NOT NULL,
    core_us      REAL NOT NULL,
    cpu_us       REAL NOT NULL,
    run_us       REAL NOT NULL,
    asked_mib_us REAL NOT NULL,
    used_mib_us  REAL NOT NULL,
    asked_mib    INTEGER NOT NULL,
    peak_mib     INTEGER NOT NULL,
    is_whole     INTEGER NOT NULL,
    peaks        BLOB NOT NULL,
    PRIMARY KEY (enterprise, hour_us, project, principal, cores, what)
) WITHOUT ROWID;

-- What of an older journal is still to be added up: records above `next`, up to `until`. The first
-- who asks has that done, a piece at a time; so a start does not wait for it.
CREATE TABLE efficiency_fill(
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    next  INTEGER NOT NULL,
    until INTEGER NOT NULL
);
INSERT INTO efficiency_fill SELECT 1, 0, coalesce(max(seq), 0) FROM journal;
