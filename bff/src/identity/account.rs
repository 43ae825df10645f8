//! How people name their accounts: an e-mail address or a phone number, in one normal form each.

/// Equal identifiers are equal text, however they were typed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// Lower case, with an ASCII domain.
    Email(String),
    /// E.164.
    Phone(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an e-mail address or a phone number like +15550100001")]
pub struct InvalidIdentifier;

impl Identifier {
    pub fn parse(text: &str) -> Result<Self, InvalidIdentifier> {
        let text = text.trim();
        if text.len() > MAX_EMAIL_BYTES {
            return Err(InvalidIdentifier);
        }
        let parsed = if text.starts_with('+') { phone(text).map(Self::Phone) } else { email(text).map(Self::Email) };
        parsed.ok_or(InvalidIdentifier)
    }

    pub fn as_str(&self) -> &str {
        let (Self::Email(text) | Self::Phone(text)) = self;
        text
    }
}

const MAX_EMAIL_BYTES: usize = 254;
const MAX_LOCAL_PART_BYTES: usize = 64;

fn email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    // A dot-atom (RFC 5322), with letters of any alphabet (RFC 6531).
    let allowed = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(allowed);
    if local.len() > MAX_LOCAL_PART_BYTES || !local.split('.').all(is_atom) {
        return None;
    }
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let email = format!("{}@{domain}", local.to_lowercase());
    (domain.contains('.') && email.len() <= MAX_EMAIL_BYTES).then_some(email)
}

fn phone(text: &str) -> Option<String> {
    let typed = text.strip_prefix('+')?;
    let digits: String = typed.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    let number = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    (number && (8..=15).contains(&digits.len())).then(|| format!("+{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> Option<String> {
        match Identifier::parse(text) {
            Ok(Identifier::Email(text) | Identifier::Phone(text)) => Some(text),
            Err(InvalidIdentifier) => None,
        }
    }

    #[test]
    fn one_normal_form_each() {
        assert_eq!(normal(" User@Shop.TEST ").as_deref(), Some("user@shop.test"));
        assert_eq!(normal("frau@Bücher.example").as_deref(), Some("frau@xn--bcher-kva.example"));
        assert_eq!(normal("o'neil.x+bff@shop.test").as_deref(), Some("o'neil.x+bff@shop.test"));
        assert_eq!(normal("+1 (555) 010-0001").as_deref(), Some("+15550100001"));
    }

    #[test]
    fn what_is_neither_is_refused() {
        let long = format!("{}@shop.test", "a".repeat(65));
        for text in
            ["a..b@shop.test", ".a@shop.test", "a.@shop.test", "\"a\"@shop.test", "a<b@shop.test", "a,b@shop.test"]
        {
            assert_eq!(normal(text), None, "{text}");
        }
        for text in ["", "user", "@shop.test", "user@", "user@localhost", "a b@shop.test", "a@b@shop.test"] {
            assert_eq!(normal(text), None, "{text}");
        }
        for text in ["+", "+123", "+1555010000112345", "+01234567890", "+1555o100001", "15550100001", &long] {
            assert_eq!(normal(text), None, "{text}");
        }
    }
}
