//! The C ABI of partnersam. The C reader's manual is `include/partnersam.h`, which is made from the sources in this folder.
//!
//! A file is one concept of the C interface (`app`, `credential`, `token`, `consent`, `grants`, `doctor`, `explain`, `document`, `customers`, `audit`, `incident`, `store`, `moving_in`, `progress`, `error`, `cancel`, `status`, `version`), or one part of the wall
//! between C and Rust: `boundary` (errors and panics), `handle` (what a pointer stands for), `argument` (what C hands in), `text` (what C gets to
//! read), `fork` (what a fork does to all this). Functions are plain source: cbindgen does not see those that a macro makes.
#![expect(unsafe_code, reason = "the one crate that talks to C; every block says why it is sound")]
#![expect(non_camel_case_types, reason = "types are named as C names them")]
#![expect(
    clippy::missing_safety_doc,
    reason = "the rules for pointers are the same everywhere and stand once, in the header's preamble"
)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]

pub mod version;

pub mod status;

pub mod error;

pub mod app;

pub mod credential;

pub mod cancel;

pub mod token;

pub mod consent;

pub mod grants;

pub mod doctor;

pub mod explain;

pub mod document;

pub mod progress;

pub mod customers;

pub mod audit;

pub mod incident;

pub mod store;

pub mod moving_in;

mod argument;
mod boundary;
mod fork;
mod handle;
mod text;

#[cfg(feature = "test-hooks")]
pub mod test_hooks;
