//! A disk that fills up: intake ends first, nothing that was accepted is lost, and all goes on by itself when there is room.

use std::path::Path;
use std::process::Command;

use naru_testkit::wait::{PATIENCE, eventually};
use serde_json::json;

use crate::campaign::{Vendor, post};
use crate::house::{House, http, text};

const SIZE_MB: u64 = 64;
const KEPT_MB: u64 = 24;

/// A small file system over a folder, taken away when the value is dropped.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    /// Nothing where this machine does not let tests mount.
    fn over(folder: &'a Path) -> Option<Small<'a>> {
        std::fs::create_dir_all(folder).unwrap();
        let size = format!("size={SIZE_MB}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        match mount {
            Ok(done) if done.status.success() => Some(Small(folder)),
            _ => None,
        }
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_loses_nothing_that_was_accepted() {
    let house = House::new();
    let data = house.path("naru-data");
    let Some(_small) = Small::over(&data) else {
        eprintln!("not run: mounting a small file system needs root");
        return;
    };
    let vendor = Vendor::start(&house, &[]).await;
    let config = std::fs::read_to_string(house.path("naru.toml")).unwrap();
    let store = format!("[store]\nurl = \"sqlite:naru.db\"\nfree_mb_min = {KEPT_MB}\n");
    house.write("naru.toml", &format!("{config}\n{store}"));
    let serve = house.serve().await;
    house.done(&["template", "push", "templates"]);
    let token = house.done(&["token", "add", "shop", "--role", "send"]).trim().to_owned();
    let message = |n: usize| {
        json!({ "template": "shipped", "to": format!("010{n:08}"), "variables": { "name": "민수", "order": n } })
            .to_string()
    };
    let mut accepted = 0;
    let mut take = async |n| {
        let (status, answer) = post(&serve, &token, None, "application/json", message(n)).await;
        assert!([202, 503, 507].contains(&status), "{status}: {answer}");
        accepted += usize::from(status == 202);
        (status, accepted)
    };
    assert_eq!(take(0).await.0, 202);

    // Nearly full: refused with what to do, and doctor says so.
    let filler = data.join("filler");
    let fill = |left_mb: u64| {
        let free = |folder: &Path| {
            let disk = rustix::fs::statvfs(folder).unwrap();
            disk.f_bavail * disk.f_frsize
        };
        let _ = std::fs::remove_file(&filler);
        let bytes = free(&data).saturating_sub(left_mb << 20);
        // The last write may find less room than was seen.
        let _ = std::fs::write(&filler, vec![0u8; bytes as usize]);
    };
    fill(KEPT_MB / 2);
    eventually("intake to be refused", PATIENCE, async || (take(1).await.0 == 507).then_some(())).await;
    assert!(serve.process.errors().contains("the disk is nearly full: no messages are taken in"));
    let metrics = http().get(format!("{}/metrics", serve.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("naru_store_nearly_full 1\n"), "{metrics}");
    assert!(text(&house.run(&["doctor", "disk"]).stdout).contains("✗ disk"));
    let (code, said) = house.refused(&["send", "--template", "shipped", "--to", &rows(&house)]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("MB are free"), "{said}");

    // Room again: it goes on by itself.
    std::fs::remove_file(&filler).unwrap();
    eventually("intake to go on", PATIENCE, async || (take(2).await.0 == 202).then_some(())).await;

    // Full to the last byte while messages are being carried.
    let mut n = 10;
    for _ in 0..200 {
        take(n).await;
        n += 1;
    }
    fill(0);
    for _ in 0..20 {
        assert_ne!(take(n).await.0, 202, "accepted on a full disk");
        n += 1;
    }
    std::fs::remove_file(&filler).unwrap();
    eventually("intake to go on again", PATIENCE, async || (take(3).await.0 == 202).then_some(())).await;
    let accepted = take(4).await.1;
    eventually("everything accepted to be sent", PATIENCE, async || {
        (vendor.entries().await.len() >= accepted).then_some(())
    })
    .await;
    assert_eq!(vendor.entries().await.len(), accepted);
    house.done(&["audit"]);
    serve.stop().await;
}

fn rows(house: &House) -> String {
    house.write("rows.csv", "휴대폰,name,order\r\n01099990000,김민서,A-1\r\n");
    "rows.csv".to_owned()
}
