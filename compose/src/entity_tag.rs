//! Entity-tags of RFC 9110: `"x"`, or the weak `W/"x"`.

/// What stands within the quotes; None of what is no entity-tag.
pub(crate) fn opaque(text: &str) -> Option<&str> {
    let tag = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?.strip_suffix('"')?;
    tag.bytes().all(|byte| byte > 0x20 && byte != b'"').then_some(tag)
}
