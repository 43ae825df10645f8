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
        Refresh::Rotated(session, token) => (*session, token),
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
    assert!(matches!(use_at(&session, &first, late), Refresh::Reused));

    let (session, _third) = rotated(&session, &second, Duration::HOUR);
    assert!(matches!(use_at(&session, &first, Duration::HOUR), Refresh::Reused));

    let forged = RefreshToken { secret: Secret::random(), ..second };
    assert!(matches!(use_at(&session, &forged, Duration::HOUR), Refresh::Reused));
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

/// What the rules come to, said without secrets: which generation a token is, and which is current.
struct Model {
    current: u32,
    rotated_at: Option<Duration>,
    alive: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Rotated,
    Repeated,
    Reused,
    Ended,
}

impl Model {
    fn present(&mut self, generation: u32, forged: bool, now: Duration) -> Outcome {
        let grace = |at: Duration| now <= at + Duration::seconds(30);
        match (self.alive, forged) {
            (false, _) => Outcome::Ended,
            (true, false) if generation == self.current => {
                (self.current, self.rotated_at) = (generation + 1, Some(now));
                Outcome::Rotated
            }
            (true, false) if generation + 1 == self.current && self.rotated_at.is_some_and(grace) => Outcome::Repeated,
            (true, _) => {
                self.alive = false;
                Outcome::Reused
            }
        }
    }
}

/// Always the same numbers, so that a failure can be seen again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Shows a token of some generation, mostly a late one, now and then with a made-up secret.
fn shown(dice: &mut Dice, tokens: &[RefreshToken]) -> (RefreshToken, bool) {
    let back = usize::try_from(dice.below(20).saturating_sub(16)).unwrap().min(tokens.len() - 1);
    let token = &tokens[tokens.len() - 1 - back];
    let forged = dice.below(40) == 0;
    let secret = if forged { Secret::random() } else { token.secret.clone() };
    (RefreshToken { session: token.session, generation: token.generation, secret }, forged)
}

#[test]
fn every_history_of_refreshes_ends_as_the_model_says() {
    let mut dice = Dice(7);
    let mut seen = [0; 4];
    for _ in 0..500 {
        let (mut session, first) = started(SessionKind::Token, Role::User);
        let (mut tokens, mut now, absolute) = (vec![first], Duration::ZERO, session.absolute_expires_at);
        let mut model = Model { current: 0, rotated_at: None, alive: true };
        for _ in 0..20 {
            now += Duration::seconds(i64::try_from(dice.below(25)).unwrap());
            let (token, forged) = shown(&mut dice, &tokens);
            let outcome = match use_at(&session, &token, now) {
                Refresh::Rotated(next, successor) => {
                    assert_eq!((next.absolute_expires_at, next.generation), (absolute, token.generation + 1));
                    session = *next;
                    tokens.push(successor);
                    Outcome::Rotated
                }
                Refresh::Repeated(successor) => {
                    assert_eq!(successor.encode(), tokens.last().unwrap().encode());
                    Outcome::Repeated
                }
                Refresh::Reused => {
                    session = revoke(&session, NOON + now).unwrap();
                    Outcome::Reused
                }
                Refresh::Ended => Outcome::Ended,
            };
            let expected = model.present(token.generation, forged, now);
            assert_eq!(outcome, expected, "generation {} of {} at {now}", token.generation, model.current);
            seen[expected as usize] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times > 100), "every outcome was met: {seen:?}");
}
