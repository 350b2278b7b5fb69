//! The list of rooms. Adding or removing one is its word here, its folder, and its line in `Cargo.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use naru_component::Component;
use naru_component::ctx::Ctx;
use naru_dispatch::config::DispatchConfig;
use naru_estate::config::{
    ArgocdConfig, ClusterConfig, EstateConfig, GitConfig, GitlabConfig, Outside, RegistryConfig,
};
use naru_operation::config::OperationConfig;
use naru_store::open::StoreConfig;
use serde::{Deserialize, Serialize};

use crate::config::WebConfig;
use crate::slack::SlackConfig;
use crate::{engines, kernel};

// A room is a crate that is known here by one word, which is also its section of the configuration.
components! { campaign, provider, consent, deploy }

/// Makes the configuration's type and the list of components out of the names of rooms.
macro_rules! components {
    ($($room:ident),* $(,)?) => {
        /// All of `naru.toml`.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Config {
            /// Where naru keeps its files; relative to the folder of `naru.toml`.
            pub data_dir: PathBuf,
            /// `[store]`.
            pub store: StoreConfig,
            /// `[web]`.
            pub web: WebConfig,
            /// `[dispatch]`.
            pub dispatch: DispatchConfig,
            /// `[operation]`.
            pub operation: OperationConfig,
            /// `[estate]`.
            pub estate: EstateConfig,
            /// `[argocd]`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub argocd: Option<ArgocdConfig>,
            /// `[git]`.
            pub git: GitConfig,
            /// `[gitlab]`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub gitlab: Option<GitlabConfig>,
            /// `[registry]`.
            pub registry: BTreeMap<String, RegistryConfig>,
            /// `[cluster]`.
            pub cluster: BTreeMap<String, ClusterConfig>,
            /// `[slack]`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub slack: Option<SlackConfig>,
            $(
                #[doc = concat!("`[", stringify!($room), "]`.")]
                pub $room: ::$room::Config,
            )*
        }

        impl Default for Config {
            fn default() -> Config {
                Config {
                    data_dir: PathBuf::from("./naru-data"),
                    store: StoreConfig::default(),
                    web: WebConfig::default(),
                    dispatch: DispatchConfig::default(),
                    operation: OperationConfig::default(),
                    estate: EstateConfig::default(),
                    argocd: None,
                    git: GitConfig::default(),
                    gitlab: None,
                    registry: BTreeMap::new(),
                    cluster: BTreeMap::new(),
                    slack: None,
                    $($room: ::$room::Config::default(),)*
                }
            }
        }

        /// Builds every component: the kernel's own, the rooms, and last the engines, which take what rooms offer.
        pub fn build(config: Config, ctx: &Ctx) -> Vec<Component> {
            // No `..`: a section that nobody takes does not compile.
            let Config {
                data_dir: _, store: _, web: _, dispatch, operation, estate, argocd, git, gitlab, registry, cluster, slack: _, $($room),*
            } = config;
            let outside = Outside { argocd, git, gitlab, registry, cluster };
            let mut components = vec![kernel::component(), $(::$room::component($room, ctx)),*];
            components.extend(engines::components(dispatch, operation, estate, outside, ctx));
            components
        }
    };
}
use components;
