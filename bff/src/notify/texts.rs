//! What messages say: a file for each language, in the binary; a configured folder changes and adds.
//!
//! A text that lacks its code, or names a value that there is not, is found at start, not when somebody waits for it.

mod locale;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use secrecy::ExposeSecret;
use serde::Deserialize;
use time::OffsetDateTime;
use time::macros::format_description;

use super::message::{Message, Template};

/// Every text in every language.
pub struct Texts {
    languages: BTreeMap<String, Language>,
    layout: String,
    site: String,
}

type Language = BTreeMap<String, Text>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Text {
    subject: String,
    text: String,
    sms: String,
}

pub struct Email {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// By the name of their template.
pub const NAMES: [&str; 10] = [
    "register",
    "reset-password",
    "verify-email",
    "verify-phone",
    "step-up",
    "already-registered",
    "password-changed",
    "identifier-changed",
    "account-deleted",
    "sessions-revoked",
];

const FALLBACK: &str = "en";
const LANGUAGES: [(&str, &str); 6] = [
    ("en", include_str!("../../templates/en.toml")),
    ("fr", include_str!("../../templates/fr.toml")),
    ("kk", include_str!("../../templates/kk.toml")),
    ("ko", include_str!("../../templates/ko.toml")),
    ("ru", include_str!("../../templates/ru.toml")),
    ("zh", include_str!("../../templates/zh.toml")),
];
const LAYOUT: &str = include_str!("../../templates/layout.html");
const VALUES: [&str; 4] = ["site", "code", "minutes", "time"];
const LAYOUT_VALUES: [&str; 4] = ["lang", "subject", "paragraphs", "site"];
const MAX_FILES: usize = 100;
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// A value and where it stands.
struct Values<'a> {
    site: &'a str,
    code: &'a str,
    minutes: String,
    time: String,
}

impl Texts {
    /// The texts in the binary with those of the folder over them, or every problem of the folder's.
    pub fn load(folder: Option<&Path>, site: &str) -> Result<Self, Vec<String>> {
        let mut texts = Self { languages: BTreeMap::new(), layout: LAYOUT.to_owned(), site: site.to_owned() };
        let mut problems = Vec::new();
        for (language, file) in LANGUAGES {
            problems.extend(texts.add(language, file, language));
        }
        if let Some(folder) = folder {
            problems.extend(texts.add_folder(folder));
        }
        problems.extend(wrong_values("layout.html", &texts.layout, &LAYOUT_VALUES));
        if problems.is_empty() { Ok(texts) } else { Err(problems) }
    }

    pub fn email(&self, message: &Message, queued_at: OffsetDateTime, now: OffsetDateTime) -> Email {
        let (language, text) = self.text(message);
        let values = self.values(message, queued_at, now);
        let subject = values.fill(&text.subject, str::to_owned);
        let paragraphs = text.text.trim().split("\n\n").map(paragraph).collect::<String>();
        let html = replace(&self.layout, |name| match name {
            "lang" => language.to_owned(),
            "subject" => escaped(&subject),
            "site" => escaped(&self.site),
            _ => values.fill(&paragraphs, escaped),
        });
        Email { subject, text: values.fill(text.text.trim_start(), str::to_owned), html }
    }

    pub fn sms(&self, message: &Message, queued_at: OffsetDateTime, now: OffsetDateTime) -> String {
        self.values(message, queued_at, now).fill(&self.text(message).1.sms, str::to_owned)
    }

    /// In the first language that the receiver wants and that has it; English has everything.
    fn text(&self, message: &Message) -> (&str, &Text) {
        let name = message.template.name();
        let wanted = locale::wanted(message.locale.as_deref().unwrap_or_default());
        let known = wanted.iter().map(String::as_str).chain([FALLBACK]).find_map(|language| {
            let (language, texts) = self.languages.get_key_value(language)?;
            Some((language.as_str(), texts.get(name)?))
        });
        known.expect("`load` has found every text in English")
    }

    fn values<'a>(&'a self, message: &'a Message, queued_at: OffsetDateTime, now: OffsetDateTime) -> Values<'a> {
        let code = match &message.template {
            Template::Code { code, .. } => code.expose_secret(),
            _ => "",
        };
        let minutes = (message.expires_at - now).whole_minutes().max(1).to_string();
        let time = queued_at.to_offset(time::UtcOffset::UTC);
        let time = time.format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC"));
        Values { site: &self.site, code, minutes, time: time.unwrap_or_default() }
    }

