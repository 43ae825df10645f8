//! How much a caller may ask for: of everything together, and of a view.
//!
//! An account is one caller, however many sessions it has; whoever did not sign in is its address.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::Problem;
use super::client_address::ClientAddress;
use crate::identity::{Caller, Role};
use crate::limits::{Config, Key, Limited, Limits, Policy, Quota, Standing};

/// The policies that the configuration states; where none is enforced, nobody is counted.
#[derive(Clone)]
pub struct CallerLimit(Option<Arc<Enforced>>);

struct Enforced {
    limits: Limits,
    config: Config,
    /// For callers of each role.
    callers: [(Role, Policy); 5],
}

/// A view's own limit.
#[derive(Clone)]
pub struct ViewLimit {
    limits: Limits,
    policy: Policy,
}

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl CallerLimit {
    pub fn new(config: &Config, production: bool, limits: &Limits) -> Self {
        let enforced = || {
            let own = |quota: Option<Quota>| limits.policy("caller", quota.unwrap_or(config.caller));
            let callers = [
                (Role::User, own(config.roles.user)),
                (Role::Operator, own(config.roles.operator)),
                (Role::Auditor, own(config.roles.auditor)),
                (Role::Admin, own(config.roles.admin)),
                (Role::Partner, own(config.roles.partner)),
            ];
            Arc::new(Enforced { limits: limits.clone(), config: config.clone(), callers })
        };
        Self(config.enforce.is_on(production).then(enforced))
    }

    /// The limits of single views, by name.
    pub fn of_views(&self) -> BTreeMap<String, ViewLimit> {
        let Some(enforced) = &self.0 else { return BTreeMap::new() };
        let limit = |(name, quota): (&String, &Quota)| {
            let policy = enforced.limits.policy(&format!("view:{name}"), *quota);
            (name.clone(), ViewLimit { limits: enforced.limits.clone(), policy })
        };
        enforced.config.views.iter().map(limit).collect()
    }

    /// Counts one request of this caller.
    pub async fn take(&self, caller: &Caller) -> Result<Option<Standing>, Limited> {
        let Some(enforced) = &self.0 else { return Ok(None) };
        let Some((_, policy)) = enforced.callers.iter().find(|(role, _)| *role == caller.role) else { return Ok(None) };
        enforced.limits.take(&Key::Account(caller.sub), policy).await.map(Some)
    }
}

impl ViewLimit {
    /// Counts one request of this caller, or else of this address.
    pub async fn take(&self, caller: Option<&Caller>, client: Option<ClientAddress>) -> Result<Standing, Limited> {
        let key = match (caller, client) {
            (Some(caller), _) => Key::Account(caller.sub),
            (None, Some(client)) => Key::address(client.0),
            (None, None) => Key::Everybody,
        };
        self.limits.take(&key, &self.policy).await
    }
}

/// Where the caller of a built-in route stands, from the extractor that counted it to its answer.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Option<Standing>>>);

/// Around the built-in routes: says on every answer what the extractor found out.
pub async fn told(mut request: Request, next: Next) -> Response {
    let told = Told::default();
    request.extensions_mut().insert(told.clone());
    let mut response = next.run(request).await;
    if let Some(standing) = told.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
        tell(&standing, response.headers_mut());
    }
    response
}

/// Counts the caller of a built-in route.
pub async fn counted(limit: &CallerLimit, caller: &Caller, parts: &Parts) -> Result<(), Problem> {
    let standing = limit.take(caller).await?;
    if let Some(told) = parts.extensions.get::<Told>() {
        *told.0.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
    Ok(())
}

/// As draft-ietf-httpapi-ratelimit-headers-10 says it: one member of each list.
pub fn tell(standing: &Standing, headers: &mut HeaderMap) {
    headers.append(RATELIMIT_POLICY, standing.policy_field());
    if let Some(field) = standing.field() {
        headers.append(RATELIMIT, field);
    }
}
