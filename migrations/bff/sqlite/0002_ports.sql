-- What Redis and NATS keep where they are used. Times are microseconds since 1970, UTC.

CREATE TABLE expiring_values (
    key        TEXT    NOT NULL PRIMARY KEY,
    value      BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX expiring_values_end ON expiring_values (expires_at);

CREATE TABLE jobs (
    topic        TEXT    NOT NULL,
    -- The publisher's own, so that a repeated publication is one job.
    id           TEXT    NOT NULL,
    payload      BLOB    NOT NULL,
    published_at INTEGER NOT NULL,
    -- When it may be claimed: moved on by every claim, to the end of its lease.
    due_at       INTEGER NOT NULL,
    deliveries   INTEGER NOT NULL,
    -- A job that is done stays for a while without its payload: its id is still known.
    done_at      INTEGER,
    PRIMARY KEY (topic, id)
) STRICT;

CREATE INDEX jobs_due ON jobs (topic, due_at) WHERE done_at IS NULL;
CREATE INDEX jobs_published ON jobs (published_at);
