//! An entry as bytes: sealed, and read back exactly, or not at all.

use bytes::{Buf, BufMut, Bytes};

use super::Token;
use crate::cache::Entry;
use crate::seal::SealingKey;

/// What is read back.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    pub body: Option<Bytes>,
    pub headers: Vec<Option<String>>,
    pub born: i64,
    pub tokens: Vec<Token>,
}

/// What another version wrote does not open.
const VERSION: &str = "bff cache 2";
const NONE: u32 = u32::MAX;

/// `key` is the entry's alone, so that no other one can take its place.
pub fn write<R>(key: &SealingKey, entry: &Entry<R>, tokens: &[Token]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entry.body.as_ref().map_or(0, Bytes::len) + 256);
    out.put_i64(entry.born);
    out.put_u16(tokens.len() as u16);
    tokens.iter().for_each(|token| out.put_slice(token));
    out.put_u16(entry.headers.len() as u16);
    entry.headers.iter().for_each(|value| piece(&mut out, value.as_deref().map(str::as_bytes)));
    piece(&mut out, entry.body.as_deref());
    key.seal(VERSION, &out)
}

fn piece(out: &mut Vec<u8>, piece: Option<&[u8]>) {
    match piece.and_then(|piece| Some((piece, u32::try_from(piece.len()).ok()?))) {
        Some((piece, len)) => {
            out.put_u32(len);
            out.put_slice(piece);
        }
        None => out.put_u32(NONE),
    }
}

pub fn read(key: &SealingKey, sealed: &[u8]) -> Option<Kept> {
    let mut rest = Bytes::from(std::mem::take(&mut *key.open(VERSION, sealed)?));
    let born = rest.try_get_i64().ok()?;
    let tokens = (0..rest.try_get_u16().ok()?).map(|_| Token::try_from(&*take(&mut rest, size_of::<Token>())?).ok());
    let tokens = tokens.collect::<Option<_>>()?;
    let headers = (0..rest.try_get_u16().ok()?).map(|_| match taken(&mut rest)? {
        Some(value) => String::from_utf8(value.to_vec()).ok().map(Some),
        None => Some(None),
    });
    let headers = headers.collect::<Option<_>>()?;
    let body = taken(&mut rest)?;
    rest.is_empty().then_some(Kept { body, headers, born, tokens })
}

fn taken(rest: &mut Bytes) -> Option<Option<Bytes>> {
    match rest.try_get_u32().ok()? {
        NONE => Some(None),
        len => take(rest, len as usize).map(Some),
    }
}

fn take(rest: &mut Bytes, len: usize) -> Option<Bytes> {
    (len <= rest.len()).then(|| rest.split_to(len))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cache::Fetched;

    fn key() -> SealingKey {
        SealingKey::new(&[7; 32])
    }

    fn written(body: Option<&'static str>) -> Vec<u8> {
        let headers = vec![None, Some("W/\"1\"".to_owned())];
        let fetched = Fetched { body: body.map(Bytes::from), headers };
        write(&key(), &Entry::<()>::new(fetched, -5, 3, Box::new([]), Duration::ZERO), &[[1; 16], [2; 16]])
    }

    #[test]
    fn what_was_written_is_read() {
        for body in [None, Some(""), Some("{}")] {
            let kept = read(&key(), &written(body)).unwrap();
            assert_eq!((kept.body.as_deref(), kept.born), (body.map(str::as_bytes), -5));
            assert_eq!(kept.headers, [None, Some("W/\"1\"".to_owned())]);
            assert_eq!(kept.tokens, [[1; 16], [2; 16]]);
        }
    }

    #[test]
    fn nothing_else_is() {
        let whole = written(Some("{\"a\": 1}"));
        assert_eq!(read(&SealingKey::new(&[8; 32]), &whole), None, "of another key");
        for len in 0..whole.len() {
            assert_eq!(read(&key(), &whole[..len]), None, "cut to {len}");
        }
        for at in 0..whole.len() {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_eq!(read(&key(), &other), None, "another byte {at}");
        }
        assert_eq!(read(&key(), &[&whole[..], b"x"].concat()), None);
    }

    #[test]
    fn what_is_well_sealed_and_of_another_form_is_not_read() {
        let inside = key().open(VERSION, &written(Some("{\"a\": 1}"))).unwrap();
        assert!(read(&key(), &key().seal(VERSION, &inside)).is_some());
        assert_eq!(read(&key(), &key().seal("bff cache 1", &inside)), None);
        for len in 0..inside.len() {
            assert_eq!(read(&key(), &key().seal(VERSION, &inside[..len])), None, "cut to {len}");
        }
        // How many tokens there are, and how long the body is.
        for at in [8, inside.len() - 12] {
            let mut other = inside.to_vec();
            other[at] = 0xff;
            assert_eq!(read(&key(), &key().seal(VERSION, &other)), None, "{at}");
        }
    }
}
