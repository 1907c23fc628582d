-- A push that made builds, once however often it is delivered.
CREATE TABLE pushes (
    id         INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    ref        TEXT NOT NULL,
    before     TEXT NOT NULL,
    after      TEXT NOT NULL,
    commit_id  TEXT NOT NULL,
    position   INTEGER NOT NULL, -- order among the pushes of the same ref
    received   INTEGER NOT NULL, -- Unix milliseconds, as all times here
    author     TEXT,             -- JSON
    message    TEXT NOT NULL,
    commits    TEXT NOT NULL,    -- JSON
    polled     INTEGER NOT NULL DEFAULT 0 -- found by looking, so it may stand for several
);
CREATE INDEX pushes_by_content ON pushes (repository, ref, before, after);
CREATE INDEX pushes_by_position ON pushes (repository, ref, position);
-- By one hash: it says more than repository and ref together, which a busy branch has a hundred thousand times.
CREATE INDEX pushes_by_end ON pushes (after);
CREATE INDEX pushes_by_commit ON pushes (commit_id);

-- Where each ref stands now, as far as accepted pushes and deletions tell.
CREATE TABLE heads (
    repository TEXT NOT NULL,
    ref        TEXT NOT NULL,
    object     TEXT NOT NULL,
    PRIMARY KEY (repository, ref)
) WITHOUT ROWID;

-- Repositories whose webhook was heard.
CREATE TABLE hooks (repository TEXT PRIMARY KEY) WITHOUT ROWID;
-- Webhooks that we made or mended, and a digest of the settings they were given.
CREATE TABLE hooks_made (
    repository TEXT PRIMARY KEY,
    settings   TEXT NOT NULL
) WITHOUT ROWID;

-- Repositories that were looked at, and their tags: only later ones are news.
CREATE TABLE polled (repository TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE polled_tags (
    repository TEXT NOT NULL,
    ref        TEXT NOT NULL,
    PRIMARY KEY (repository, ref)
) WITHOUT ROWID;

CREATE TABLE deliveries (
    id         INTEGER PRIMARY KEY,
    delivery   TEXT,             -- the forge's id
    received   INTEGER NOT NULL,
    event      TEXT NOT NULL,
    repository TEXT,
    ref        TEXT,
    after      TEXT,
    verdict    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    push       INTEGER REFERENCES pushes
);
CREATE INDEX deliveries_by_delivery ON deliveries (delivery) WHERE delivery IS NOT NULL AND push IS NOT NULL;

CREATE TABLE builds (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    push       INTEGER NOT NULL REFERENCES pushes,
    repository TEXT NOT NULL,
    ref        TEXT NOT NULL,
    name       TEXT NOT NULL,    -- the branch's or tag's own name
    script     TEXT NOT NULL,
    number     INTEGER NOT NULL, -- within its repository
    recipe     TEXT NOT NULL,    -- JSON
    state      TEXT NOT NULL,    -- queued, running, finished
    stage      TEXT,
    attempt    INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER,
    reason     TEXT,             -- why the attempt before failed, or what a running build waits for
    repeats    TEXT,             -- the ended build that it repeats
    cancelling INTEGER NOT NULL DEFAULT 0,
    queued     INTEGER NOT NULL,
    started    INTEGER,
    ended      INTEGER,
    digest     TEXT,
    container  TEXT,
    finish     INTEGER,          -- the order in which builds ended
    outcome    TEXT,
    cause      TEXT,
    message    TEXT,
    exit_code  INTEGER,
    artifact   TEXT,             -- JSON
    usual      INTEGER,          -- milliseconds its recipe usually takes, as known when it began
    UNIQUE (repository, number)
);
CREATE INDEX builds_unfinished ON builds (seq) WHERE state <> 'finished';
CREATE UNIQUE INDEX builds_by_finish ON builds (finish) WHERE finish IS NOT NULL;
-- What filters look at besides stands in the index, so that rare builds are found without reading the others.
CREATE INDEX builds_by_repository ON builds (repository, finish, outcome, script);
CREATE INDEX builds_by_name ON builds (repository, name, finish, outcome, script);
CREATE INDEX builds_by_branch ON builds (name, finish, outcome, script);
CREATE INDEX builds_by_script ON builds (script, finish, outcome);
CREATE INDEX builds_by_outcome ON builds (outcome, finish);
CREATE INDEX builds_by_push ON builds (push);

-- Who wrote what has ended: name and address in lower case, with what other filters look at.
CREATE TABLE authors (
    author     TEXT NOT NULL,
    finish     INTEGER NOT NULL,
    repository TEXT NOT NULL,
    name       TEXT NOT NULL,
    script     TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    PRIMARY KEY (author, finish)
) WITHOUT ROWID;

-- A recipe's builds: in the order of their making, and how long the good ones took.
CREATE INDEX builds_by_recipe ON builds (repository, name, script);
CREATE INDEX builds_that_succeeded ON builds (repository, name, script, finish, started, ended)
    WHERE outcome = 'success';

-- When each attempt came to each stage, and how long the log was then.
CREATE TABLE stages (
    build   INTEGER NOT NULL REFERENCES builds,
    attempt INTEGER NOT NULL,
    stage   TEXT NOT NULL,
    entered INTEGER NOT NULL,
    offset  INTEGER NOT NULL,
    PRIMARY KEY (build, attempt, stage)
) WITHOUT ROWID;

-- The catalog's last good files, so that a restart keeps what a broken file had before.
CREATE TABLE catalog_files (
    path TEXT PRIMARY KEY,
    text BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE catalog_revision (revision TEXT NOT NULL);

-- Builds that wait or run; claimed ones are in a worker's hands.
CREATE TABLE queue (
    build      INTEGER PRIMARY KEY REFERENCES builds,
    repository TEXT NOT NULL,
    available  INTEGER NOT NULL,
    claimed    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX queue_by_repository ON queue (repository, claimed);
-- When each repository last had a turn: fairness between repositories.
CREATE TABLE turns (
    repository TEXT PRIMARY KEY,
    turn       INTEGER NOT NULL
) WITHOUT ROWID;

-- What the forge is to show beside a commit: one row a context, and only the newest state counts.
CREATE TABLE statuses (
    id          INTEGER PRIMARY KEY,
    repository  TEXT NOT NULL,
    commit_id   TEXT NOT NULL,
    context     TEXT NOT NULL,
    build       INTEGER NOT NULL REFERENCES builds, -- the newest build that has this context
    state       TEXT NOT NULL,
    description TEXT NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1,         -- grows with each change
    due         INTEGER,                            -- when to send it; none once the forge has answered
    tries       INTEGER NOT NULL DEFAULT 0,         -- failed ones of this version
    refused     TEXT,                               -- why the forge will never take it
    UNIQUE (repository, commit_id, context)
);
CREATE INDEX statuses_due ON statuses (due) WHERE due IS NOT NULL;
CREATE INDEX statuses_by_build ON statuses (build);
CREATE INDEX statuses_refused ON statuses (build) WHERE refused IS NOT NULL;
