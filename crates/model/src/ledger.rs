//! The ledger: what became of every element. The conservation law is checked against it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::Signal;

/// At which stage an element was refused. Only what was refused *after* acceptance counts in the conservation law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Before acceptance: at the edge.
    Receive,
    /// While it was analysed.
    Derive,
    /// By the store.
    Store,
}

impl Stage {
    const ALL: [Stage; 3] = [Stage::Receive, Stage::Derive, Stage::Store];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Receive => "receive",
            Stage::Derive => "derive",
            Stage::Store => "store",
        }
    }
}

/// Why an element, an entity or a row was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The bytes are not a message of this kind.
    Malformed,
    /// A text is not UTF-8.
    InvalidUtf8,
    /// It lies too far in the past or the future.
    TimeOutOfRange,
    /// A segment without spans, a batch without elements.
    Empty,
    /// It names no service, instance or layer, where one is needed.
    MissingName,
    /// More spans, tags or elements than the limit.
    TooMany,
    /// Longer than the message limit.
    TooLarge,
    /// It is accepted, but nothing analyses it yet.
    NotSupportedYet,
    /// The queue or the byte budget stayed full.
    Overload,
    /// A name of a layer that does not exist.
    UnknownLayer,
    /// No or a wrong token.
    Unauthenticated,
    /// The message did not arrive in time.
    TooSlow,
    /// A new entity above the limit.
    TooManyEntities,
    /// The store refused it for good.
    Store,
    /// A piece of it was unreadable and left out; the rest went on.
    BadPiece,
    /// The shutdown deadline passed before it was stored.
    Shutdown,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 16] = [
        Reason::Malformed,
        Reason::InvalidUtf8,
        Reason::TimeOutOfRange,
        Reason::Empty,
        Reason::MissingName,
        Reason::TooMany,
        Reason::TooLarge,
        Reason::NotSupportedYet,
        Reason::Overload,
        Reason::UnknownLayer,
        Reason::Unauthenticated,
        Reason::TooSlow,
        Reason::TooManyEntities,
        Reason::Store,
        Reason::BadPiece,
        Reason::Shutdown,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::InvalidUtf8 => "invalid_utf8",
            Reason::TimeOutOfRange => "time_out_of_range",
            Reason::Empty => "empty",
            Reason::MissingName => "missing_name",
            Reason::TooMany => "too_many",
            Reason::TooLarge => "too_large",
            Reason::NotSupportedYet => "not_supported_yet",
            Reason::Overload => "overload",
            Reason::UnknownLayer => "unknown_layer",
            Reason::Unauthenticated => "unauthenticated",
            Reason::TooSlow => "too_slow",
            Reason::TooManyEntities => "too_many_entities",
            Reason::Store => "store",
            Reason::BadPiece => "bad_piece",
            Reason::Shutdown => "shutdown",
        }
    }
}

const SIGNALS: usize = Signal::ALL.len();
const REASONS: usize = Reason::ALL.len();

/// How many elements of each kind, on their way through rows: a flush carries the elements whose data it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elements([u64; SIGNALS]);

impl Elements {
    /// `n` more of a kind.
    pub fn add(&mut self, signal: Signal, n: u64) {
        self.0[signal as usize] += n;
    }

    /// All of the other's more.
    pub fn merge(&mut self, other: &Elements) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// Kinds with their numbers, those with none left out.
    pub fn iter(&self) -> impl Iterator<Item = (Signal, u64)> + '_ {
        Signal::ALL.into_iter().map(|signal| (signal, self.0[signal as usize])).filter(|&(_, n)| n > 0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&n| n == 0)
    }
}

#[derive(Debug, Default)]
struct Account {
    accepted: AtomicU64,
    stored: AtomicU64,
    sampled_out: AtomicU64,
    refused: [[AtomicU64; REASONS]; 3],
}

/// Counts by kind, shared by every stage. Counting is one relaxed atomic addition.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: [Account; SIGNALS],
    rows_refused: [AtomicU64; REASONS],
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Ledger {
    fn account(&self, signal: Signal) -> &Account {
        &self.accounts[signal as usize]
    }

    /// An element entered an ingest queue.
    pub fn accept(&self, signal: Signal) {
        add(&self.account(signal).accepted, 1);
    }

    /// The store has answered, after its commit, for `n` elements.
    pub fn store(&self, signal: Signal, n: u64) {
        add(&self.account(signal).stored, n);
    }

    /// `n` elements were left out by sampling.
    pub fn sample_out(&self, signal: Signal, n: u64) {
        add(&self.account(signal).sampled_out, n);
    }

    /// `n` elements were refused.
    pub fn refuse(&self, stage: Stage, signal: Signal, reason: Reason, n: u64) {
        add(&self.account(signal).refused[stage as usize][reason as usize], n);
    }

    /// `n` rows or new entities were refused: counted apart, outside the law.
    pub fn refuse_rows(&self, reason: Reason, n: u64) {
        add(&self.rows_refused[reason as usize], n);
    }

    /// How many entered an ingest queue.
    pub fn accepted(&self, signal: Signal) -> u64 {
        get(&self.account(signal).accepted)
    }

    /// How many are stored.
    pub fn stored(&self, signal: Signal) -> u64 {
        get(&self.account(signal).stored)
    }

    /// How many were sampled out.
    pub fn sampled_out(&self, signal: Signal) -> u64 {
        get(&self.account(signal).sampled_out)
    }

    /// How many were refused at a stage for a reason.
    pub fn refused(&self, stage: Stage, signal: Signal, reason: Reason) -> u64 {
        get(&self.account(signal).refused[stage as usize][reason as usize])
    }

    /// How many rows were refused for a reason.
    pub fn rows_refused(&self, reason: Reason) -> u64 {
        get(&self.rows_refused[reason as usize])
    }

    /// Every refusal that happened: stage, kind, reason, how many.
    pub fn refusals(&self) -> impl Iterator<Item = (Stage, Signal, Reason, u64)> + '_ {
        Signal::ALL
            .into_iter()
            .flat_map(move |signal| {
                Stage::ALL.into_iter().flat_map(move |stage| {
                    Reason::ALL
                        .into_iter()
                        .map(move |reason| (stage, signal, reason, self.refused(stage, signal, reason)))
                })
            })
            .filter(|&(.., n)| n > 0)
    }

    /// Elements accepted and not yet stored, refused or sampled out. At rest it is 0: that is the conservation law.
    pub fn in_flight(&self, signal: Signal) -> u64 {
        let refused: u64 = [Stage::Derive, Stage::Store]
            .into_iter()
            .flat_map(|stage| Reason::ALL.into_iter().map(move |reason| self.refused(stage, signal, reason)))
            .sum();
        self.accepted(signal).saturating_sub(self.stored(signal) + self.sampled_out(signal) + refused)
    }
}
