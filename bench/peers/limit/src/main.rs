//! The bound of what is possible: the workload hard-coded from wire to JSON, with lean clients and one thread, and with
//! nothing of what a server is for. `MODE=raw` speaks HTTP by hand, else over hyper's connections.

mod net;
mod scan;
mod wire;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;

#[global_allocator]
static ALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

enum Http {
    Raw(net::Raw),
    Hyper(net::Hyper),
}

impl Http {
    fn new(address: &'static str, raw: bool) -> Self {
        if raw { Self::Raw(net::Raw::new(address)) } else { Self::Hyper(net::Hyper::new(address)) }
    }

    async fn get(&self, path: &str) -> Result<Bytes, net::Error> {
        match self {
            Self::Raw(client) => client.get(path).await,
            Self::Hyper(client) => client.get(path).await,
        }
    }
}

struct App {
    grpc: net::Grpc,
    users: Http,
    products: Http,
    rewards: Http,
}

/// A product's id, and the raw JSON of its title and image.
type Product = (Bytes, [Bytes; 2]);

impl App {
    async fn orders(&self, user: &str) -> Result<(Bytes, Vec<Product>), net::Error> {
        let orders = self.grpc.list_orders(user).await?;
        let mut ids: Vec<&[u8]> = Vec::with_capacity(16);
        wire::product_ids(&orders, |id| {
            if !ids.contains(&id) {
                ids.push(id);
            }
        });
        if ids.is_empty() {
            return Ok((orders, Vec::new()));
        }
        let mut path = String::with_capacity(16 + ids.len() * 8);
        path.push_str("/products?ids=");
        for (i, id) in ids.iter().enumerate() {
            if i > 0 {
                path.push(',');
            }
            path.push_str(std::str::from_utf8(id)?);
        }
        let products = products(&self.products.get(&path).await?).ok_or("products")?;
        Ok((orders, products))
    }

    async fn home(&self, user: &str) -> Result<Vec<u8>, net::Error> {
        let (profile, rewards) = (format!("/users/{user}/profile"), format!("/users/{user}/rewards"));
        let rewards = tokio::time::timeout(Duration::from_millis(200), self.rewards.get(&rewards));
        let (profile, rewards, orders) = tokio::join!(self.users.get(&profile), rewards, self.orders(user));
        let (orders, products) = orders?;
        let rewards = rewards.ok().and_then(Result::ok);
        written(&profile?, rewards.as_deref(), &orders, &products)
    }
}

fn products(body: &Bytes) -> Option<Vec<Product>> {
    let mut products = Vec::with_capacity(16);
    scan::array(body, |at| {
        let mut fields: [&[u8]; 3] = [b""; 3];
        let end = scan::object(body, at, &[b"id", b"title", b"image_url"], &mut fields)?;
        let [id, title, image] = fields;
        if id.len() < 2 || title.is_empty() || image.is_empty() {
            return None;
        }
        products.push((body.slice_ref(&id[1..id.len() - 1]), [body.slice_ref(title), body.slice_ref(image)]));
        Some(end)
    })?;
    Some(products)
}

fn written(profile: &[u8], rewards: Option<&[u8]>, orders: &[u8], products: &[Product]) -> Result<Vec<u8>, net::Error> {
    let mut out = Vec::with_capacity(4096);
    let mut user: [&[u8]; 2] = [b"null"; 2];
    scan::object(profile, 0, &[b"display_name", b"avatar_url"], &mut user).ok_or("profile")?;
    out.extend_from_slice(b"{\"user\":{\"name\":");
    out.extend_from_slice(user[0]);
    out.extend_from_slice(b",\"avatar\":");
    out.extend_from_slice(user[1]);
    out.extend_from_slice(b"},\"rewards\":");
    let mut earned: [&[u8]; 2] = [b"null"; 2];
    match rewards.and_then(|text| scan::object(text, 0, &[b"points", b"tier"], &mut earned)) {
        Some(_) => {
            out.extend_from_slice(b"{\"points\":");
            out.extend_from_slice(earned[0]);
            out.extend_from_slice(b",\"tier\":");
            out.extend_from_slice(earned[1]);
            out.push(b'}');
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"orders\":");
    let product =
        |id: &[u8]| products.iter().find(|(key, _)| key == id).map(|(_, [title, image])| (&title[..], &image[..]));
    wire::orders(&mut out, orders, product).ok_or("orders")?;
    out.push(b'}');
    Ok(out)
}

async fn answer(app: &App, path: &str) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::new(Bytes::new()));
    let Some(user) = path.strip_prefix("/home/") else {
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        return response;
    };
    match app.home(user).await {
        Ok(body) => {
            let json = http::HeaderValue::from_static("application/json");
            response.headers_mut().insert(http::header::CONTENT_TYPE, json);
            *response.body_mut() = Full::new(body.into());
        }
        Err(error) => {
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
            *response.body_mut() = Full::new(error.to_string().into());
        }
    }
    response
}

async fn serve(port: String, raw: bool) -> Result<(), net::Error> {
    let app = Rc::new(App {
        grpc: net::Grpc::connect("127.0.0.1:7001").await?,
        users: Http::new("127.0.0.1:7002", raw),
        products: Http::new("127.0.0.1:7003", raw),
        rewards: Http::new("127.0.0.1:7004", raw),
    });
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let app = app.clone();
        let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let app = app.clone();
            async move { Ok::<_, std::convert::Infallible>(answer(&app, request.uri().path()).await) }
        });
        tokio::task::spawn_local(async move {
            let io = hyper_util::rt::TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

fn main() -> Result<(), net::Error> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8105".into());
    let raw = std::env::var("MODE").as_deref() == Ok("raw");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(port, raw))
}
