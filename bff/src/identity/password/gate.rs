//! Who hashes next: logins first, and everything else on a part of the places, so that a flood of new passwords keeps
//! nobody from signing in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Login,
    /// Registering, changing and resetting a password, confirming a deletion.
    Other,
}

/// A bounded number of turns at once, and bounded lines of those who wait.
pub struct Gate {
    state: Mutex<State>,
    others_at_once: usize,
    /// Beyond it nobody would be served in time anyway.
    longest_line: usize,
}

struct State {
    free: usize,
    others: usize,
    logins_waiting: VecDeque<oneshot::Sender<Turn>>,
    others_waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// Leave to hash; dropping it lets the next one in.
pub struct Turn {
    gate: Arc<Gate>,
    lane: Lane,
    over: bool,
}

/// The line is full.
#[derive(Debug)]
pub struct Full;

impl Gate {
    pub fn new(at_once: usize, longest_line: usize) -> Arc<Self> {
        let state =
            State { free: at_once, others: 0, logins_waiting: VecDeque::new(), others_waiting: VecDeque::new() };
        Arc::new(Self { state: Mutex::new(state), others_at_once: (at_once * 3 / 10).max(1), longest_line })
    }

    /// Comes to a turn at once or once others are done; dropping it leaves the line.
    pub fn line_up(self: &Arc<Self>, lane: Lane) -> Result<oneshot::Receiver<Turn>, Full> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        // Whoever left does not take up room.
        state.waiting(lane).retain(|waiting| !waiting.is_closed());
        if state.waiting(lane).len() >= self.longest_line {
            return Err(Full);
        }
        state.waiting(lane).push_back(sender);
        self.admit(state);
        Ok(receiver)
    }

    /// Hands out every turn there is to hand out.
    fn admit(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        while let Some((sender, lane)) = state.next(self.others_at_once) {
            let turn = Turn { gate: Arc::clone(self), lane, over: false };
            if let Err(mut unwanted) = sender.send(turn) {
                unwanted.over = true;
                state.give_back(lane);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waiting(&mut self, lane: Lane) -> &mut VecDeque<oneshot::Sender<Turn>> {
        match lane {
            Lane::Login => &mut self.logins_waiting,
            Lane::Other => &mut self.others_waiting,
        }
    }

    /// Takes a turn for whoever comes next.
    fn next(&mut self, others_at_once: usize) -> Option<(oneshot::Sender<Turn>, Lane)> {
        if self.free == 0 {
            return None;
        }
        let lane = match self.logins_waiting.is_empty() {
            false => Lane::Login,
            true if self.others < others_at_once => Lane::Other,
            true => return None,
        };
        let sender = self.waiting(lane).pop_front()?;
        self.free -= 1;
        self.others += usize::from(lane == Lane::Other);
        Some((sender, lane))
    }

    fn give_back(&mut self, lane: Lane) {
        self.free += 1;
        self.others -= usize::from(lane == Lane::Other);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut state = self.gate.state();
        state.give_back(self.lane);
        self.gate.admit(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Waiting = oneshot::Receiver<Turn>;

    fn line(gate: &Arc<Gate>, lane: Lane, count: usize) -> Vec<Waiting> {
        (0..count).map(|_| gate.line_up(lane).unwrap()).collect()
    }

    fn admitted(waiting: &mut [Waiting]) -> Vec<Turn> {
        waiting.iter_mut().filter_map(|waiting| waiting.try_recv().ok()).collect()
    }

    #[test]
    fn others_hold_a_third_at_most_and_one_at_least() {
        for (at_once, others) in [(1, 1), (2, 1), (7, 2), (10, 3)] {
            let gate = Gate::new(at_once, 100);
            let mut waiting = line(&gate, Lane::Other, 20);
            assert_eq!(admitted(&mut waiting).len(), others, "of {at_once}");
        }
    }

    #[test]
    fn a_login_goes_first_whoever_came_before() {
        let gate = Gate::new(1, 100);
        let running = admitted(&mut line(&gate, Lane::Login, 1));
        let mut others = line(&gate, Lane::Other, 2);
        let mut logins = line(&gate, Lane::Login, 1);
        drop(running);
        assert!(admitted(&mut others).is_empty());
        let login = admitted(&mut logins);
        assert_eq!(login.len(), 1);
        drop(login);
        let other = admitted(&mut others);
        assert_eq!(other.len(), 1);
        drop(other);
        assert_eq!(admitted(&mut others).len(), 1);
    }

    #[test]
    fn who_leaves_takes_neither_a_turn_nor_a_place() {
        let gate = Gate::new(1, 2);
        let running = admitted(&mut line(&gate, Lane::Login, 1));
        drop(line(&gate, Lane::Login, 2));
        let mut waiting = line(&gate, Lane::Login, 2);
        assert!(gate.line_up(Lane::Login).is_err(), "the line is full");
        drop(waiting.remove(0));
        drop(running);
        assert_eq!(admitted(&mut waiting).len(), 1);
        // A turn that came but was never looked at is given back too.
        let unseen = gate.line_up(Lane::Login).unwrap();
        drop(unseen);
        assert_eq!(admitted(&mut line(&gate, Lane::Login, 1)).len(), 1);
    }
}
