use super::*;
use crate::identity::secret::Secret;

const NOON: OffsetDateTime = time::macros::datetime!(2026-01-01 12:00 UTC);

fn account() -> Account {
    Account {
        id: Uuid::nil(),
        email: None,
        email_verified_at: None,
        phone: None,
        phone_verified_at: None,
        password_hash: None,
        name: "Ada".to_owned(),
        locale: None,
        role: "user".to_owned(),
        auth_version: 1,
        credentials_changed_at: NOON,
        created_at: NOON,
        disabled_at: None,
        deleted_at: None,
    }
}

fn started(kind: SessionKind, role: Role) -> (Session, RefreshToken) {
    let secret = Secret::random();
    let session = begin(&Rules::default(), &account(), role, kind, secret.hash(), &Client::default(), NOON);
    let token = RefreshToken { session: session.id, generation: 0, secret };
    (session, token)
}

fn use_at(session: &Session, token: &RefreshToken, after: Duration) -> Refresh {
    refresh(&Rules::default(), session, token, Secret::random(), Role::User, NOON + after)
}

fn rotated(session: &Session, token: &RefreshToken, after: Duration) -> (Session, RefreshToken) {
    match use_at(session, token, after) {
        Refresh::Rotated(session, token) => (session, token),
        _ => panic!("expected a rotation"),
    }
}

#[test]
fn a_token_is_spelled_one_way() {
    let (_, token) = started(SessionKind::Token, Role::User);
    let text = token.encode();
    assert_eq!(RefreshToken::parse(&text).map(|token| token.encode()), Some(text.clone()));
    for other in
        [text.replace("rt1.", "rt2."), text.replace(".0.", ".00."), text.replace(".0.", ".+0."), text.to_uppercase()]
    {
        assert!(RefreshToken::parse(&other).is_none(), "{other}");
    }
    assert!(RefreshToken::parse(&format!("{text}.x")).is_none());
}

#[test]
fn within_the_grace_the_predecessor_gets_the_same_successor() {
    let (session, first) = started(SessionKind::Token, Role::User);
    let (session, second) = rotated(&session, &first, Duration::HOUR);
    let Refresh::Repeated(again) = use_at(&session, &first, Duration::HOUR + Duration::seconds(30)) else {
        panic!("expected the same successor")
    };
    assert_eq!(again.encode(), second.encode());
}

#[test]
fn any_other_second_use_ends_the_session() {
    let (session, first) = started(SessionKind::Token, Role::User);
    let (session, second) = rotated(&session, &first, Duration::HOUR);
    let late = Duration::HOUR + Duration::seconds(31);
    assert!(matches!(use_at(&session, &first, late), Refresh::Reused(ended) if ended.revoked_at == Some(NOON + late)));

    let (session, _third) = rotated(&session, &second, Duration::HOUR);
    assert!(matches!(use_at(&session, &first, Duration::HOUR), Refresh::Reused(_)));

    let forged = RefreshToken { secret: Secret::random(), ..second };
    assert!(matches!(use_at(&session, &forged, Duration::HOUR), Refresh::Reused(_)));
}

#[test]
fn a_revoked_session_and_a_cookie_have_nothing_to_refresh() {
    let (session, token) = started(SessionKind::Token, Role::User);
    let revoked = revoke(&session, NOON).unwrap();
    assert!(matches!(use_at(&revoked, &token, Duration::ZERO), Refresh::Ended));
    assert!(revoke(&revoked, NOON).is_none());

    let (session, token) = started(SessionKind::Cookie, Role::User);
    assert!(matches!(use_at(&session, &token, Duration::ZERO), Refresh::Ended));
}

#[test]
fn use_renews_the_idle_end_and_never_the_absolute_one() {
    let (mut session, mut token) = started(SessionKind::Token, Role::User);
    let end = session.absolute_expires_at;
    assert_eq!((session.idle_expires_at - NOON, end - NOON), (Duration::days(30), Duration::days(90)));
    for day in [29, 58, 87] {
        (session, token) = rotated(&session, &token, Duration::days(day));
        assert_eq!(session.absolute_expires_at, end);
    }
    assert_eq!(session.idle_expires_at, end);
    assert!(matches!(use_at(&session, &token, Duration::days(90)), Refresh::Ended));
}

#[test]
fn an_unused_session_ends() {
    let (session, token) = started(SessionKind::Token, Role::User);
    assert!(matches!(use_at(&session, &token, Duration::days(30)), Refresh::Ended));

    let (session, _) = started(SessionKind::Cookie, Role::Admin);
    assert!(is_live(&session, &account(), NOON + Duration::minutes(29)));
    assert!(!is_live(&session, &account(), NOON + Duration::minutes(30)));
    let rules = Rules::default();
    assert!(touch(&rules, &session, Role::Admin, NOON + Duration::seconds(59)).is_none());
    let touched = touch(&rules, &session, Role::Admin, NOON + Duration::minutes(29)).unwrap();
    assert!(is_live(&touched, &account(), NOON + Duration::minutes(58)));
}

#[test]
fn a_change_of_the_account_ends_its_sessions() {
    let (session, _) = started(SessionKind::Cookie, Role::User);
    assert!(is_live(&session, &account(), NOON));
    for changed in [
        Account { auth_version: 2, ..account() },
        Account { disabled_at: Some(NOON), ..account() },
        Account { deleted_at: Some(NOON), ..account() },
    ] {
        assert!(!is_live(&session, &changed, NOON));
    }
}

#[test]
fn only_the_network_is_remembered() {
    assert_eq!(network("203.0.113.77".parse().unwrap()), "203.0.113.0/24");
    assert_eq!(network("::ffff:203.0.113.77".parse().unwrap()), "203.0.113.0/24");
    assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap()), "2001:db8:1::/48");
}
