//! Requests handed on as they are: where to, and what of.

use super::Checker;
use crate::definition::{self, Part};
use crate::plan::{Format, Piece, Proxy, Segment};
use crate::problem::{ErrorCode, Place, Problem};

impl Checker<'_> {
    pub(super) fn proxy(&mut self) -> Option<Proxy> {
        let view = self.view;
        let proxy = view.proxy.as_ref()?;
        let conflict = (view.stream.as_ref().map(|stream| ("stream", &stream.name.place)))
            .or(view.shape.as_ref().map(|_| ("shape", &proxy.place)));
        if let Some((key, place)) = conflict {
            let message = format!("`proxy` and `{key}` exclude each other");
            self.problem(ErrorCode::Conflict, place, message, "make a view of its own for each");
        }
        let contracts = self.contracts;
        match contracts.sources.get(&proxy.source.value) {
            None => {
                let message = format!("no source is named `{}`", proxy.source.value);
                let problem = Problem::new(ErrorCode::UnknownName, &proxy.source.place, message);
                let known = contracts.sources.keys().map(String::as_str);
                self.problems.push(problem.suggest(&proxy.source.value, known));
            }
            Some(source) if !source.http => {
                let message = format!("`{}` does not speak HTTP", proxy.source.value);
                let help = "name a source with an `http` address";
                self.problem(ErrorCode::WrongType, &proxy.source.place, message, help);
            }
            Some(_) => {}
        }
        self.body_of_proxy(proxy);
        self.websocket(proxy);
        self.path_of_proxy(proxy);
        let (path, _) = self.template(&proxy.to)?;
        Some(Proxy {
            source: proxy.source.value.clone(),
            path: path.into_iter().map(segment).collect(),
            max_body: proxy.max_body.as_ref().map_or(0, |size| size.value),
            types: proxy.types.iter().map(|ty| ty.value.to_ascii_lowercase()).collect(),
            max_message: (proxy.websocket.as_ref())
                .map(|_| proxy.max_message.as_ref().map_or(MAX_MESSAGE, |size| size.value)),
        })
    }

    fn body_of_proxy(&mut self, proxy: &definition::Proxy) {
        let method = &self.view.route.method;
        let given = [
            ("max_body", proxy.max_body.as_ref().map(|size| &size.place), "max_body: 8MB"),
            ("types", proxy.types.first().map(|ty| &ty.place), "types: [image/png]"),
        ];
        let has_body = !["GET", "DELETE"].contains(&method.as_str());
        for (key, place, example) in given {
            match place {
                Some(place) if !has_body => {
                    let message = format!("{method} sends no body, so that `{key}` means nothing");
                    self.problem(ErrorCode::Unused, place, message, format!("remove `{key}`"));
                }
                None if has_body => {
                    let message = format!("`{key}` is missing: what a client may send is bounded");
                    self.problem(ErrorCode::MissingKey, &proxy.place, message, format!("for example `{example}`"));
                }
                _ => {}
            }
        }
    }

    /// A WebSocket is opened with GET.
    fn websocket(&mut self, proxy: &definition::Proxy) {
        let view = self.view;
        if proxy.websocket.is_none() {
            if let Some(size) = &proxy.max_message {
                let help = "remove `max_message`, or write `websocket: true`";
                self.problem(ErrorCode::Unused, &size.place, "there are messages on WebSockets alone", help);
            }
            return;
        }
        if view.route.method != "GET" {
            self.problem(
                ErrorCode::Conflict,
                &view.route.place,
                "a WebSocket is opened with GET",
                "write `GET` instead",
            );
        }
    }

    /// Literal parts are path text; what is inserted is escaped when it is sent.
    fn path_of_proxy(&mut self, proxy: &definition::Proxy) {
        let place = &proxy.to.place;
        let starts = matches!(proxy.to.parts.first(), Some(Part::Text(text)) if text.starts_with('/'));
        if !starts {
            self.wrong_path(place, "the path starts with `/`");
        }
        // A value stands for some characters of a segment.
        let written: String =
            proxy.to.parts.iter().map(|part| if let Part::Text(text) = part { text } else { "x" }).collect();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@".contains(c);
        if let Some(wrong) = written.chars().find(|c| !allowed(*c)) {
            self.wrong_path(place, &format!("a path has no `{wrong}`"));
        } else if written.split('/').skip(1).any(|segment| ["", ".", ".."].contains(&segment)) {
            self.wrong_path(place, "a segment of a path is neither empty nor made of dots");
        }
    }

    fn wrong_path(&mut self, place: &Place, message: &str) {
        self.problem(ErrorCode::WrongForm, place, message, "for example `to: \"/avatars/${$auth.sub}\"`");
    }
}

/// Bytes of a message where a view says nothing.
const MAX_MESSAGE: u64 = 64_000;

fn segment(piece: Piece) -> Segment {
    match piece {
        Piece::Text(text) => Segment::Text(text),
        Piece::Code(code) => Segment::Value(code, Format::Plain),
    }
}
