//! What Entra's error numbers mean, and who must act.
