//! Stand-in message vendors with limits, faults and a ledger of their own.
