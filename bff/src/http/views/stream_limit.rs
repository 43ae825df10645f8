//! How much one account, or one address where nobody signed in, may hold open, so that nobody takes the places of
//! everybody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::http::{ClientAddress, Config, Problem};
use crate::identity::Caller;
use crate::meter::{Counter, Gauge, Meter, Raised};

/// What is open, by whom; one for all views.
#[derive(Clone)]
pub struct StreamLimit(Arc<Places>);

struct Places {
    taken: Mutex<HashMap<Holder, usize>>,
    per_account: Most,
    per_address: Most,
    open: Gauge,
}

struct Most {
    count: usize,
    refused: Counter,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Account(Uuid),
    /// A household; none where no connection stands behind the request.
    Address(Option<IpAddr>),
}

/// One thing that is open, until it is dropped.
pub struct OpenStream {
    places: Arc<Places>,
    holder: Holder,
    _counted: Raised,
}

const RETRY: Duration = Duration::from_secs(5);

impl StreamLimit {
    pub fn new(config: &Config, meter: &Meter) -> Self {
        let most = |count, policy| {
            let refused = meter.counter("bff_rate_limited_total", &[("policy", policy)]);
            Most { count, refused }
        };
        Self(Arc::new(Places {
            taken: Mutex::default(),
            per_account: most(config.streams_per_account, "account-streams"),
            per_address: most(config.streams_per_address, "address-streams"),
            open: meter.gauge("bff_streams_open", &[]),
        }))
    }

    pub fn open(&self, caller: Option<&Caller>, client: Option<ClientAddress>) -> Result<OpenStream, Problem> {
        let Self(places) = self;
        let (holder, most, title) = match caller {
            Some(caller) => {
                (Holder::Account(caller.sub), &places.per_account, "This account has too many open streams")
            }
            None => {
                let household = client.map(ClientAddress::household);
                (Holder::Address(household), &places.per_address, "This address has too many open streams")
            }
        };
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(holder).or_default();
        if *count >= most.count {
            most.refused.increment(1);
            return Err(Problem::too_many_requests(RETRY)
                .code("too-many-streams", title)
                .detail(format!("At most {} can be open at once; close one first", most.count)));
        }
        *count += 1;
        Ok(OpenStream { places: Arc::clone(places), holder, _counted: Raised::new(&places.open) })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}
