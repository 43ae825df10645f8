//! The command line, and the requests that it describes.

pub const USAGE: &str = "openload --url http://HOST:PORT/PATH --rate REQUESTS_A_SECOND --secs SECONDS [--conns 64] \
    [--ids a,b,c] [--tokens FILE] [--method GET] [--header 'name: value']... [--body TEXT]
    `{id}` in the URL and the body becomes one of the ids, each in turn; so do the tokens of FILE, one a line.";

pub struct Options {
    /// `127.0.0.1:9000`
    pub address: String,
    pub rate: f64,
    pub secs: f64,
    pub conns: usize,
    requests: Vec<Vec<u8>>,
}

impl Options {
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = Given { method: "GET".into(), conns: 64, ..Given::default() };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} takes a value"))?;
            given.take(&name, value)?;
        }
        let rest = given.url.strip_prefix("http://").ok_or("--url begins with http://")?;
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        if given.rate <= 0.0 || given.secs <= 0.0 || given.conns == 0 {
            return Err("--rate, --secs and --conns are greater than 0".into());
        }
        let count = given.ids.len().max(given.tokens.len()).max(1);
        let requests = (0..count).map(|n| given.request(address, path, n)).collect();
        Ok(Self { address: address.to_owned(), rate: given.rate, secs: given.secs, conns: given.conns, requests })
    }

    pub fn request(&self, index: usize) -> &[u8] {
        &self.requests[index % self.requests.len()]
    }
}

#[derive(Default)]
struct Given {
    url: String,
    rate: f64,
    secs: f64,
    conns: usize,
    ids: Vec<String>,
    tokens: Vec<String>,
    method: String,
    headers: Vec<String>,
    body: String,
}

impl Given {
    fn take(&mut self, name: &str, value: String) -> Result<(), String> {
        let not_a_number = |_| format!("{name} takes a number");
        match name {
            "--url" => self.url = value,
            "--rate" => self.rate = value.parse().map_err(not_a_number)?,
            "--secs" => self.secs = value.parse().map_err(not_a_number)?,
            "--conns" => self.conns = value.parse().map_err(|_| format!("{name} takes a count"))?,
            "--ids" => self.ids = value.split(',').map(str::to_owned).collect(),
            "--tokens" => {
                let text = std::fs::read_to_string(&value).map_err(|error| format!("{value}: {error}"))?;
                self.tokens = text.lines().map(str::to_owned).collect();
            }
            "--method" => self.method = value,
            "--header" => self.headers.push(value),
            "--body" => self.body = value,
            _ => return Err(format!("{name} is not known")),
        }
        Ok(())
    }

    fn request(&self, address: &str, path: &str, n: usize) -> Vec<u8> {
        let id = if self.ids.is_empty() { "" } else { self.ids[n % self.ids.len()].as_str() };
        let body = self.body.replace("{id}", id);
        let mut text = format!("{} /{} HTTP/1.1\r\nhost: {address}\r\n", self.method, path.replace("{id}", id));
        self.headers.iter().for_each(|header| text += &format!("{header}\r\n"));
        if !self.tokens.is_empty() {
            text += &format!("authorization: Bearer {}\r\n", self.tokens[n % self.tokens.len()]);
        }
        if !body.is_empty() {
            text += &format!("content-length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += &body;
        text.into_bytes()
    }
}
