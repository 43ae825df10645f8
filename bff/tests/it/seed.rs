//! `bff seed`, run beside a server that uses the same files.

use std::process::Command;

use crate::harness::{Caller, Server, TokenUser};

/// What the command printed, or its complaint.
fn seed(server: &Server, variables: &[(&str, &str)]) -> Result<String, String> {
    let folder = server.folder.path();
    let output = Command::new(env!("CARGO_BIN_EXE_bff"))
        .arg("seed")
        .current_dir(folder)
        .env("BFF__STORE__DATABASE_URL", format!("sqlite:{}", folder.join("bff.db").display()))
        .env("BFF__IDENTITY__KEY_ALGORITHMS", "ES256")
        .env("BFF__TELEMETRY__LEVEL", "off")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// The settings of production, with a first admin.
fn production([password, master_key, pepper]: &[String; 3]) -> Vec<(&str, &str)> {
    vec![
        ("BFF__ENVIRONMENT", "production"),
        ("BFF__HTTP__PUBLIC_URL", "https://api.example.com"),
        ("BFF__NOTIFY__DELIVER", "off"),
        ("BFF__IDENTITY__MASTER_KEY_FILE", master_key),
        ("BFF__IDENTITY__PEPPER_FILE", pepper),
        ("BFF__SEED__ADMIN_EMAIL", "Root@Example.com"),
        ("BFF__SEED__ADMIN_PASSWORD_FILE", password),
    ]
}

/// The path of a new file beside the server's.
fn file(server: &Server, text: &str) -> String {
    let path = server.folder.path().join("password");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The password in a new file, and the server's own two.
fn files(server: &Server, password: &str) -> [String; 3] {
    let own = |name| server.folder.path().join(name).display().to_string();
    [file(server, password), own("master.key"), own("pepper")]
}

#[tokio::test]
async fn production_starts_with_one_admin() {
    let server = Server::start().await;
    let files = files(&server, "all is quiet tonight\n");
    let settings = production(&files);
    assert_eq!(seed(&server, &settings).unwrap(), "added the first admin, root@example.com\n");
    let again = seed(&server, &settings).unwrap();
    assert_eq!(again, "the first admin, root@example.com, is there already\n");

    let admin = TokenUser::login(&server, "root@example.com", "all is quiet tonight").await;
    assert_eq!(admin.get("/v1/auth/me").await.json()["role"], "admin");
}

#[tokio::test]
async fn a_changed_setting_changes_no_account() {
    let server = Server::start().await;
    let files = files(&server, "all is quiet tonight");
    seed(&server, &production(&files)).unwrap();
    file(&server, "another sentence altogether");
    seed(&server, &production(&files)).unwrap();
    // Once the account is there, its password may be taken out of the settings.
    let without_password = &production(&files)[..6];
    seed(&server, without_password).unwrap();
    TokenUser::login(&server, "root@example.com", "all is quiet tonight").await;
}

#[tokio::test]
async fn development_has_the_demo_accounts() {
    let server = Server::start().await;
    let printed = "the demo accounts are there: user@shop.test and others, password correct-horse-battery\n";
    assert_eq!(seed(&server, &[]).unwrap(), printed);
    assert_eq!(seed(&server, &[]).unwrap(), printed);
    TokenUser::login(&server, "operator@shop.test", "correct-horse-battery").await;
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named() {
    let server = Server::start().await;
    let files = files(&server, "short");
    let settings = production(&files);
    let complaint = |settings: &[(&str, &str)]| seed(&server, settings).unwrap_err();
    assert_eq!(
        complaint(&settings[..5]),
        "seed.admin_email: production starts with a first admin; set BFF__SEED__ADMIN_EMAIL to the address, and \
         BFF__SEED__ADMIN_PASSWORD_FILE to a file with the password\n"
    );
    assert_eq!(
        complaint(&settings[..6]),
        "seed.admin_password: set BFF__SEED__ADMIN_PASSWORD_FILE to a file with the first admin's password\n"
    );
    assert_eq!(complaint(&settings), "seed.admin_password: expected 12 to 128 characters, and at most 512 bytes\n");
    let to = |email| [&settings[..5], &[("BFF__SEED__ADMIN_EMAIL", email)]].concat();
    assert_eq!(complaint(&to("root")), "seed.admin_email: `root` is not an e-mail address\n");
    assert_eq!(
        complaint(&to("user@shop.test")),
        "seed.admin_email: user@shop.test is an account with the role user, which is left as it is; name another \
         address\n"
    );
}
