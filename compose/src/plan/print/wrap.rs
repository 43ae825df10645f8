//! Lines of a terminal.

const WIDTH: usize = 100;

/// The text behind `indent`, broken after commas; the lines after the first stand two columns further in.
pub(crate) fn wrapped(indent: &str, text: &str) -> String {
    let mut lines = String::new();
    let mut line = indent.to_owned();
    for part in text.split_inclusive(", ") {
        let full = line.chars().count() + part.trim_end().chars().count() > WIDTH;
        if full && !line.trim_start().is_empty() {
            lines += line.trim_end();
            lines.push('\n');
            line = format!("{indent}  ");
        }
        line += part;
    }
    lines + line.trim_end() + "\n"
}
