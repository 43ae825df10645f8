//! Why an answer cannot be given although every contract was kept, and whose values are to blame.

use std::ops::{Deref, DerefMut};

use super::Whose;
use crate::upstream;

/// An answer that cannot be given although every contract was kept. Boxed, because a result of it is handed up at every
/// step of every value.
#[derive(Debug)]
pub struct Fault(pub Box<Blame>);

/// `call` is whose values are to blame.
#[derive(Debug)]
pub struct Blame {
    pub call: Option<usize>,
    /// The client's values are to blame.
    pub of_client: bool,
    pub code: upstream::Code,
    pub message: String,
    /// Not an answer is missing, only the item of a list, which is to be left out.
    pub drops_item: bool,
}

impl Fault {
    pub fn new(message: impl Into<String>) -> Fault {
        let code = upstream::Code::Internal;
        Fault(Box::new(Blame { call: None, of_client: false, code, message: message.into(), drops_item: false }))
    }

    /// The checker lets no expression through that comes here.
    pub fn misfit() -> Fault {
        Fault::new("a value is not of the type that its place takes")
    }

    /// What was to be sent is wrong, which is the client's fault where the client said it.
    pub fn bad_request(message: impl Into<String>) -> Fault {
        let mut fault = Fault::new(message);
        fault.code = upstream::Code::InvalidArgument;
        fault
    }

    pub fn blamed_on(mut self, whose: Whose) -> Fault {
        match whose {
            // Who was blamed closer to the mistake stays so.
            _ if self.call.is_some() || self.of_client => {}
            Whose::Call(call) => self.call = Some(call),
            Whose::Client => (self.of_client, self.code) = (true, upstream::Code::InvalidArgument),
        }
        self
    }
}

impl Deref for Fault {
    type Target = Blame;

    fn deref(&self) -> &Blame {
        &self.0
    }
}

impl DerefMut for Fault {
    fn deref_mut(&mut self) -> &mut Blame {
        &mut self.0
    }
}
