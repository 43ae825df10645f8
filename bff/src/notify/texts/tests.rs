use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::notify::{Channel, CodePurpose};

const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);
const PURPOSES: [CodePurpose; 5] = [
    CodePurpose::Register,
    CodePurpose::ResetPassword,
    CodePurpose::VerifyEmail,
    CodePurpose::VerifyPhone,
    CodePurpose::StepUp,
];

fn message(template: Template, locale: &str) -> Message {
    Message {
        id: Uuid::nil(),
        channel: Channel::Email,
        to: "ada@shop.test".to_owned(),
        template,
        locale: Some(locale.to_owned()),
        expires_at: NOON + time::Duration::minutes(10),
    }
}

fn templates() -> Vec<Template> {
    let codes = PURPOSES.map(|purpose| Template::Code { purpose, code: "012345".into() });
    let notices = [
        Template::AlreadyRegistered,
        Template::PasswordChanged,
        Template::IdentifierChanged,
        Template::AccountDeleted,
        Template::SessionsRevoked,
    ];
    codes.into_iter().chain(notices).collect()
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) {
    fs::write(folder.path().join(name), text).unwrap();
}

#[test]
fn every_message_can_be_said_in_every_language() {
    let texts = Texts::load(None, "Shop & Söhne").unwrap();
    assert_eq!(templates().iter().map(Template::name).collect::<Vec<_>>(), NAMES);
    let mut subjects = std::collections::BTreeSet::new();
    for (language, _) in LANGUAGES {
        assert_eq!(texts.languages[language].len(), NAMES.len(), "{language}");
        for template in templates() {
            let is_code = matches!(template, Template::Code { .. });
            let message = message(template, language);
            let email = texts.email(&message, NOON, NOON);
            let sms = texts.sms(&message, NOON, NOON);
            let name = message.template.name();
            for text in [&email.text, &email.html, &sms] {
                assert_eq!(text.matches("012345").count(), usize::from(is_code), "{language} {name}: {text}");
            }
            for text in [&email.subject, &email.text, &sms] {
                assert!(text.contains("Shop & Söhne") || *text == email.text, "{language} {name}: {text}");
                assert!(!text.contains(['{', '}']), "{language} {name}: {text}");
            }
            assert!(email.html.contains(&format!("<html lang=\"{language}\">")), "{}", email.html);
            assert!(email.html.contains("Shop &amp; Söhne"), "{}", email.html);
            assert!(!email.subject.contains("012345"));
            // Two messages' worth where letters take two bytes.
            assert!(sms.chars().count() <= 134, "{language} {name}: {sms}");
            assert!(subjects.insert((language, email.subject)), "{language} {name}: its subject is another's");
        }
    }
}

#[test]
fn a_language_is_chosen_by_what_the_receiver_wants() {
    let texts = Texts::load(None, "Shop").unwrap();
    let language = |locale: &str| texts.text(&message(Template::PasswordChanged, locale)).0.to_owned();
    for (wanted, chosen) in [
        ("ru", "ru"),
        ("kk-KZ", "kk"),
        ("de-CH, fr-CH;q=0.9, en;q=0.8", "fr"),
        ("zh-Hans-CN", "zh"),
        ("de", "en"),
        ("", "en"),
        ("../../etc", "en"),
    ] {
        assert_eq!(language(wanted), chosen, "{wanted}");
    }
}

#[test]
fn values_are_escaped_where_they_stand() {
    let site = "<script>alert(\"{code}\")</script> & 'co'";
    let texts = Texts::load(None, site).unwrap();
    let code = Template::Code { purpose: CodePurpose::Register, code: "012345".into() };
    let email = texts.email(&message(code, "en"), NOON, NOON);
    assert_eq!(email.subject, format!("Your code for {site}"));
    assert!(email.text.contains(site), "{}", email.text);
    assert!(!email.html.contains("<script>"), "{}", email.html);
    assert!(email.html.contains("&lt;script&gt;alert(&quot;{code}&quot;)&lt;/script&gt; &amp; &#39;co&#39;"));
    assert_eq!(email.html.matches("012345").count(), 1, "a value is no text with values");
}

