//! Every key of the language, by what has it. The JSON Schema of view files names the same; a test holds the two together.

pub(super) const VIEW: [&str; 16] = [
    "view",
    "route",
    "access",
    "deadline",
    "params",
    "body",
    "idempotency",
    "calls",
    "stream",
    "proxy",
    "status",
    "headers",
    "invalidates",
    "nulls",
    "shape",
    "variants",
];
pub(super) const CALL: [&str; 16] = [
    "grpc",
    "http",
    "request",
    "each",
    "batch",
    "bound",
    "missing",
    "when",
    "after",
    "timeout",
    "hedge",
    "on_fail",
    "safe",
    "idempotent",
    "cache",
    "field_mask",
];
pub(super) const FRAGMENT: [&str; 3] = ["fragment", "params", "shape"];
pub(super) const PARAMETER: [&str; 6] = ["in", "type", "default", "optional", "min", "max"];
pub(super) const BODY: [&str; 4] = ["like", "omit", "pick", "required"];
pub(super) const BATCH: [&str; 4] = ["into", "max", "items", "key"];
pub(super) const CACHE: [&str; 7] = ["scope", "ttl", "swr", "stale_if_error", "per", "tags", "unsafe_shared"];
pub(super) const FIELD_MASK: [&str; 2] = ["into", "of"];
pub(super) const FALLBACK: [&str; 3] = ["default", "stale", "fail"];
pub(super) const STREAM: [&str; 8] = ["grpc", "request", "nats", "message", "as", "id", "timeout", "safe"];
pub(super) const PROXY: [&str; 6] = ["source", "to", "max_body", "types", "websocket", "max_message"];
/// And `params.NAME.default`.
pub(super) const VARIANT: [&str; 1] = ["omit"];
pub(super) const LIST: [&str; 7] = ["from", "where", "sort", "take", "item", "pick", "omit"];
pub(super) const OF: [&str; 5] = ["of", "item", "pick", "omit", "cases"];
/// Where a case is no shape.
pub(super) const CASE: [&str; 2] = ["pick", "omit"];
pub(super) const USE: [&str; 1] = ["use"];

/// All of them, under the names that the schema gives to what has them.
pub const KEYS: [(&str, &[&str]); 16] = [
    ("view", &VIEW),
    ("call", &CALL),
    ("fragment", &FRAGMENT),
    ("parameter", &PARAMETER),
    ("body", &BODY),
    ("batch", &BATCH),
    ("cache", &CACHE),
    ("field_mask", &FIELD_MASK),
    ("fallback", &FALLBACK),
    ("stream", &STREAM),
    ("proxy", &PROXY),
    ("variant", &VARIANT),
    ("list", &LIST),
    ("of", &OF),
    ("case", &CASE),
    ("use", &USE),
];
