-- Times are microseconds since 1970, amounts decimal text, ids 16-byte UUIDs, statuses the numbers of orders.v1.OrderStatus.

CREATE TABLE orders (
    id              BLOB    NOT NULL PRIMARY KEY,
    user_id         TEXT    NOT NULL,
    status          INTEGER NOT NULL,
    currency        TEXT    NOT NULL,
    total           TEXT    NOT NULL,
    note            TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    deleted_at      INTEGER,
    version         INTEGER NOT NULL,
    idempotency_key TEXT,
    fingerprint     BLOB,
    UNIQUE (user_id, idempotency_key)
) STRICT;

CREATE INDEX orders_of_user ON orders (user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE order_lines (
    order_id   BLOB    NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    product_id TEXT    NOT NULL,
    quantity   INTEGER NOT NULL,
    unit_price TEXT    NOT NULL,
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE addresses (
    id           BLOB    NOT NULL PRIMARY KEY,
    user_id      TEXT    NOT NULL,
    label        TEXT    NOT NULL,
    recipient    TEXT    NOT NULL,
    lines        TEXT    NOT NULL,
    postal_code  TEXT    NOT NULL,
    city         TEXT    NOT NULL,
    country_code TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    deleted_at   INTEGER,
    version      INTEGER NOT NULL
) STRICT;

CREATE INDEX addresses_of_user ON addresses (user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
