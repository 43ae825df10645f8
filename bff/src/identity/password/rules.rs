//! What a new password must not be: short, among those that everybody tries first, or made of what everybody knows of
//! its owner. Nothing is asked of its letters.

use std::cmp::Ordering;

use super::MAX_PASSWORD_BYTES;

/// Why a new password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("expected {MIN_CHARS} to {MAX_CHARS} characters, and at most {MAX_PASSWORD_BYTES} bytes")]
    Length,
    #[error("this password is among those that are tried first; choose another")]
    Common,
    #[error("this password is little more than a name or an address that belongs to the account; choose another")]
    Context,
    /// A change would end every other session for nothing.
    #[error("this is the current password; choose another")]
    Same,
}

const MIN_CHARS: usize = 12;
const MAX_CHARS: usize = 128;

/// In lower case, sorted by their bytes. From Django 5.2, `django/contrib/auth/common-passwords.txt.gz`, a list by
/// Royce Williams: BSD-3-Clause, see `common.license`.
static COMMON: &str = include_str!("common.txt");

/// `context` is what others know of the owner and the place: names, addresses.
pub fn check(password: &str, context: &[&str]) -> Result<(), Unfit> {
    let chars = password.chars().take(MAX_CHARS + 1).count();
    if !(MIN_CHARS..=MAX_CHARS).contains(&chars) || password.len() > MAX_PASSWORD_BYTES {
        return Err(Unfit::Length);
    }
    let password = password.to_lowercase();
    if is_common(&password) || is_common(core(&password)) || is_common(unit(core(&password))) || is_monotone(&password)
    {
        return Err(Unfit::Common);
    }
    if is_context(&password, context) { Err(Unfit::Context) } else { Ok(()) }
}

/// `password` of `!password2026`: what people put around a word to make it long.
fn core(password: &str) -> &str {
    password.trim_matches(|c: char| !c.is_alphabetic())
}

/// `abc` of `abcabcabc`: what the whole repeats, or all of it.
fn unit(text: &str) -> &str {
    let whole = |length: &usize| text.is_char_boundary(*length) && text.len().is_multiple_of(*length);
    let repeats = |length: &usize| text.as_bytes().chunks(*length).all(|part| part == &text.as_bytes()[..*length]);
    (1..text.len()).filter(whole).find(repeats).map_or(text, |length| &text[..length])
}

/// The same character, or the next one, all the way: `aaaaaaaaaaaa`, `123456789012`.
fn is_monotone(text: &str) -> bool {
    let step = |(a, b): (char, char)| if (a, b) == ('9', '0') { 1 } else { i64::from(b as u32) - i64::from(a as u32) };
    let mut steps = text.chars().zip(text.chars().skip(1)).map(step);
    let first = steps.next().unwrap_or_default();
    (-1..=1).contains(&first) && steps.all(|step| step == first)
}

fn is_common(text: &str) -> bool {
    let (list, text) = (COMMON.as_bytes(), text.as_bytes());
    let (mut low, mut high) = (0, list.len());
    while low < high {
        let middle = (low + high) / 2;
        let start = list[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let length = list[start..].iter().position(|byte| *byte == b'\n').unwrap_or(list.len() - start);
        match list[start..start + length].cmp(text) {
            Ordering::Equal => return true,
            Ordering::Less => low = start + length + 1,
            Ordering::Greater => high = start,
        }
    }
    false
}

/// Shorter words stand in too many others.
const MIN_WORD_CHARS: usize = 3;
/// So many letters of its own make a password more than the words in it.
const OWN_LETTERS: usize = 5;

fn is_context(password: &str, context: &[&str]) -> bool {
    let mut words: Vec<String> = context.iter().flat_map(|text| words(text)).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let rest = words.iter().fold(password.to_owned(), |rest, word| rest.replace(word.as_str(), " "));
    rest != password && rest.chars().filter(|c| c.is_alphabetic()).count() < OWN_LETTERS
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let text = text.to_lowercase();
    let words: Vec<String> = text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect();
    words.into_iter().filter(|word| word.chars().count() >= MIN_WORD_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_long_and_can_be_searched() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() >= 10_000);
        assert!(lines.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()));
        assert!(lines.iter().all(|line| is_common(line)));
        for text in ["", "\n", "correct-horse-battery", "password\n", "zzzzzzzzzzzzzzzzzzzzzz", "!"] {
            assert_eq!(is_common(text), lines.contains(&text), "{text:?}");
        }
    }

    #[test]
    fn a_length_counts_characters_and_bytes() {
        for fits in ["correct-horse", "äöüßäöüßqwvz", &"ab cd".repeat(25), &"😀x".repeat(51)] {
            assert_eq!(check(fits, &[]), Ok(()), "{fits}");
        }
        for wrong in ["", "short", "elevenchars", &"ab cd".repeat(26), &"😀x🦀".repeat(60)] {
            assert_eq!(check(wrong, &[]), Err(Unfit::Length), "{wrong}");
        }
    }

    #[test]
    fn what_everybody_tries_first_is_refused_however_it_is_dressed_up() {
        for common in [
            "password1234",
            "!!PassWord!2026",
            "passwordpassword",
            "qwertyqwerty",
            "iloveyou1990",
            "123456789012",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "abcdefghijkl",
        ] {
            assert_eq!(check(common, &[]), Err(Unfit::Common), "{common}");
        }
    }

    #[test]
    fn words_that_belong_to_the_account_are_no_password() {
        let context = ["Ada Lovelace", "ada.king@shop.test", "bff"];
        for unfit in ["lovelace1815", "AdaLovelace!", "shop.test-2026", "ada-king-lovelace"] {
            assert_eq!(check(unfit, &context), Err(Unfit::Context), "{unfit}");
        }
        for fit in ["lovelace wrote the first program", "correct-horse-battery", "shopping on tuesday"] {
            assert_eq!(check(fit, &context), Ok(()), "{fit}");
        }
    }
}
