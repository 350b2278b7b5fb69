//! Two instances on one PostgreSQL, and who carries which lane.

use std::time::Duration;

use serde_json::json;

use crate::Result;
use crate::cases::Bench;
use crate::house::{Engine, House, INSTANCES, LANES, Lane, Serving};
use crate::vendor::Vendor;
use crate::wait::until;

/// For lanes to be carried as they shall be: a lease that ran out, a lane that was given up and rested.
const CARRIED_MAX: Duration = Duration::from_secs(60);

/// Both instances, and a vendor for each lane.
pub struct Pair {
    /// Their folder and their database.
    pub house: House,
    /// In the order of the lanes.
    pub vendors: Vec<Vendor>,
    serves: [Option<Serving>; INSTANCES],
}

impl Pair {
    /// Makes the house and the vendors of `lanes` lanes; nothing runs yet.
    pub async fn new(bench: &Bench, lanes: usize, flags: &[&str], lane: &Lane) -> Result<Pair> {
        let mut vendors = Vec::new();
        for _ in 0..lanes {
            vendors.push(Vendor::start(bench, flags).await?);
        }
        let urls: Vec<String> = vendors.iter().map(Vendor::url).collect();
        let house = House::on(Engine::Postgres, bench, &urls, lane).await?;
        Ok(Pair { house, vendors, serves: Default::default() })
    }

    /// Starts an instance.
    pub async fn start(&mut self, no: usize) -> Result<()> {
        self.serves[no] = Some(self.house.serve_as(no).await?);
        Ok(())
    }

    /// An instance that runs.
    pub fn serve(&self, no: usize) -> Result<&Serving> {
        self.serves[no].as_ref().ok_or_else(|| format!("instance {no} does not run"))
    }

    /// Takes out an instance that runs, to be ended.
    pub fn take(&mut self, no: usize) -> Result<Serving> {
        self.serves[no].take().ok_or_else(|| format!("instance {no} does not run"))
    }

    /// Waits until instance `no` carries `count` lanes, and says which, as numbers of their vendors.
    pub async fn carries(&self, no: usize, count: usize) -> Result<Vec<usize>> {
        let serve = self.serve(no)?;
        let look = async || Ok(Some(carried(serve).await?).filter(|lanes| lanes.len() == count));
        until(&format!("instance {no} to carry {count} lanes"), CARRIED_MAX, look).await
    }

    /// Waits until each instance carries one of both lanes; answers the first one's.
    pub async fn share(&self) -> Result<usize> {
        let first = self.carries(0, 1).await?[0];
        self.carries(1, 1).await?;
        Ok(first)
    }

    /// On what they work, for the conditions of a figure.
    pub fn told(&self) -> &str {
        self.house.postgres().map_or("", |postgres| &postgres.told)
    }

    /// Stops those that run.
    pub async fn stop(self) -> Result<()> {
        for serve in self.serves.into_iter().flatten() {
            serve.stop().await?;
        }
        Ok(())
    }
}

/// The lanes that run in this very process.
async fn carried(serve: &Serving) -> Result<Vec<usize>> {
    let lanes = serve.say("lane list", json!({})).await?;
    let here =
        |name: &str| lanes.as_array().into_iter().flatten().any(|it| it["name"] == name && !it["held"].is_null());
    Ok((0..LANES.len()).filter(|no| here(LANES[*no].0)).collect())
}
