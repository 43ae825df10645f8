-- What is written together with a change: who did it, what others are told, which code paid for it.

CREATE TABLE audit (
    id      TEXT    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    -- None where the server itself or a command acts.
    actor   TEXT,
    action  TEXT    NOT NULL,
    -- The id of an account, of a key.
    target  TEXT,
    -- The network the request came from, not its full address.
    network TEXT,
    result  TEXT    NOT NULL,
    reason  TEXT
) STRICT;

CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_target ON audit (target, at, id);

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

-- A row is removed once it is published.
CREATE TABLE outbox (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    payload       BLOB    NOT NULL,
    account_id    TEXT,
    created_at    INTEGER NOT NULL,
    -- Whoever publishes has it until then.
    claimed_until INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX outbox_order ON outbox (created_at, id);

-- The codes that were used: a second use finds its challenge here.
CREATE TABLE spent_challenges (
    id       TEXT    NOT NULL PRIMARY KEY,
    spent_at INTEGER NOT NULL
) STRICT;

CREATE INDEX spent_challenges_at ON spent_challenges (spent_at);

CREATE TABLE logins (
    -- The event's, so that an event that comes twice is one login.
    id         TEXT    NOT NULL PRIMARY KEY,
    account_id TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    network    TEXT,
    user_agent TEXT,
    result     TEXT    NOT NULL
) STRICT;

CREATE INDEX logins_account ON logins (account_id, at, id);
CREATE INDEX logins_at ON logins (at);

-- When the personal data of a deleted account was removed.
ALTER TABLE accounts ADD COLUMN purged_at INTEGER;
CREATE INDEX accounts_to_purge ON accounts (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX accounts_created ON accounts (created_at, id);
CREATE INDEX accounts_role ON accounts (role);

-- Changes that look at many accounts take their turn here.
CREATE TABLE turns (
    name  TEXT    NOT NULL PRIMARY KEY,
    taken INTEGER NOT NULL
) STRICT;

INSERT INTO turns (name, taken) VALUES ('standing', 0);