    fn add_folder(&mut self, folder: &Path) -> Vec<String> {
        let cannot =
            |path: &Path, error: &std::io::Error| format!("notify.templates: cannot read {}: {error}", path.display());
        let mut paths: Vec<_> = match fs::read_dir(folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) => return vec![cannot(folder, &error)],
        };
        paths.sort();
        let mut problems = Vec::new();
        for path in paths.iter().take(MAX_FILES) {
            let read = match fs::metadata(path) {
                Ok(about) if about.len() > MAX_FILE_BYTES => Err(std::io::Error::other("larger than 256 KiB")),
                about => about.and_then(|_| fs::read_to_string(path)),
            };
            let place = path.display().to_string();
            match (path.file_name().and_then(|name| name.to_str()), path.extension().and_then(|name| name.to_str())) {
                (Some("layout.html"), _) => match read {
                    Ok(layout) => self.layout = layout,
                    Err(error) => problems.push(cannot(path, &error)),
                },
                (Some(name), Some("toml")) => match read {
                    Ok(file) => problems.extend(self.add(name.trim_end_matches(".toml"), &file, &place)),
                    Err(error) => problems.push(cannot(path, &error)),
                },
                _ => problems.push(format!("{place}: expected LANGUAGE.toml or layout.html")),
            }
        }
        problems
    }

    /// What a file leaves out stays as it was.
    fn add(&mut self, language: &str, file: &str, place: &str) -> Vec<String> {
        let parsed: Result<BTreeMap<String, Text>, _> = toml::from_str(file);
        let added = match parsed {
            Ok(added) => added,
            Err(error) => return vec![format!("{place}: {}", error.message())],
        };
        let texts = self.languages.entry(language.to_lowercase()).or_default();
        let mut problems = Vec::new();
        for (name, added) in added {
            if !NAMES.contains(&name.as_str()) {
                problems.push(format!("{place}: there is no message `{name}`; there are: {}", NAMES.join(", ")));
                continue;
            }
            let text = texts.entry(name.clone()).or_default();
            text.take(added);
            problems.extend(text.problems(&name).into_iter().map(|problem| format!("{place}: {name}.{problem}")));
        }
        problems
    }
}

impl Text {
    fn take(&mut self, over: Self) {
        for (under, over) in [(&mut self.subject, over.subject), (&mut self.text, over.text), (&mut self.sms, over.sms)]
        {
            if !over.is_empty() {
                *under = over;
            }
        }
    }

    fn problems(&self, name: &str) -> Vec<String> {
        let is_code = NAMES[..5].contains(&name);
        let mut problems = Vec::new();
        for (part, text) in [("subject", &self.subject), ("text", &self.text), ("sms", &self.sms)] {
            problems.extend(wrong_values(part, text, &VALUES));
            if text.trim().is_empty() {
                problems.push(format!("{part}: is missing"));
            }
            let has_code = text.contains("{code}");
            if part == "subject" && has_code {
                problems.push("subject: must not have {code}: lists and locked screens show it".to_owned());
            } else if part != "subject" && is_code != has_code {
                problems.push(format!("{part}: {} {{code}}", if is_code { "needs" } else { "has no" }));
            }
        }
        if self.subject.chars().any(char::is_control) {
            problems.push("subject: must be one line".to_owned());
        }
        problems
    }
}

impl Values<'_> {
    fn fill(&self, text: &str, escape: impl Fn(&str) -> String) -> String {
        replace(text, |name| match name {
            "site" => escape(self.site),
            "code" => escape(self.code),
            "minutes" => escape(&self.minutes),
            _ => escape(&self.time),
        })
    }
}

/// A paragraph that is the code alone is easy to find.
fn paragraph(text: &str) -> String {
    let style = if text.trim() == "{code}" { " style=\"font-size:28px;letter-spacing:4px\"" } else { "" };
    format!("<p{style}>{}</p>\n", escaped(text.trim()).replace('\n', "<br>\n"))
}

/// Every `{name}` replaced by its value; what a value has of braces stays as it is.
fn replace(text: &str, value: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            let _ = write!(filled, "{{{after}");
            return filled;
        };
        filled.push_str(&value(name));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn wrong_values(part: &str, text: &str, known: &[&str]) -> Vec<String> {
    let names = text.split('{').skip(1).map(|rest| rest.split_once('}').map_or(rest, |(name, _)| name));
    let wrong = names.filter(|name| !known.contains(name));
    wrong.map(|name| format!("{part}: there is no value {{{name}}}; there are: {}", known.join(", "))).collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
