//! Ids of challenges: 128 random bits behind a word that says for what, so that none is taken for another.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// What a code is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    Register,
    ResetPassword,
    VerifyEmail,
    VerifyPhone,
}

/// `reg_` and 22 letters of base64url, or another prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChallengeId(String);

impl Purpose {
    pub const ALL: [Self; 4] = [Self::Register, Self::ResetPassword, Self::VerifyEmail, Self::VerifyPhone];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::ResetPassword => "reset-password",
            Self::VerifyEmail => "verify-email",
            Self::VerifyPhone => "verify-phone",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Register => "reg_",
            Self::ResetPassword => "rst_",
            Self::VerifyEmail => "vem_",
            Self::VerifyPhone => "vph_",
        }
    }
}

impl ChallengeId {
    pub fn random(purpose: Purpose) -> Self {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).expect("the system's random generator works");
        Self(format!("{}{}", purpose.prefix(), URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// None for the id of another purpose, and for every other text.
    pub fn parse(text: &str, purpose: Purpose) -> Option<Self> {
        let random = text.strip_prefix(purpose.prefix())?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (random.len() == RANDOM_CHARS && random.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 128 bits in base64.
const RANDOM_CHARS: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_for_its_own_purpose_alone() {
        for purpose in Purpose::ALL {
            let id = ChallengeId::random(purpose);
            for other in Purpose::ALL {
                assert_eq!(ChallengeId::parse(id.as_str(), other).is_some(), other == purpose);
            }
            assert_ne!(id, ChallengeId::random(purpose));
        }
        let id = ChallengeId::random(Purpose::Register).0;
        for wrong in [&id[..25], &format!("{id}A"), &id.replace("reg_", ""), &format!("{}.", &id[..25]), ""] {
            assert!(ChallengeId::parse(wrong, Purpose::Register).is_none(), "{wrong}");
        }
    }
}
