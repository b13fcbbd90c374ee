//! The few requests of Microsoft Graph that end what was stolen: an account's sign-ins, and the app's own credential. Built and read here, sent elsewhere.

mod call;

pub mod applications;
pub mod sessions;
