//! Events as they travel: `proto/events/v1`.

use prost::Message;
use prost::bytes::Bytes;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Event, LoginRefusal, MAX_SESSIONS, Origin, What};
use crate::store::SessionKind;

#[expect(clippy::all, reason = "generated")]
mod v1 {
    include!(concat!(env!("OUT_DIR"), "/events.v1.rs"));
}

use v1::event::What as Told;
use v1::login_failed::Reason;

pub fn encode(id: Uuid, event: &Event) -> Vec<u8> {
    let text = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let nanos = i32::try_from(event.at.nanosecond()).expect("a second has a thousand million of them");
    let message = v1::Event {
        id: id.to_string(),
        occurred_at: Some(prost_types::Timestamp { seconds: event.at.unix_timestamp(), nanos }),
        account_id: text(event.account),
        actor_id: text(event.actor),
        origin: Some(v1::Origin {
            network: event.origin.network.clone().unwrap_or_default(),
            user_agent: event.origin.user_agent.clone().unwrap_or_default(),
        }),
        what: Some(told(&event.what)),
    };
    message.encode_to_vec()
}

/// The event and its id; none for what a later version tells.
pub fn decode(bytes: Bytes) -> Option<(Uuid, Event)> {
    let message = v1::Event::decode(bytes).ok()?;
    let id = |text: &str| if text.is_empty() { Some(None) } else { Uuid::try_parse(text).ok().map(Some) };
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let at = message.occurred_at?;
    let at =
        OffsetDateTime::from_unix_timestamp(at.seconds).ok()?.replace_nanosecond(u32::try_from(at.nanos).ok()?).ok()?;
    let origin = message.origin.unwrap_or_default();
    let event = Event {
        account: id(&message.account_id)?,
        actor: id(&message.actor_id)?,
        at,
        origin: Origin { network: text(origin.network), user_agent: text(origin.user_agent) },
        what: heard(message.what?)?,
    };
    Some((Uuid::try_parse(&message.id).ok()?, event))
}

fn told(what: &What) -> Told {
    match what {
        What::Registered => Told::Registered(v1::Registered {}),
        What::LoggedIn { session, kind } => {
            Told::LoggedIn(v1::LoggedIn { session_id: session.to_string(), kind: kind_number(*kind) })
        }
        What::LoginFailed { reason, kind } => {
            Told::LoginFailed(v1::LoginFailed { reason: reason_number(*reason), kind: kind_number(*kind) })
        }
        What::PasswordChanged { reset } => Told::PasswordChanged(v1::PasswordChanged { reset: *reset }),
        What::IdentifierChanged => Told::IdentifierChanged(v1::IdentifierChanged {}),
        What::RoleChanged { from, to } => Told::RoleChanged(v1::RoleChanged { from: from.clone(), to: to.clone() }),
        What::SessionsRevoked { sessions } => {
            let session_ids = sessions.iter().take(MAX_SESSIONS).map(Uuid::to_string).collect();
            Told::SessionsRevoked(v1::SessionsRevoked { session_ids })
        }
        What::Deleted => Told::Deleted(v1::Deleted {}),
        What::RefreshReuse { session } => Told::RefreshReuse(v1::RefreshReuse { session_id: session.to_string() }),
    }
}

fn heard(told: Told) -> Option<What> {
    Some(match told {
        Told::Registered(_) => What::Registered,
        Told::LoggedIn(told) => {
            What::LoggedIn { kind: kind_from(told.kind())?, session: Uuid::try_parse(&told.session_id).ok()? }
        }
        Told::LoginFailed(told) => {
            What::LoginFailed { reason: reason_from(told.reason())?, kind: kind_from(told.kind())? }
        }
        Told::PasswordChanged(told) => What::PasswordChanged { reset: told.reset },
        Told::IdentifierChanged(_) => What::IdentifierChanged,
        Told::RoleChanged(told) => What::RoleChanged { from: told.from, to: told.to },
        Told::SessionsRevoked(told) => {
            let sessions = told.session_ids.iter().map(|id| Uuid::try_parse(id).ok()).collect::<Option<_>>()?;
            What::SessionsRevoked { sessions }
        }
        Told::Deleted(_) => What::Deleted,
        Told::RefreshReuse(told) => What::RefreshReuse { session: Uuid::try_parse(&told.session_id).ok()? },
    })
}

fn kind_number(kind: SessionKind) -> i32 {
    let kind = match kind {
        SessionKind::Cookie => v1::SessionKind::Cookie,
        SessionKind::Token => v1::SessionKind::Token,
    };
    kind.into()
}

fn kind_from(kind: v1::SessionKind) -> Option<SessionKind> {
    match kind {
        v1::SessionKind::Unspecified => None,
        v1::SessionKind::Cookie => Some(SessionKind::Cookie),
        v1::SessionKind::Token => Some(SessionKind::Token),
    }
}

fn reason_number(reason: LoginRefusal) -> i32 {
    let reason = match reason {
        LoginRefusal::InvalidCredentials => Reason::InvalidCredentials,
        LoginRefusal::Disabled => Reason::Disabled,
    };
    reason.into()
}

fn reason_from(reason: Reason) -> Option<LoginRefusal> {
    match reason {
        Reason::Unspecified => None,
        Reason::InvalidCredentials => Some(LoginRefusal::InvalidCredentials),
        Reason::Disabled => Some(LoginRefusal::Disabled),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn event(what: What) -> Event {
        Event {
            account: Some(Uuid::from_u128(1)),
            actor: None,
            at: datetime!(2026-01-01 12:00:00.123456 UTC),
            origin: Origin { network: Some("192.0.2.0/24".to_owned()), user_agent: None },
            what,
        }
    }

    #[test]
    fn every_event_survives_the_way() {
        let session = Uuid::from_u128(2);
        let sessions = vec![session, Uuid::from_u128(3)];
        let mut names = std::collections::BTreeSet::new();
        for what in [
            What::Registered,
            What::LoggedIn { session, kind: SessionKind::Cookie },
            What::LoginFailed { reason: LoginRefusal::InvalidCredentials, kind: SessionKind::Token },
            What::LoginFailed { reason: LoginRefusal::Disabled, kind: SessionKind::Cookie },
            What::PasswordChanged { reset: true },
            What::IdentifierChanged,
            What::RoleChanged { from: "user".to_owned(), to: "operator".to_owned() },
            What::SessionsRevoked { sessions },
            What::Deleted,
            What::RefreshReuse { session },
        ] {
            let event = event(what);
            let written = event.outbox();
            assert_eq!(written.name, event.what.name());
            names.insert(written.name);
            assert_eq!(decode(written.payload.into()), Some((written.id, event)));
        }
        assert_eq!(names.len(), 9);
    }

    #[test]
    fn what_cannot_be_read_is_no_event() {
        let nobody = Event { account: None, actor: Some(Uuid::from_u128(9)), ..event(What::Deleted) };
        let written = nobody.outbox();
        assert_eq!(decode(written.payload.clone().into()), Some((written.id, nobody)));
        assert_eq!(decode(Bytes::from_static(b"\xff\xff")), None);
        assert_eq!(decode(Bytes::new()), None);
        assert_eq!(decode(Bytes::from(written.payload[..40].to_vec())), None);
    }
}
