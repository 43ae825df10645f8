//! Finds the raw text of a few known keys in JSON and skips everything else, without building values.

use memchr::{memchr2, memchr3};

#[inline]
pub fn ws(s: &[u8], mut i: usize) -> usize {
    while i < s.len() && matches!(s[i], b' ' | b'\n' | b'\r' | b'\t') {
        i += 1;
    }
    i
}

/// `i` is just past the opening quote; returns the index of the closing quote.
#[inline]
pub fn string_end(s: &[u8], mut i: usize) -> Option<usize> {
    loop {
        let p = i + memchr2(b'"', b'\\', s.get(i..)?)?;
        if s[p] == b'"' {
            return Some(p);
        }
        i = p + 2;
    }
}

/// Returns the end (exclusive) of the value starting at `i`.
pub fn skip(s: &[u8], i: usize) -> Option<usize> {
    match *s.get(i)? {
        b'"' => Some(string_end(s, i + 1)? + 1),
        open @ (b'{' | b'[') => {
            let close = if open == b'{' { b'}' } else { b']' };
            let (mut depth, mut j) = (1usize, i + 1);
            while depth > 0 {
                j += memchr3(b'"', open, close, s.get(j..)?)?;
                match s[j] {
                    b'"' => j = string_end(s, j + 1)?,
                    c if c == open => depth += 1,
                    _ => depth -= 1,
                }
                j += 1;
            }
            Some(j)
        }
        _ => {
            let mut j = i;
            while j < s.len() && !matches!(s[j], b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t') {
                j += 1;
            }
            Some(j)
        }
    }
}

/// Fills `out[k]` with the raw text of `keys[k]` of the object at `i`.
/// Returns the end of the object.
pub fn object<'a, const N: usize>(s: &'a [u8], i: usize, keys: &[&[u8]; N], out: &mut [&'a [u8]; N]) -> Option<usize> {
    let mut i = ws(s, i);
    if *s.get(i)? != b'{' {
        return None;
    }
    i = ws(s, i + 1);
    if *s.get(i)? == b'}' {
        return Some(i + 1);
    }
    loop {
        if *s.get(i)? != b'"' {
            return None;
        }
        let ke = string_end(s, i + 1)?;
        let key = &s[i + 1..ke];
        i = ws(s, ke + 1);
        if *s.get(i)? != b':' {
            return None;
        }
        i = ws(s, i + 1);
        let e = skip(s, i)?;
        if let Some(k) = keys.iter().position(|k| *k == key) {
            out[k] = &s[i..e];
        }
        i = ws(s, e);
        match *s.get(i)? {
            b',' => i = ws(s, i + 1),
            b'}' => return Some(i + 1),
            _ => return None,
        }
    }
}

pub fn array(s: &[u8], mut each: impl FnMut(usize) -> Option<usize>) -> Option<usize> {
    let mut i = ws(s, 0);
    if *s.get(i)? != b'[' {
        return None;
    }
    i = ws(s, i + 1);
    if *s.get(i)? == b']' {
        return Some(i + 1);
    }
    loop {
        i = ws(s, each(i)?);
        match *s.get(i)? {
            b',' => i = ws(s, i + 1),
            b']' => return Some(i + 1),
            _ => return None,
        }
    }
}
