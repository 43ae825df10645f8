//! Why a message was not delivered, in words that name neither its receiver nor what it says.

pub enum Failure {
    /// Trying again would not help.
    Never(String),
    /// The provider is away or overloaded, or this server's access to it is wrong.
    Later(String),
}
