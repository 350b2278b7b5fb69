//! Faults that are planted on purpose, one at a time, to see that the simulator finds each. Not compiled into naru.

use std::cell::Cell;

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// Intake answers before what it took in is stored.
    AckBeforeCommit,
    /// A request leaves before its started mark is stored.
    SendBeforeMark,
    /// An owner that lost its lease still writes.
    WriteWithoutFence,
    /// A message that waits for another try lets later ones of its customer pass.
    KeyNotHeldInRetry,
    /// One more start a second than the provider allows.
    CapPlusOne,
    /// All of a request is tried again where some of it was taken.
    WholeBatchAgain,
    /// A late receipt moves a message back.
    ReceiptBackwards,
    /// A frame gets its place before its commit, and one with a later place is stored first.
    LateFrameSkipped,
    /// What may have been taken by one account goes by another.
    DoubtFailsOver,
}

impl Plant {
    /// All of them.
    pub const ALL: [Plant; 9] = [
        Plant::AckBeforeCommit,
        Plant::SendBeforeMark,
        Plant::WriteWithoutFence,
        Plant::KeyNotHeldInRetry,
        Plant::CapPlusOne,
        Plant::WholeBatchAgain,
        Plant::ReceiptBackwards,
        Plant::LateFrameSkipped,
        Plant::DoubtFailsOver,
    ];
}

thread_local! {
    static PLANTED: Cell<Option<Plant>> = const { Cell::new(None) };
}

/// Plants a fault in what runs on this thread, or removes the one there is.
pub fn plant(fault: Option<Plant>) {
    PLANTED.set(fault);
}

/// Whether this fault is planted here.
pub fn is(fault: Plant) -> bool {
    PLANTED.get() == Some(fault)
}
