//! The worker behind codes: looks up who is behind an identifier and decides what is sent there.
//!
//! No request does that, so that none takes longer, or answers otherwise, where there is an account.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::account::Identifier;
use super::code::Purpose;
use super::codes::{Errand, TOPIC};
use super::error::Error;
use super::{Identity, event};
use crate::notify::{Channel, CodePurpose, Message, Template};
use crate::store::{Account, Job};

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    Code,
    /// There is an account already; told once an hour at the most.
    AlreadyRegistered,
    Nothing,
}

/// How many errands one replica runs at a time.
const AT_ONCE: usize = 4;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);
const TELL_EVERY: Duration = Duration::from_secs(3_600);

impl Identity {
    /// Runs errands until told to stop; what was begun is finished.
    pub async fn run_errands(&self, stop: &CancellationToken) {
        self.codes.queue().work(&TOPIC, AT_ONCE, stop, |job| self.run(job)).await;
    }

    async fn run(&self, job: Job) {
        let settled = match self.codes.open(&job.id, &job.payload) {
            None => {
                tracing::error!(job = job.id, "an errand cannot be read: it was sealed under another master key");
                job.acknowledge().await
            }
            Some(errand) if errand.expires_at <= self.clock.now() => {
                event::tally(&self.meter, "code-errand", "expired");
                job.acknowledge().await
            }
            Some(errand) => match self.dispatch(&errand).await {
                Ok(result) => {
                    event::tally(&self.meter, "code-errand", result);
                    job.acknowledge().await
                }
                Err(error) => {
                    tracing::warn!(job = job.id, %error, "an errand is tried again");
                    job.give_back(TRY_AGAIN_AFTER).await
                }
            },
        };
        if let Err(error) = settled {
            tracing::warn!(%error, "an errand cannot be acknowledged");
        }
    }

    /// Leaves the message in the queue; done again it is the same message.
    async fn dispatch(&self, errand: &Errand) -> Result<&'static str, Error> {
        let account = self.account_of(&errand.identifier).await?;
        let (template, result) = match decide(errand, account.as_ref()) {
            Decision::Code => (code(errand), "code"),
            Decision::AlreadyRegistered if self.may_tell(errand).await? => {
                (Template::AlreadyRegistered, "already-registered")
            }
            Decision::AlreadyRegistered | Decision::Nothing => return Ok("nothing"),
        };
        let locale = account.and_then(|account| account.locale).or_else(|| errand.locale.clone());
        let message = Message {
            id: errand.id,
            channel: channel(&errand.identifier),
            to: errand.identifier.as_str().to_owned(),
            template,
            locale,
            expires_at: errand.expires_at,
        };
        self.notify.enqueue(&message).await?;
        Ok(result)
    }

    /// The same errand may tell again, because its message is the same.
    async fn may_tell(&self, errand: &Errand) -> Result<bool, Error> {
        let key = format!("told:already-registered:{}", self.codes.name_of(&errand.identifier));
        let told = errand.id.as_bytes();
        if self.values.compare_and_put(&key, None, told, TELL_EVERY).await? {
            return Ok(true);
        }
        Ok(self.values.get(&key).await?.is_some_and(|by| &by[..] == told))
    }
}

fn decide(errand: &Errand, account: Option<&Account>) -> Decision {
    match (errand.purpose, account) {
        (Purpose::Register, None) => Decision::Code,
        (Purpose::Register, Some(_)) => Decision::AlreadyRegistered,
        (Purpose::ResetPassword, Some(account)) if account.disabled_at.is_none() => Decision::Code,
        (Purpose::ResetPassword, _) => Decision::Nothing,
        (Purpose::VerifyEmail | Purpose::VerifyPhone, None) => Decision::Code,
        (Purpose::VerifyEmail | Purpose::VerifyPhone, Some(account)) if errand.account == Some(account.id) => {
            Decision::Code
        }
        (Purpose::VerifyEmail | Purpose::VerifyPhone, Some(_)) => Decision::AlreadyRegistered,
    }
}

fn code(errand: &Errand) -> Template {
    let purpose = match errand.purpose {
        Purpose::Register => CodePurpose::Register,
        Purpose::ResetPassword => CodePurpose::ResetPassword,
        Purpose::VerifyEmail => CodePurpose::VerifyEmail,
        Purpose::VerifyPhone => CodePurpose::VerifyPhone,
    };
    Template::Code { purpose, code: errand.code.as_str().into() }
}

fn channel(identifier: &Identifier) -> Channel {
    match identifier {
        Identifier::Email(_) => Channel::Email,
        Identifier::Phone(_) => Channel::Sms,
    }
}
