//! Where Redis is: one server, a cluster, or a master that sentinels know.

use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::store::error::OpenError;

/// `redis://`, `redis+cluster://HOST,HOST` or `redis+sentinel://HOST,HOST/MASTER/DATABASE`; `rediss` for TLS.
/// USER:PASSWORD@ in front of the hosts is for the Redis servers.
pub enum Address {
    Single(ConnectionInfo),
    Cluster(Vec<ConnectionInfo>),
    Sentinel(Sentinels),
}

pub struct Sentinels {
    pub sentinels: Vec<ConnectionInfo>,
    pub master: String,
    /// The credentials and the database; its host is of no meaning.
    pub server: ConnectionInfo,
}

impl Address {
    pub fn parse(url: &str, setting: &'static str) -> Result<Self, OpenError> {
        Self::read(url).ok_or(OpenError::Url {
            setting,
            expected: "`redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss://...` for TLS, \
                       `redis+cluster://HOST:PORT,HOST:PORT` or `redis+sentinel://HOST:PORT,HOST:PORT/MASTER`",
        })
    }

    fn read(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        match scheme {
            "redis" | "rediss" => info(url).map(Self::Single),
            "redis+cluster" | "rediss+cluster" => {
                let (credentials, hosts) = split_credentials(rest);
                nodes(scheme, credentials, hosts.trim_end_matches('/')).map(Self::Cluster)
            }
            "redis+sentinel" | "rediss+sentinel" => sentinels(scheme, rest).map(Self::Sentinel),
            _ => None,
        }
    }
}

fn sentinels(scheme: &str, rest: &str) -> Option<Sentinels> {
    let (credentials, rest) = split_credentials(rest);
    let (hosts, path) = rest.split_once('/')?;
    let (master, database) = path.split_once('/').unwrap_or((path, "0"));
    if master.is_empty() {
        return None;
    }
    let server = info(&node(scheme, credentials, &format!("master/{database}")))?;
    Some(Sentinels { sentinels: nodes(scheme, "", hosts)?, master: master.to_owned(), server })
}

fn split_credentials(rest: &str) -> (&str, &str) {
    rest.rsplit_once('@').unwrap_or(("", rest))
}

fn nodes(scheme: &str, credentials: &str, hosts: &str) -> Option<Vec<ConnectionInfo>> {
    hosts.split(',').map(|host| info(&node(scheme, credentials, host))).collect()
}

fn node(scheme: &str, credentials: &str, host: &str) -> String {
    let plain = scheme.split('+').next().unwrap_or(scheme);
    let at = if credentials.is_empty() { "" } else { "@" };
    format!("{plain}://{credentials}{at}{host}")
}

fn info(url: &str) -> Option<ConnectionInfo> {
    url.into_connection_info().ok()
}
