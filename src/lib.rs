//! partnersam
