//! `orders.v1.AddressService`: the addresses of a user, owned and changed in the same manner as orders.

pub mod address;

use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::caller::Caller;
use crate::clock::Clock;
use crate::fault;
use crate::page::Page;
use crate::pb::address_service_server::AddressService;
use crate::pb::{
    self, CreateAddressRequest, DeleteAddressRequest, GetAddressRequest, ListAddressesRequest, ListAddressesResponse,
    UpdateAddressRequest,
};
use crate::store::Store;
use crate::token::Tokens;
use address::{Address, KIND};

/// How often a change without an etag is tried again when another was faster.
const CHANGE_TRIES: usize = 5;

pub struct Addresses {
    store: Store,
    tokens: Tokens,
    clock: Clock,
}

impl Addresses {
    pub fn new(store: Store, tokens: Tokens, clock: Clock) -> Self {
        Self { store, tokens, clock }
    }

    /// The address in any state, deleted too, if it is one of the caller's.
    async fn find(&self, caller: &Caller, id: Uuid) -> Result<Address, Status> {
        let address = self.store.address(id).await?;
        address.filter(|address| caller.may_touch_rows_of(&address.user_id)).ok_or_else(|| fault::not_found(KIND, id))
    }

    /// Applies a rule to the address as it is now, and again if it changed meanwhile; an etag allows one version only.
    async fn change(
        &self,
        caller: &Caller,
        id: Uuid,
        etag: &str,
        rule: impl Fn(&Address) -> Result<Address, Status> + Send,
    ) -> Result<Address, Status> {
        for _ in 0..CHANGE_TRIES {
            let before = self.find(caller, id).await?;
            let after = rule(&before)?;
            if !etag.is_empty() && etag != before.etag() {
                return Err(fault::stale_etag(KIND));
            }
            if after == before {
                return Ok(before);
            }
            let after = Address { updated_at: self.clock.now_micros(), version: before.version + 1, ..after };
            if self.store.replace_address(&before, &after).await? {
                return Ok(after);
            }
        }
        Err(fault::contended(KIND))
    }
}

#[tonic::async_trait]
impl AddressService for Addresses {
    async fn create_address(&self, request: Request<CreateAddressRequest>) -> Result<Response<pb::Address>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let request = request.into_inner();
        let now = self.clock.now_micros();
        let address = Address {
            id: Uuid::now_v7(),
            user_id: caller.acting_for(&request.user_id)?,
            label: request.label,
            recipient: request.recipient,
            lines: request.lines,
            postal_code: request.postal_code,
            city: request.city,
            country_code: request.country_code,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 1,
        };
        let address = address.checked()?;
        self.store.insert_address(&address).await?;
        Ok(Response::new(address.into()))
    }

    async fn get_address(&self, request: Request<GetAddressRequest>) -> Result<Response<pb::Address>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let id = fault::parse_id("id", KIND, &request.get_ref().id)?;
        let address = self.find(&caller, id).await?;
        Ok(Response::new(address.live()?.clone().into()))
    }

    async fn list_addresses(
        &self,
        request: Request<ListAddressesRequest>,
    ) -> Result<Response<ListAddressesResponse>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let request = request.into_inner();
        let user_id = caller.acting_for(&request.user_id)?;
        let filter = format!("addresses {user_id}");
        let page = Page::requested(request.page_size, &request.page_token, &filter)?;
        let addresses = self.store.addresses_of(&user_id, page.after, page.limit()).await?;
        let (addresses, next_page_token) = page.cut(addresses, Address::cursor, &filter);
        let addresses = addresses.into_iter().map(pb::Address::from).collect();
        Ok(Response::new(ListAddressesResponse { addresses, next_page_token }))
    }

    async fn update_address(&self, request: Request<UpdateAddressRequest>) -> Result<Response<pb::Address>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let request = request.into_inner();
        let id = fault::parse_id("id", KIND, &request.id)?;
        let address = self.change(&caller, id, &request.etag, |before| before.edited(&request)).await?;
        Ok(Response::new(address.into()))
    }

    async fn delete_address(&self, request: Request<DeleteAddressRequest>) -> Result<Response<()>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let id = fault::parse_id("id", KIND, &request.get_ref().id)?;
        let now = self.clock.now_micros();
        self.change(&caller, id, "", |before| Ok(before.deleted(now))).await?;
        Ok(Response::new(()))
    }
}
