//! The algorithms that a key of ours may have: asymmetric only, so that whoever verifies cannot sign.

use std::str::FromStr;

use jsonwebtoken::Algorithm;
use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SigningAlgorithm {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Es256, Self::Rs256, Self::Ps256, Self::EdDsa].into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

impl FromStr for SigningAlgorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::from_name(name).ok_or_else(|| "there are: ES256, RS256, PS256, EdDSA".to_owned())
    }
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::Es256 => Self::ES256,
            SigningAlgorithm::Rs256 => Self::RS256,
            SigningAlgorithm::Ps256 => Self::PS256,
            SigningAlgorithm::EdDsa => Self::EdDSA,
        }
    }
}
