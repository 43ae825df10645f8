//! Protobuf wire to JSON for the known orders, without message structs.

#[inline]
pub fn varint(s: &[u8], i: &mut usize) -> Option<u64> {
    let (mut v, mut sh) = (0u64, 0);
    loop {
        let b = *s.get(*i)?;
        *i += 1;
        v |= u64::from(b & 0x7f) << sh;
        if b < 0x80 {
            return Some(v);
        }
        sh += 7;
        if sh > 63 {
            return None;
        }
    }
}

pub enum F<'a> {
    V(u64),
    B(&'a [u8]),
}

pub struct Fields<'a>(pub &'a [u8], pub usize);
impl<'a> Iterator for Fields<'a> {
    type Item = (u32, F<'a>);
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.1 >= self.0.len() {
            return None;
        }
        let t = varint(self.0, &mut self.1)?;
        match t & 7 {
            0 => Some(((t >> 3) as u32, F::V(varint(self.0, &mut self.1)?))),
            2 => {
                let n = varint(self.0, &mut self.1)? as usize;
                let b = self.0.get(self.1..self.1.checked_add(n)?)?;
                self.1 += n;
                Some(((t >> 3) as u32, F::B(b)))
            }
            1 => {
                self.1 += 8;
                Some(((t >> 3) as u32, F::V(0)))
            }
            5 => {
                self.1 += 4;
                Some(((t >> 3) as u32, F::V(0)))
            }
            _ => None,
        }
    }
}

pub fn fields(s: &[u8]) -> Fields<'_> {
    Fields(s, 0)
}

/// Writes a JSON string.
#[inline]
pub fn jstr(out: &mut Vec<u8>, s: &[u8]) {
    out.push(b'"');
    if s.iter().all(|b| *b >= 0x20 && *b != b'"' && *b != b'\\') {
        out.extend_from_slice(s);
    } else {
        for b in s {
            match b {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                0..=0x1f => out.extend_from_slice(format!("\\u{:04x}", b).as_bytes()),
                _ => out.push(*b),
            }
        }
    }
    out.push(b'"');
}

fn dec(out: &mut Vec<u8>, v: u64, w: usize) {
    let mut b = [b'0'; 20];
    let mut v = v;
    for k in (0..w).rev() {
        b[k] = b'0' + (v % 10) as u8;
        v /= 10;
    }
    out.extend_from_slice(&b[..w]);
}

pub fn iso(out: &mut Vec<u8>, secs: i64, nanos: i32) {
    let days = secs.div_euclid(86400);
    let s = secs.rem_euclid(86400) as u64;
    let z = days + 719468;
    let era = z.div_euclid(146097);
    let doe = z.rem_euclid(146097);
    let yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    let y = yoe + era * 400 + i64::from(m <= 2);
    dec(out, y as u64, 4);
    out.push(b'-');
    dec(out, m as u64, 2);
    out.push(b'-');
    dec(out, d as u64, 2);
    out.push(b'T');
    dec(out, s / 3600, 2);
    out.push(b':');
    dec(out, s / 60 % 60, 2);
    out.push(b':');
    dec(out, s % 60, 2);
    out.push(b'.');
    dec(out, nanos as u64 / 1_000_000, 3);
    out.push(b'Z');
}

const STATUS: [&str; 6] = ["UNSPECIFIED", "PENDING", "PAID", "SHIPPED", "DELIVERED", "CANCELLED"];

/// Calls `f` with every product id, in order.
pub fn product_ids<'a>(msg: &'a [u8], mut f: impl FnMut(&'a [u8])) {
    for (n, v) in fields(msg) {
        if let (1, F::B(o)) = (n, v) {
            for (n, v) in fields(o) {
                if let (5, F::B(l)) = (n, v) {
                    for (n, v) in fields(l) {
                        if let (1, F::B(id)) = (n, v) {
                            f(id)
                        }
                    }
                }
            }
        }
    }
}

fn line<'p>(out: &mut Vec<u8>, l: &[u8], lookup: &mut impl FnMut(&[u8]) -> Option<(&'p [u8], &'p [u8])>) -> Option<()> {
    let (mut id, mut q): (&[u8], u64) = (b"", 0);
    for (n, v) in fields(l) {
        match (n, v) {
            (1, F::B(b)) => id = b,
            (2, F::V(v)) => q = v,
            _ => {}
        }
    }
    let (title, image) = lookup(id)?;
    out.extend_from_slice(b"{\"quantity\":");
    out.extend_from_slice(itoa::Buffer::new().format(q as i32).as_bytes());
    out.extend_from_slice(b",\"title\":");
    out.extend_from_slice(title);
    out.extend_from_slice(b",\"image\":");
    out.extend_from_slice(image);
    out.push(b'}');
    Some(())
}

/// The "orders" array. `lookup` gives (title, image) as raw JSON text.
pub fn orders<'p>(
    out: &mut Vec<u8>,
    msg: &[u8],
    mut lookup: impl FnMut(&[u8]) -> Option<(&'p [u8], &'p [u8])>,
) -> Option<()> {
    out.push(b'[');
    let mut first = true;
    for (n, v) in fields(msg) {
        let (1, F::B(o)) = (n, v) else { continue };
        if !first {
            out.push(b',');
        }
        first = false;
        order(out, o, &mut lookup)?;
    }
    out.push(b']');
    Some(())
}

fn order<'p>(
    out: &mut Vec<u8>,
    o: &[u8],
    lookup: &mut impl FnMut(&[u8]) -> Option<(&'p [u8], &'p [u8])>,
) -> Option<()> {
    let (mut id, mut status, mut ts, mut total): (&[u8], u64, &[u8], &[u8]) = (b"", 0, b"", b"");
    for (n, v) in fields(o) {
        match (n, v) {
            (1, F::B(b)) => id = b,
            (2, F::V(v)) => status = v,
            (3, F::B(b)) => ts = b,
            (4, F::B(b)) => total = b,
            _ => {}
        }
    }
    let (seconds, nanos) = numbers(ts, 1);
    let (units, cents) = numbers(total, 2);
    let currency = fields(total).find_map(|(n, v)| if let (1, F::B(b)) = (n, v) { Some(b) } else { None });
    out.extend_from_slice(b"{\"id\":");
    jstr(out, id);
    out.extend_from_slice(b",\"status\":\"");
    out.extend_from_slice(STATUS.get(status as usize)?.as_bytes());
    out.extend_from_slice(b"\",\"placedAt\":\"");
    iso(out, seconds, nanos);
    out.extend_from_slice(b"\",\"total\":\"");
    out.extend_from_slice(itoa::Buffer::new().format(units).as_bytes());
    out.push(b'.');
    dec(out, (cents / 10_000_000) as u64, 2);
    out.extend_from_slice(b"\",\"currency\":");
    jstr(out, currency.unwrap_or_default());
    out.extend_from_slice(b",\"lines\":[");
    let mut first = true;
    for (n, v) in fields(o) {
        if let (5, F::B(l)) = (n, v) {
            if !first {
                out.push(b',');
            }
            first = false;
            line(out, l, lookup)?;
        }
    }
    out.extend_from_slice(b"]}");
    Some(())
}

/// An int64 of this number, and the int32 behind it.
fn numbers(message: &[u8], number: u32) -> (i64, i32) {
    let (mut whole, mut nanos) = (0, 0);
    for (n, v) in fields(message) {
        match v {
            F::V(v) if n == number => whole = v as i64,
            F::V(v) if n == number + 1 => nanos = v as i32,
            _ => {}
        }
    }
    (whole, nanos)
}
