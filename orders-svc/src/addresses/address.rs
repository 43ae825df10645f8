//! An address, and the checks of what a request says it should be.

use tonic::Status;
use tonic_types::FieldViolation;
use uuid::Uuid;

use crate::clock::timestamp;
use crate::page::Cursor;
use crate::pb::{self, UpdateAddressRequest};
use crate::{fault, field};

pub const KIND: &str = "address";

const TEXT_MAX: usize = 100;
const POSTAL_CODE_MAX: usize = 20;
const LINES_MAX: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub id: Uuid,
    pub user_id: String,
    pub label: String,
    pub recipient: String,
    pub lines: Vec<String>,
    pub postal_code: String,
    pub city: String,
    pub country_code: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub version: i64,
}

impl Address {
    pub fn etag(&self) -> String {
        self.version.to_string()
    }

    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id }
    }

    /// The address itself, unless it is deleted.
    pub fn live(&self) -> Result<&Self, Status> {
        match self.deleted_at {
            None => Ok(self),
            Some(_) => Err(fault::not_found(KIND, self.id)),
        }
    }

    /// The address itself, if every field is as it must be.
    pub fn checked(self) -> Result<Self, Status> {
        fault::unless_valid(self.violations())?;
        Ok(self)
    }

    pub fn edited(&self, request: &UpdateAddressRequest) -> Result<Self, Status> {
        let mut address = self.live()?.clone();
        let fields = [
            (&mut address.label, &request.label),
            (&mut address.recipient, &request.recipient),
            (&mut address.postal_code, &request.postal_code),
            (&mut address.city, &request.city),
            (&mut address.country_code, &request.country_code),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                field.clone_from(value);
            }
        }
        if !request.lines.is_empty() {
            address.lines.clone_from(&request.lines);
        }
        address.checked()
    }

    pub fn deleted(&self, now: i64) -> Self {
        Self { deleted_at: self.deleted_at.or(Some(now)), ..self.clone() }
    }

    fn violations(&self) -> Vec<FieldViolation> {
        let count = field::count("lines", self.lines.len(), 1..=LINES_MAX);
        let lines = self.lines.iter().take(LINES_MAX).enumerate();
        let lines = lines.filter_map(|(i, line)| field::line(&format!("lines[{i}]"), line, 1..=TEXT_MAX));
        let others = [
            field::line("label", &self.label, 0..=TEXT_MAX),
            field::line("recipient", &self.recipient, 1..=TEXT_MAX),
            field::line("postal_code", &self.postal_code, 0..=POSTAL_CODE_MAX),
            field::line("city", &self.city, 1..=TEXT_MAX),
            field::code("country_code", &self.country_code, 2),
        ];
        count.into_iter().chain(lines).chain(others.into_iter().flatten()).collect()
    }
}

impl From<Address> for pb::Address {
    fn from(address: Address) -> Self {
        Self {
            id: address.id.to_string(),
            etag: address.etag(),
            user_id: address.user_id,
            label: address.label,
            recipient: address.recipient,
            lines: address.lines,
            postal_code: address.postal_code,
            city: address.city,
            country_code: address.country_code,
            created_at: Some(timestamp(address.created_at)),
            updated_at: Some(timestamp(address.updated_at)),
        }
    }
}
