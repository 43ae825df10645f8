//! Codes and what is kept of them: HMAC-SHA-256 under a pepper outside the store, because there are only a million codes.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Challenge, ChallengeId, Purpose};
use crate::identity::account::Identifier;
use crate::identity::password::Peppers;
use crate::identity::secret::Secret;

/// Six digits, zeros in front kept. No `Debug`, no `Serialize`: it leaves only where `as_str` is written.
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

/// Makes and compares what is kept of codes and identifiers.
pub struct Digester {
    peppers: Arc<Peppers>,
    identifiers: hmac::Key,
}

/// All that a code belongs to.
#[derive(Clone, Copy)]
pub struct Belonging<'a> {
    pub purpose: Purpose,
    pub identifier: &'a Identifier,
    pub challenge: &'a ChallengeId,
    pub account: Option<Uuid>,
}

impl Code {
    pub fn random() -> Self {
        loop {
            let mut bytes = Zeroizing::new([0; 4]);
            rand::fill(&mut bytes[..]).expect("the system's random generator works");
            let number = u32::from_le_bytes(*bytes);
            // What is left over at the end would make some codes likelier than others.
            if number < u32::MAX - u32::MAX % CODES {
                return Self(Zeroizing::new(format!("{:06}", number % CODES)));
            }
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const DIGITS: usize = 6;
const CODES: u32 = 1_000_000;

impl Digester {
    /// The secret, for the names of identifiers, must not be in the store either.
    pub fn new(peppers: Arc<Peppers>, secret: &Secret) -> Self {
        Self { peppers, identifiers: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) }
    }

    /// The id of the pepper for new codes.
    pub fn pepper(&self) -> [u8; 4] {
        self.peppers.current()
    }

    /// None if there is no such pepper any more.
    pub fn digest(&self, code: &Code, belonging: Belonging<'_>, pepper: [u8; 4]) -> Option<[u8; 32]> {
        let key = self.peppers.apply(&pepper, b"one-time codes")?;
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
        let (channel, identifier) = parts(belonging.identifier);
        let account = belonging.account.map(|account| account.to_string()).unwrap_or_default();
        let purpose = belonging.purpose.as_str();
        for part in [purpose, channel, identifier, belonging.challenge.as_str(), &account, code.as_str()] {
            // With its length, so that no two lists of parts are the same bytes.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        context.sign().as_ref().try_into().ok()
    }

    /// In constant time.
    pub fn is_right(&self, challenge: &Challenge, code: &Code, belonging: Belonging<'_>) -> bool {
        let digest = self.digest(code, belonging, challenge.pepper);
        digest.is_some_and(|digest| verify_slices_are_equal(&digest, &challenge.digest).is_ok())
    }

    /// Stands for an identifier where it must not be read.
    pub fn identifier(&self, identifier: &Identifier) -> String {
        let (channel, text) = parts(identifier);
        let tag = hmac::sign(&self.identifiers, format!("{channel}:{text}").as_bytes());
        URL_SAFE_NO_PAD.encode(tag)
    }
}

fn parts(identifier: &Identifier) -> (&'static str, &str) {
    match identifier {
        Identifier::Email(address) => ("email", address),
        Identifier::Phone(number) => ("sms", number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digester(peppers: &[u8]) -> Digester {
        Digester::new(Peppers::of(peppers).into(), &Secret::from_bytes(&[7; 32]).unwrap())
    }

    fn email(address: &str) -> Identifier {
        Identifier::parse(address).unwrap()
    }

    #[test]
    fn a_code_is_six_digits_and_nothing_else() {
        for right in ["000000", "000042", "999999"] {
            assert_eq!(Code::parse(right).map(|code| code.as_str().to_owned()).as_deref(), Some(right));
        }
        for wrong in ["", "42", "12345", "1234567", "12345a", " 12345", "12345\u{0661}", "-12345"] {
            assert!(Code::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn codes_are_spread_evenly_and_keep_their_zeros() {
        let mut first = [0u32; 10];
        for _ in 0..100_000 {
            let code = Code::random();
            assert!(Code::parse(code.as_str()).is_some());
            first[usize::from(code.as_str().as_bytes()[0] - b'0')] += 1;
        }
        // Ten standard deviations.
        assert!(first.iter().all(|count| (9_000..11_000).contains(count)), "{first:?}");
    }

    #[test]
    fn a_digest_is_right_for_everything_the_code_belongs_to_and_nothing_else() {
        let one = digester(&[1]);
        let pepper = one.pepper();
        let (ada, bob) = (email("ada@shop.test"), email("bob@shop.test"));
        let [id, other_id] = [(); 2].map(|()| ChallengeId::random(Purpose::Register));
        let code = Code::parse("000042").unwrap();
        let right = Belonging { purpose: Purpose::Register, identifier: &ada, challenge: &id, account: None };
        let digest = one.digest(&code, right, pepper);
        assert!(digest.is_some());
        let wrong = [
            Belonging { purpose: Purpose::ResetPassword, ..right },
            Belonging { identifier: &bob, ..right },
            Belonging { challenge: &other_id, ..right },
            Belonging { account: Some(Uuid::from_u128(1)), ..right },
        ];
        assert!(wrong.iter().all(|other| one.digest(&code, *other, pepper) != digest));
        assert_ne!(one.digest(&Code::parse("000043").unwrap(), right, pepper), digest);
        let rotated = digester(&[2, 1]);
        assert_eq!(rotated.digest(&code, right, pepper), digest, "an old pepper is still known");
        assert_ne!(rotated.digest(&code, right, rotated.pepper()), digest);
        assert_eq!(digester(&[2]).digest(&code, right, pepper), None, "until it is taken away");
    }

    #[test]
    fn an_identifier_s_name_tells_nothing_without_the_secret() {
        let name = digester(&[1]).identifier(&email("ada@shop.test"));
        assert_eq!(name, digester(&[2]).identifier(&email("Ada@shop.test")), "whatever the pepper and the spelling");
        let other = Digester::new(Peppers::of(&[1]).into(), &Secret::from_bytes(&[8; 32]).unwrap());
        assert_ne!(name, other.identifier(&email("ada@shop.test")));
    }
}
