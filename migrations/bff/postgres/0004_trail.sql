-- What is written together with a change: who did it, what others are told, which code paid for it.

CREATE TABLE audit (
    id      UUID   NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    -- None where the server itself or a command acts.
    actor   UUID,
    action  TEXT   NOT NULL,
    -- The id of an account, of a key.
    target  TEXT,
    -- The network the request came from, not its full address.
    network TEXT,
    result  TEXT   NOT NULL,
    reason  TEXT
);

CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_target ON audit (target, at, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END
$$;

CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A row is removed once it is published.
CREATE TABLE outbox (
    id            UUID   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL,
    payload       BYTEA  NOT NULL,
    account_id    UUID,
    created_at    BIGINT NOT NULL,
    -- Whoever publishes has it until then.
    claimed_until BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX outbox_order ON outbox (created_at, id);

-- The codes that were used: a second use finds its challenge here.
CREATE TABLE spent_challenges (
    id       TEXT   NOT NULL PRIMARY KEY,
    spent_at BIGINT NOT NULL
);

CREATE INDEX spent_challenges_at ON spent_challenges (spent_at);

CREATE TABLE logins (
    -- The event's, so that an event that comes twice is one login.
    id         UUID   NOT NULL PRIMARY KEY,
    account_id UUID   NOT NULL,
    at         BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    network    TEXT,
    user_agent TEXT,
    result     TEXT   NOT NULL
);

CREATE INDEX logins_account ON logins (account_id, at, id);
CREATE INDEX logins_at ON logins (at);

-- When the personal data of a deleted account was removed.
ALTER TABLE accounts ADD COLUMN purged_at BIGINT;
CREATE INDEX accounts_to_purge ON accounts (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX accounts_created ON accounts (created_at, id);
CREATE INDEX accounts_role ON accounts (role);

-- Changes that look at many accounts take their turn here.
CREATE TABLE turns (
    name  TEXT    NOT NULL PRIMARY KEY,
    taken BIGINT  NOT NULL
);

INSERT INTO turns (name, taken) VALUES ('standing', 0);