#[test]
fn the_time_that_is_left_is_told() {
    let texts = Texts::load(None, "Shop").unwrap();
    let code = || Template::Code { purpose: CodePurpose::Register, code: "012345".into() };
    let sms = |late: time::Duration| texts.sms(&message(code(), "en"), NOON, NOON + late);
    assert!(sms(time::Duration::ZERO).contains("valid for 10 min"));
    assert!(sms(time::Duration::seconds(150)).contains("valid for 7 min"));
    assert!(sms(time::Duration::seconds(599)).contains("valid for 1 min"));
    let email = texts.email(&message(Template::PasswordChanged, "en"), NOON, NOON + time::Duration::HOUR);
    assert!(email.text.contains("was changed at 2026-01-01 12:00 UTC."), "{}", email.text);
}

#[test]
fn a_folder_changes_and_adds() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder, "en.toml", "[register]\nsubject = 'Welcome to {site}'");
    file(&folder, "de.toml", "[register]\nsubject = 'Ihr Code'\ntext = 'Der Code: {code}'\nsms = '{code}'");
    file(&folder, "layout.html", "<p>{lang}{paragraphs}</p>");
    let texts = Texts::load(Some(folder.path()), "Shop").unwrap();
    let code = || Template::Code { purpose: CodePurpose::Register, code: "012345".into() };
    let english = texts.email(&message(code(), "en"), NOON, NOON);
    assert_eq!(english.subject, "Welcome to Shop");
    assert!(english.text.starts_with("Your code to create an account at Shop:"), "{}", english.text);
    let german = texts.email(&message(code(), "de-AT"), NOON, NOON);
    assert_eq!(
        (german.text.as_str(), german.html.as_str()),
        ("Der Code: 012345", "<p>de<p>Der Code: 012345</p>\n</p>")
    );
    let other = texts.email(&message(Template::PasswordChanged, "de"), NOON, NOON);
    assert_eq!(other.subject, "Your password for Shop was changed", "what German lacks is said in English");
}

#[test]
fn every_problem_of_a_folder_is_told() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder, "de.toml", "[register]\nsubject = 'Code {code}'\ntext = 'Hallo {name}'\n[welcome]\nsubject = 'x'");
    file(&folder, "en.toml", "[register]\nsubjet = 'x'");
    file(&folder, "fr.toml", "[password-changed]\nsms = '{code}'\nsubject = \"a\\nb\"");
    file(&folder, "layout.html", "{text}");
    file(&folder, "notes.txt", "");
    let problems = Texts::load(Some(folder.path()), "Shop").err().unwrap();
    let problems: Vec<String> =
        problems.iter().map(|problem| problem.replace(&format!("{}/", folder.path().display()), "")).collect();
    assert_eq!(
        problems,
        [
            "de.toml: register.subject: must not have {code}: lists and locked screens show it",
            "de.toml: register.text: there is no value {name}; there are: site, code, minutes, time",
            "de.toml: register.text: needs {code}",
            "de.toml: register.sms: is missing",
            "de.toml: register.sms: needs {code}",
            "de.toml: there is no message `welcome`; there are: register, reset-password, verify-email, verify-phone, \
             step-up, already-registered, password-changed, identifier-changed, account-deleted, sessions-revoked",
            "en.toml: unknown field `subjet`, expected one of `subject`, `text`, `sms`",
            "fr.toml: password-changed.sms: has no {code}",
            "fr.toml: password-changed.subject: must be one line",
            "notes.txt: expected LANGUAGE.toml or layout.html",
            "layout.html: there is no value {text}; there are: lang, subject, paragraphs, site",
        ]
    );
    let away = Texts::load(Some(Path::new("/away")), "Shop").err().unwrap();
    assert_eq!(away, ["notify.templates: cannot read /away: No such file or directory (os error 2)"]);
}
