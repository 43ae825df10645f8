-- Times are microseconds since 1970, statuses the numbers of orders.v1.OrderStatus.

CREATE TABLE orders (
    id              UUID           NOT NULL PRIMARY KEY,
    user_id         TEXT           NOT NULL,
    status          INTEGER        NOT NULL,
    currency        TEXT           NOT NULL,
    total           NUMERIC(38, 9) NOT NULL,
    note            TEXT           NOT NULL,
    created_at      BIGINT         NOT NULL,
    updated_at      BIGINT         NOT NULL,
    deleted_at      BIGINT,
    version         BIGINT         NOT NULL,
    idempotency_key TEXT,
    fingerprint     BYTEA,
    UNIQUE (user_id, idempotency_key)
);

CREATE INDEX orders_of_user ON orders (user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE order_lines (
    order_id   UUID           NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    position   INTEGER        NOT NULL,
    product_id TEXT           NOT NULL,
    quantity   INTEGER        NOT NULL,
    unit_price NUMERIC(38, 9) NOT NULL,
    PRIMARY KEY (order_id, position)
);

CREATE TABLE addresses (
    id           UUID   NOT NULL PRIMARY KEY,
    user_id      TEXT   NOT NULL,
    label        TEXT   NOT NULL,
    recipient    TEXT   NOT NULL,
    lines        TEXT   NOT NULL,
    postal_code  TEXT   NOT NULL,
    city         TEXT   NOT NULL,
    country_code TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    deleted_at   BIGINT,
    version      BIGINT NOT NULL
);

CREATE INDEX addresses_of_user ON addresses (user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
