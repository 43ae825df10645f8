//! The clients: bare h2 for gRPC; HTTP/1.1 over hyper's connections, or by hand on the socket.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use std::cell::RefCell;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub type Error = Box<dyn std::error::Error + Send + Sync>;

pub struct Raw {
    pub addr: &'static str,
    pool: RefCell<Vec<(TcpStream, BytesMut)>>,
}
impl Raw {
    pub fn new(addr: &'static str) -> Self {
        Raw { addr, pool: Default::default() }
    }
    pub async fn get(&self, path: &str) -> Result<Bytes, Error> {
        let idle = self.pool.borrow_mut().pop();
        let (mut s, mut buf) = match idle {
            Some(c) => c,
            None => {
                let s = TcpStream::connect(self.addr).await?;
                s.set_nodelay(true)?;
                (s, BytesMut::with_capacity(32 << 10))
            }
        };
        let mut q = Vec::with_capacity(path.len() + 64);
        q.extend_from_slice(b"GET ");
        q.extend_from_slice(path.as_bytes());
        q.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        q.extend_from_slice(self.addr.as_bytes());
        q.extend_from_slice(b"\r\n\r\n");
        s.write_all(&q).await?;
        loop {
            buf.reserve(16 << 10);
            if s.read_buf(&mut buf).await? == 0 {
                return Err("closed".into());
            }
            let mut hs = [httparse::EMPTY_HEADER; 32];
            let mut r = httparse::Response::new(&mut hs);
            let httparse::Status::Complete(head) = r.parse(&buf)? else { continue };
            if r.code != Some(200) {
                return Err("status".into());
            }
            let len: usize = r
                .headers
                .iter()
                .find(|h| h.name.eq_ignore_ascii_case("content-length"))
                .and_then(|h| std::str::from_utf8(h.value).ok()?.parse().ok())
                .ok_or("no length")?;
            while buf.len() < head + len {
                buf.reserve(head + len - buf.len());
                if s.read_buf(&mut buf).await? == 0 {
                    return Err("closed".into());
                }
            }
            buf.advance(head);
            let body = buf.split_to(len).freeze();
            self.pool.borrow_mut().push((s, buf));
            return Ok(body);
        }
    }
}

pub struct Hyper {
    addr: &'static str,
    host: http::HeaderValue,
    pool: RefCell<Vec<hyper::client::conn::http1::SendRequest<Empty<Bytes>>>>,
}
impl Hyper {
    pub fn new(addr: &'static str) -> Self {
        Hyper { addr, host: http::HeaderValue::from_static(addr), pool: Default::default() }
    }
    pub async fn get(&self, path: &str) -> Result<Bytes, Error> {
        let idle = self.pool.borrow_mut().pop();
        let mut c = match idle {
            Some(c) if !c.is_closed() => c,
            _ => {
                let s = TcpStream::connect(self.addr).await?;
                s.set_nodelay(true)?;
                let (c, conn) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(s)).await?;
                tokio::task::spawn_local(conn);
                c
            }
        };
        c.ready().await?;
        let req = http::Request::builder().uri(path).header(http::header::HOST, self.host.clone()).body(Empty::new())?;
        let res = c.send_request(req).await?;
        if res.status() != 200 {
            return Err("status".into());
        }
        let mut body = res.into_body();
        let mut parts = Parts::default();
        while let Some(f) = body.frame().await {
            if let Ok(d) = f?.into_data() {
                parts.add(d);
            }
        }
        self.pool.borrow_mut().push(c);
        Ok(parts.joined())
    }
}

pub struct Grpc {
    addr: String,
    send: RefCell<h2::client::SendRequest<Bytes>>,
    uri: http::Uri,
}
impl Grpc {
    async fn dial(addr: &str) -> Result<h2::client::SendRequest<Bytes>, Error> {
        let s = TcpStream::connect(addr).await?;
        s.set_nodelay(true)?;
        let (send, conn) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(1 << 24)
            .handshake(s)
            .await?;
        tokio::task::spawn_local(conn);
        Ok(send)
    }
    pub async fn connect(addr: &str) -> Result<Self, Error> {
        Ok(Grpc {
            addr: addr.into(),
            send: RefCell::new(Self::dial(addr).await?),
            uri: format!("http://{addr}/orders.v1.OrderService/ListOrders").parse()?,
        })
    }
    /// A usable handle; dials again when the connection is gone (GOAWAY, close).
    async fn handle(&self) -> Result<h2::client::SendRequest<Bytes>, Error> {
        let h = self.send.borrow().clone();
        match h.ready().await {
            Ok(h) => Ok(h),
            Err(_) => {
                let h = Self::dial(&self.addr).await?;
                *self.send.borrow_mut() = h.clone();
                Ok(h.ready().await?)
            }
        }
    }
    pub async fn list_orders(&self, user: &str) -> Result<Bytes, Error> {
        let mut m = BytesMut::with_capacity(user.len() + 16);
        m.put_u8(0);
        m.put_u32(user.len() as u32 + 4);
        m.put_u8(10);
        m.put_u8(user.len() as u8);
        m.put_slice(user.as_bytes());
        m.put_slice(&[16, 5]);
        let mut req = http::Request::new(());
        *req.method_mut() = http::Method::POST;
        *req.version_mut() = http::Version::HTTP_2;
        *req.uri_mut() = self.uri.clone();
        req.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
        req.headers_mut().insert(http::header::TE, http::HeaderValue::from_static("trailers"));
        let mut send = self.handle().await?;
        let (resp, mut body) = send.send_request(req, false)?;
        body.send_data(m.freeze(), true)?;
        let mut body = resp.await?.into_body();
        let mut parts = Parts::default();
        while let Some(d) = body.data().await {
            let d = d?;
            let _ = body.flow_control().release_capacity(d.len());
            parts.add(d);
        }
        let tr = body.trailers().await?;
        if tr.as_ref().and_then(|t| t.get("grpc-status")).is_some_and(|s| s != "0") {
            return Err("grpc".into());
        }
        let mut b = parts.joined();
        if b.len() < 5 || b[0] != 0 {
            return Err("frame".into());
        }
        b.advance(5);
        Ok(b)
    }
}

/// A body as it comes in: one part, most often, which is not copied.
#[derive(Default)]
struct Parts {
    first: Bytes,
    all: BytesMut,
}

impl Parts {
    fn add(&mut self, part: Bytes) {
        if self.first.is_empty() {
            self.first = part;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&part);
    }

    fn joined(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}
