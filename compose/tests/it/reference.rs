//! The reference of the language says what the code says. `UPDATE_CASES=1` writes it.

use std::path::Path;

use compose::expr::FUNCTIONS;

const START: &str = "<!-- functions -->\n";
const END: &str = "<!-- /functions -->\n";

#[test]
fn every_function_is_in_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/expressions.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(START).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let rows = FUNCTIONS.iter().map(|function| {
        let signature = function.to_string().replace('|', "\\|");
        format!("| `{signature}` | {} |\n", function.says)
    });
    let table: String =
        ["| Function | Gives |\n".to_owned(), "|---|---|\n".to_owned()].into_iter().chain(rows).collect();
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, format!("{before}{START}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "docs/expressions.md lacks what the code has: UPDATE_CASES=1 writes it");
    }
}
