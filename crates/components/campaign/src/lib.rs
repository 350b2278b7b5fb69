//! Files and API calls into messages; templates and campaigns.
