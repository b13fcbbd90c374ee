//! Whether a sign-in used MFA.
