-- Times are microseconds since 1970, UTC. Hashes and sealed values are raw bytes.

CREATE TABLE accounts (
    id                     UUID    NOT NULL PRIMARY KEY,
    email                  TEXT,
    email_verified_at      BIGINT,
    phone                  TEXT,
    phone_verified_at      BIGINT,
    password_hash          TEXT,
    name                   TEXT    NOT NULL,
    locale                 TEXT,
    role                   TEXT    NOT NULL,
    -- Grows with every change that must end what was signed before it.
    auth_version           BIGINT  NOT NULL DEFAULT 1,
    credentials_changed_at BIGINT  NOT NULL,
    created_at             BIGINT  NOT NULL,
    disabled_at            BIGINT,
    deleted_at             BIGINT
);

-- A deleted account keeps its row for a while, but not its hold on the address.
CREATE UNIQUE INDEX accounts_email ON accounts (email) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX accounts_phone ON accounts (phone) WHERE deleted_at IS NULL;

CREATE TABLE sessions (
    id                  UUID    NOT NULL PRIMARY KEY,
    account_id          UUID    NOT NULL REFERENCES accounts (id),
    kind                TEXT    NOT NULL CHECK (kind IN ('cookie', 'token')),
    secret_hash         BYTEA   NOT NULL UNIQUE,
    generation          BIGINT  NOT NULL,
    -- The generation before this one, for as long as a lost answer may be asked for again.
    previous_hash       BYTEA,
    sealed_successor    BYTEA,
    rotated_at          BIGINT,
    created_at          BIGINT  NOT NULL,
    last_seen_at        BIGINT  NOT NULL,
    idle_expires_at     BIGINT  NOT NULL,
    absolute_expires_at BIGINT  NOT NULL,
    auth_version        BIGINT  NOT NULL,
    user_agent          TEXT,
    address             TEXT,
    revoked_at          BIGINT,
    -- Counts writes, for compare-and-put.
    revision            BIGINT  NOT NULL
);

CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE signing_keys (
    -- RFC 7638 thumbprint of the public key.
    kid        TEXT    NOT NULL PRIMARY KEY,
    algorithm  TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('next', 'current', 'retiring')),
    -- PKCS #8, encrypted under the master key.
    sealed     BYTEA   NOT NULL,
    created_at BIGINT  NOT NULL,
    state_since BIGINT NOT NULL
);

-- One key per algorithm signs, whoever starts first.
CREATE UNIQUE INDEX signing_keys_current ON signing_keys (algorithm) WHERE state = 'current';
