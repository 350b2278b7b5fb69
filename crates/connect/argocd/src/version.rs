//! What a server can do, by its version.

use std::fmt;
use std::str::FromStr;

/// A server's version; what follows the three numbers (`-rc1`, `+abc1234`) is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 2 or 3.
    pub major: u32,
    /// Decides what there is.
    pub minor: u32,
    /// Mends.
    pub patch: u32,
}

impl Version {
    /// The oldest that naru speaks with.
    pub const OLDEST: Version = Version::new(2, 1);

    /// The first release of a minor version.
    pub const fn new(major: u32, minor: u32) -> Version {
        Version { major, minor, patch: 0 }
    }

    /// Whether naru speaks with it: 2.1 and later.
    pub fn is_supported(self) -> bool {
        self >= Version::OLDEST
    }

    /// A window has `timeZone`; before, its schedule counts in UTC.
    pub fn has_window_time_zone(self) -> bool {
        self >= Version::new(2, 4)
    }

    /// Applications may live outside Argo CD's own namespace (`appNamespace`).
    pub fn has_app_namespaces(self) -> bool {
        self >= Version::new(2, 5)
    }

    /// An Application may have several sources (`spec.sources`).
    pub fn has_sources(self) -> bool {
        self >= Version::new(2, 6)
    }

    /// A window has `andOperator`.
    pub fn has_window_and_operator(self) -> bool {
        self >= Version::new(3, 0)
    }

    /// `update` on an Application no longer covers its resources: they need `update/*`.
    pub fn has_resource_rights(self) -> bool {
        self >= Version::new(3, 0)
    }

    /// Resources are tracked by annotation unless the installation says otherwise; before, by label.
    pub fn tracks_by_annotation(self) -> bool {
        self >= Version::new(3, 0)
    }

    /// Actions take parameters and a JSON object (`resource/actions/v2`).
    pub fn has_actions_v2(self) -> bool {
        self >= Version::new(3, 1)
    }

    /// `syncPolicy.automated.enabled` exists; before, auto-sync is switched off by removing `automated`.
    pub fn has_automated_enabled(self) -> bool {
        self >= Version::new(3, 1)
    }

    /// A window has `description`, up to 255 characters.
    pub fn has_window_description(self) -> bool {
        self >= Version::new(3, 2)
    }

    /// A suspended CronJob counts as healthy.
    pub fn keeps_suspended_cron_jobs_healthy(self) -> bool {
        self >= Version::new(3, 2)
    }

    /// An installation may ask for the right `override` where a sync names a revision.
    pub fn may_require_override_for_revisions(self) -> bool {
        self >= Version::new(3, 2)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = ();

    /// Reads `v2.13.1+af54ef8` as `GET /api/version` says it, and `2.13`.
    fn from_str(text: &str) -> Result<Version, ()> {
        let bare = text.trim().trim_start_matches('v');
        let numbers = bare.split(['-', '+']).next().unwrap_or_default();
        let mut numbers = numbers.split('.').map(|number| number.parse::<u32>().map_err(|_| ()));
        let major = numbers.next().ok_or(())??;
        let minor = numbers.next().ok_or(())??;
        let patch = numbers.next().transpose()?.unwrap_or_default();
        Ok(Version { major, minor, patch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_own_words_are_read() {
        for (text, expect) in [
            ("v2.13.1+af54ef8", Ok("2.13.1")),
            ("v3.1.0-rc2+0000000", Ok("3.1.0")),
            ("2.4", Ok("2.4.0")),
            ("v99.99.99+unknown", Ok("99.99.99")),
            ("latest", Err(())),
            ("3", Err(())),
            ("", Err(())),
        ] {
            assert_eq!(text.parse::<Version>().map(|version| version.to_string()), expect.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn each_gate_opens_with_its_version() {
        type Gate = fn(Version) -> bool;
        let gates: [(Gate, &str, &str); 11] = [
            (Version::is_supported, "2.0.5", "2.1.0"),
            (Version::has_window_time_zone, "2.3.17", "2.4.0"),
            (Version::has_app_namespaces, "2.4.28", "2.5.0"),
            (Version::has_sources, "2.5.22", "2.6.0"),
            (Version::has_window_and_operator, "2.14.20", "3.0.0"),
            (Version::has_resource_rights, "2.14.20", "3.0.0"),
            (Version::tracks_by_annotation, "2.14.20", "3.0.0"),
            (Version::has_actions_v2, "3.0.9", "3.1.0"),
            (Version::has_automated_enabled, "3.0.9", "3.1.0"),
            (Version::has_window_description, "3.1.9", "3.2.0"),
            (Version::may_require_override_for_revisions, "3.1.9", "3.2.0"),
        ];
        for (gate, before, since) in gates {
            assert!(!gate(before.parse().unwrap()), "{before}");
            assert!(gate(since.parse().unwrap()), "{since}");
        }
    }
}
