//! An entry as bytes: read back exactly, or not at all.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::{Buf, BufMut, Bytes};

use super::Token;
use crate::cache::Entry;

/// What is read back.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    pub body: Option<Bytes>,
    pub headers: Vec<Option<String>>,
    pub born: i64,
    pub tokens: Vec<Token>,
}

/// Another version is another beginning.
const BEGINNING: &[u8; 6] = b"bff\0c\x01";
const SUM: usize = 32;
const NONE: u32 = u32::MAX;

/// `key` stands for the key in full: no two have the same.
pub fn write(entry: &Entry, key: &[u8; 32], tokens: &[Token]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entry.body.as_ref().map_or(0, Bytes::len) + 256);
    out.put_slice(BEGINNING);
    out.put_slice(key);
    out.put_i64(entry.born);
    out.put_u16(tokens.len() as u16);
    tokens.iter().for_each(|token| out.put_slice(token));
    out.put_u16(entry.headers.len() as u16);
    entry.headers.iter().for_each(|value| piece(&mut out, value.as_deref().map(str::as_bytes)));
    piece(&mut out, entry.body.as_deref());
    let sum = digest(&SHA256, &out);
    out.put_slice(sum.as_ref());
    out
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

pub fn read(bytes: &Bytes, key: &[u8; 32]) -> Option<Kept> {
    let end = bytes.len().checked_sub(SUM)?;
    if digest(&SHA256, &bytes[..end]).as_ref() != &bytes[end..] {
        return None;
    }
    let mut rest = bytes.slice(..end);
    if *take(&mut rest, BEGINNING.len())? != *BEGINNING || *take(&mut rest, key.len())? != *key {
        return None;
    }
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

    const KEY: [u8; 32] = [7; 32];

    fn written(body: Option<&'static str>) -> Bytes {
        let headers = vec![None, Some("W/\"1\"".to_owned())];
        let fetched = Fetched { body: body.map(Bytes::from), headers };
        write(&Entry::new(fetched, -5, 3, Box::new([]), Duration::ZERO), &KEY, &[[1; 16], [2; 16]]).into()
    }

    #[test]
    fn what_was_written_is_read() {
        for body in [None, Some(""), Some("{}")] {
            let kept = read(&written(body), &KEY).unwrap();
            assert_eq!((kept.body.as_deref(), kept.born), (body.map(str::as_bytes), -5));
            assert_eq!(kept.headers, [None, Some("W/\"1\"".to_owned())]);
            assert_eq!(kept.tokens, [[1; 16], [2; 16]]);
        }
    }

    #[test]
    fn nothing_else_is() {
        let whole = written(Some("{\"a\": 1}"));
        assert_eq!(read(&whole, &[8; 32]), None, "of another key");
        for len in 0..whole.len() {
            assert_eq!(read(&whole.slice(..len), &KEY), None, "cut to {len}");
        }
        for at in 0..whole.len() {
            let mut other = whole.to_vec();
            other[at] ^= 1;
            assert_eq!(read(&other.into(), &KEY), None, "another byte {at}");
        }
        assert_eq!(read(&[&whole[..], b"x"].concat().into(), &KEY), None);
        // Well summed, and yet of another version, or with a length that leads out of it.
        for (at, byte) in [(5, 2), (40 + 6, 0xff), (whole.len() - SUM - 9, 0xff)] {
            let mut other = whole[..whole.len() - SUM].to_vec();
            other[at] = byte;
            let sum = digest(&SHA256, &other);
            other.extend_from_slice(sum.as_ref());
            assert_eq!(read(&other.into(), &KEY), None, "{at}");
        }
    }
}
