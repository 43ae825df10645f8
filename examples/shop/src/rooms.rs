//! Rooms where customers talk: each is open while somebody is in it, and everybody hears everybody. Nothing is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

use crate::problem::Problem;

type Said = Arc<str>;

/// What is said in each, by its name.
#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Sender<Said>>>);

const MAX_ROOMS: usize = 100;
const MAX_MESSAGE: usize = 4 * 1024;
/// Who falls further behind misses some of it.
const BEHIND_MAX: usize = 64;

pub fn router() -> Router {
    Router::new().route("/rooms/{room}/{who}", get(enter)).with_state(Arc::new(Rooms::default()))
}

async fn enter(
    State(rooms): State<Arc<Rooms>>,
    Path((room, who)): Path<(String, String)>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let (speak, listen) = rooms.enter(room)?;
    Ok(upgrade.max_message_size(MAX_MESSAGE).on_upgrade(|socket| talk(socket, who, speak, listen)))
}

impl Rooms {
    fn enter(&self, room: String) -> Result<(Sender<Said>, Receiver<Said>), Problem> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.retain(|_, speak| speak.receiver_count() > 0);
        if rooms.len() >= MAX_ROOMS && !rooms.contains_key(&room) {
            return Err(Problem::unavailable("every room is taken"));
        }
        let speak = rooms.entry(room).or_insert_with(|| Sender::new(BEHIND_MAX));
        Ok((speak.clone(), speak.subscribe()))
    }
}

async fn talk(mut socket: WebSocket, who: String, speak: Sender<Said>, mut listen: Receiver<Said>) {
    loop {
        tokio::select! {
            heard = listen.recv() => match heard {
                Ok(said) => if socket.send(Message::text(&*said)).await.is_err() {
                    return;
                },
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            spoken = socket.recv() => match spoken {
                Some(Ok(Message::Text(text))) => {
                    let said = json!({ "from": who, "text": text.as_str() }).to_string();
                    // An error means that nobody is there; the speaker is.
                    let _ = speak.send(said.into());
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}
