//! What the request stack found out about a request, for the steps within and for the handlers.

use super::TraceContext;
use super::client_address::ClientAddress;

#[derive(Clone)]
pub struct Facts {
    pub client: Option<ClientAddress>,
    pub trace: TraceContext,
}
