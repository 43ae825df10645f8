//! Why identity says no.

use time::Duration;

use super::account::InvalidIdentifier;
use super::keys::KeyError;
use super::password::{PasswordError, Unfit};
use super::role::UnknownRole;
use super::token::TokenError;
use crate::limits::Limited;
use crate::store;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Identifier(#[from] InvalidIdentifier),
    /// The same for an unknown account and a wrong password.
    #[error("the identifier and the password do not belong together")]
    WrongCredentials,
    /// Asked again of somebody who is signed in.
    #[error("the password is wrong")]
    WrongPassword,
    /// No such account or session, or none of the caller's.
    #[error("there is nothing by that name")]
    Missing,
    #[error("nobody could manage the accounts without this admin")]
    LastAdmin,
    /// Told only after the right password.
    #[error("the account is disabled")]
    Disabled,
    /// A credential that is not, or no longer, good for anything.
    #[error("the credential is refused: {0}")]
    Refused(&'static str),
    /// So often from one address.
    #[error("asked for too often")]
    Limited(Limited),
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A new password that must not be one.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Sign(jsonwebtoken::errors::Error),
    #[error(transparent)]
    Keys(KeyError),
    /// Without its keys nobody can tell whether its tokens are good.
    #[error("the issuer's public keys cannot be read")]
    IssuerAway,
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A row that the rules cannot read.
    #[error("the record of an account is not usable")]
    Record(#[from] UnknownRole),
    /// Others kept changing the same record.
    #[error("the record changed too often meanwhile")]
    Contended,
    #[error("the code is wrong")]
    WrongCode,
    /// Nothing was compared; to an outsider it is a wrong code.
    #[error("the code is unknown, used or expired")]
    CodeOver,
    #[error("too many wrong codes")]
    TooManyTries(Duration),
    #[error("asked for too often")]
    TooOften(Duration),
    /// What may be sent to all together.
    #[error("a budget for messages is spent")]
    BudgetSpent(Duration),
    #[error("no messages are sent to numbers like this")]
    NotServed,
    /// Nothing delivers what is sent to identifiers of this kind.
    #[error("{0}")]
    NoChannel(&'static str),
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(reason) => Self::Refused(reason),
            TokenError::UnknownKey(_) => Self::Refused("its key is not ours"),
            TokenError::Sign(error) => Self::Sign(error),
        }
    }
}
