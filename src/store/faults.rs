//! Fail points: every statement of a write is one. Tests arm a fault, production never does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What happens at the statement that a fault was armed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The statement fails as if the database had refused it.
    Error,
    /// The statement never answers.
    Hang,
    /// The code panics.
    Panic,
}

/// The armed fault of a database, if any.
#[derive(Debug, Default)]
pub struct Faults {
    armed: AtomicBool,
    next: Mutex<Option<(u32, Fault)>>,
}

impl Faults {
    /// Arms one fault: it strikes at statement number `statement` (from 1) of a write transaction,
    /// once.
    pub fn arm(&self, statement: u32, fault: Fault) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((statement, fault));
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Disarms, and tells whether a fault was still waiting, that is: never struck.
    pub fn disarm(&self) -> bool {
        self.armed.store(false, Ordering::SeqCst);
        self.next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .is_some()
    }

    /// The fault that strikes at this statement, if one is armed for it.
    pub(super) fn strike(&self, statement: u32) -> Option<Fault> {
        if !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        match *next {
            Some((at, fault)) if at == statement => {
                *next = None;
                self.armed.store(false, Ordering::SeqCst);
                Some(fault)
            }
            _ => None,
        }
    }
}
