//! Files, commits and histories.

use naru_git::files::FILE_BYTES_MAX;
use naru_git::repository::commit::Committed;
use naru_testkit::origin::Origin;

use crate::house::{Worker, code, file, id};

#[tokio::test]
async fn files_are_read_as_they_are() {
    let binary: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for gives_parts in ["true", "false"] {
        let origin = Origin::new();
        origin.config("uploadpack.allowFilter", gives_parts);
        let files: &[(&str, Option<&[u8]>)] = &[
            ("-rf/--all", Some(b"dashes")),
            ("값/설정.yaml", Some("값: 1\n".as_bytes())),
            ("a b/c", Some(&binary)),
            ("same", Some(b"dashes")),
            ("empty", Some(b"")),
        ];
        let commit = id(&origin.commit("main", files, "Files"));
        let worker = Worker::new(&origin.url());
        let mut paths: Vec<_> = files.iter().map(|(path, _)| file(path)).collect();
        paths.extend([file("absent"), file("README/below"), file("-rf/absent")]);
        let read = worker.repository.read(&commit, &paths).await.unwrap();
        assert_eq!(read.len(), paths.len());
        for path in &paths {
            let expect = files.iter().find(|(name, _)| *name == path.as_str()).and_then(|(_, content)| *content);
            assert_eq!(read[path].as_deref(), expect, "{path}");
        }
        assert_eq!(worker.repository.read_one(&commit, &file("README")).await.unwrap(), b"first\n");
        assert_eq!(code(worker.repository.read_one(&commit, &file("absent")).await), "git-file-missing");
    }
}

#[tokio::test]
async fn contents_are_fetched_when_they_are_read() {
    let origin = Origin::new();
    let large: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let commit = id(&origin.commit("main", &[("large", Some(&large)), ("small", Some(b"1"))], "Both"));
    let worker = Worker::new(&origin.url());
    worker.repository.read(&commit, &[file("small")]).await.unwrap();
    assert!(bytes_below(&worker.mirror()) < 100_000, "the large file is not there");
    assert_eq!(worker.repository.read_one(&commit, &file("large")).await.unwrap(), large);
    assert!(bytes_below(&worker.mirror()) > 100_000);
}

fn bytes_below(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let of = |entry: std::fs::DirEntry| match entry.metadata().unwrap() {
        it if it.is_dir() => bytes_below(&entry.path()),
        it => it.len(),
    };
    entries.map(of).sum()
}

#[tokio::test]
async fn what_is_no_file_and_what_is_too_large_is_refused() {
    let origin = Origin::new();
    let large = vec![b'x'; FILE_BYTES_MAX + 1];
    let commit = origin.commit("main", &[("large", Some(&large)), ("folder/file", Some(b"1"))], "Large");
    let worker = Worker::new(&origin.url());
    assert_eq!(code(worker.repository.read(&id(&commit), &[file("large")]).await), "git-file-too-large");
    assert_eq!(code(worker.repository.read(&id(&commit), &[file("folder")]).await), "git-not-a-file");
    let paths: Vec<_> = (0..1_001).map(|n| file(&format!("f{n}"))).collect();
    assert_eq!(code(worker.repository.read(&id(&commit), &paths).await), "git-files-too-many");
}

#[tokio::test]
async fn a_commit_tells_who_what_and_when() {
    let origin = Origin::new();
    let commit = origin.commit("main", &[("x", Some(b"1"))], "주문 화면\n\n이유\n\nTicket: 7");
    let worker = Worker::new(&origin.url());
    let logged = worker.repository.log(&id(&commit)).await.unwrap();
    assert_eq!((logged.author.as_str(), logged.email.as_str()), ("Other", "other@example.com"));
    assert_eq!((logged.subject.as_str(), logged.at), ("주문 화면", 1_700_000_001_000));
    assert_eq!(logged.message, "주문 화면\n\n이유\n\nTicket: 7");
}

#[tokio::test]
async fn descent_is_known_however_little_was_fetched() {
    let origin = Origin::new();
    let first = origin.head("main").unwrap();
    let last = origin.commits("main", 20, "n");
    origin.branch("side", &first);
    let side = origin.commit("side", &[("side", Some(b"1"))], "Side");
    let worker = Worker::new(&origin.url());
    // One commit of each, without their histories.
    worker.repository.log(&id(&last)).await.unwrap();
    worker.repository.log(&id(&side)).await.unwrap();
    for (ancestor, commit, expect) in [
        (&first, &last, true),
        (&last, &first, false),
        (&last, &last, true),
        (&side, &last, false),
        (&first, &side, true),
        (&last, &side, false),
    ] {
        let told = worker.repository.is_ancestor(&id(ancestor), &id(commit)).await.unwrap();
        assert_eq!(told, expect, "{ancestor} {commit}");
    }
    let newer = origin.commit("main", &[("n", Some(b"newer"))], "Newer");
    assert!(worker.repository.is_ancestor(&id(&first), &id(&newer)).await.unwrap());
    let nowhere = id("0123456789012345678901234567890123456789");
    assert_eq!(code(worker.repository.is_ancestor(&nowhere, &id(&newer)).await), "git-commit-unknown");
}

#[tokio::test]
async fn a_history_longer_than_what_is_fetched_is_whole_when_it_must_be() {
    let origin = Origin::new();
    let first = id(&origin.head("main").unwrap());
    origin.commits("main", 1_100, "n");
    let worker = Worker::new(&origin.url());
    let committed = worker.write("1/a", "x", "1").await.unwrap();
    assert!(worker.mirror().join("shallow").exists(), "not all of it was fetched");
    assert!(worker.repository.is_ancestor(&first, committed.commit()).await.unwrap());
    assert!(!worker.repository.is_ancestor(committed.commit(), &first).await.unwrap());
    // All is here now, and stays so.
    let next = worker.write("1/b", "x", "2").await.unwrap();
    assert!(!worker.mirror().join("shallow").exists());
    assert!(worker.repository.is_ancestor(&first, next.commit()).await.unwrap());
    assert_eq!(worker.write("1/a", "x", "3").await.unwrap().commit(), committed.commit());
}

#[tokio::test]
async fn a_mirror_of_many_pieces_is_packed_and_lacks_nothing() {
    let origin = Origin::new();
    let first = id(&origin.head("main").unwrap());
    let worker = Worker::new(&origin.url());
    for n in 0..4 {
        origin.commits("main", 3, &format!("theirs-{n}"));
        worker.write(&format!("{n}/a"), "ours", &n.to_string()).await.unwrap();
    }
    let packs = || {
        let files = std::fs::read_dir(worker.mirror().join("objects/pack")).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|it| it == "pack")).count()
    };
    assert!(packs() > 3, "{}", packs());
    // As if there were many more of them.
    let config = worker.mirror().join("config");
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + "[gc]\n\tautoPackLimit = 1\n").unwrap();
    // Each is packed with what others built on it.
    for n in 4..9 {
        origin.commits("main", 3, &format!("theirs-{n}"));
        worker.write(&format!("{n}/a"), "ours", &n.to_string()).await.unwrap();
    }
    let head = worker.write("9/a", "ours", "9").await.unwrap();
    assert!(packs() <= 3, "{}", packs());
    // Git's upkeep drops commits of ours that others have built on, so there are none.
    let folders = std::fs::read_dir(worker.mirror().join("objects")).unwrap();
    let loose = folders.map(|folder| folder.unwrap().file_name()).filter(|name| name.len() == 2).collect::<Vec<_>>();
    assert_eq!(loose, Vec::<std::ffi::OsString>::new());
    let read = worker.repository.read(head.commit(), &[file("theirs-2"), file("ours"), file("README")]).await.unwrap();
    let contents: Vec<&[u8]> = read.values().flatten().map(Vec::as_slice).collect();
    assert_eq!(contents, [&b"first\n"[..], b"9", b"2"]);
    assert!(worker.repository.is_ancestor(&first, head.commit()).await.unwrap());
    assert_eq!(worker.write("0/a", "ours", "0").await.unwrap(), Committed::Found(marked(&origin, "0/a")));
}

fn marked(origin: &Origin, mark: &str) -> naru_git::name::CommitId {
    let log = origin.log("main");
    let trailer = format!("Naru-Operation: {mark}\n");
    id(&log.iter().find(|written| written.message.contains(&trailer)).unwrap().id)
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew() {
    let origin = Origin::new();
    let commit = id(&origin.head("main").unwrap());
    let worker = Worker::new(&origin.url());
    let readme = file("README");
    worker.repository.read_one(&commit, &readme).await.unwrap();
    let damage = |what: &[&str]| {
        for name in what {
            let path = worker.mirror().join(name);
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        }
    };
    damage(&["refs", "objects"]);
    assert_eq!(code(worker.repository.read_one(&commit, &readme).await), "git-mirror-broken");
    assert_eq!(worker.repository.read_one(&commit, &readme).await.unwrap(), b"first\n");
    // By the next process too, whatever is left.
    for what in [&["refs", "objects"][..], &["HEAD"], &["HEAD", "refs", "config"], &["objects"]] {
        damage(what);
        let next = again(&worker, &origin);
        if let Err(failure) = next.read_one(&commit, &readme).await {
            assert_eq!(failure.code, "git-mirror-broken");
        }
        assert_eq!(next.read_one(&commit, &readme).await.unwrap(), b"first\n", "{what:?}");
    }
}

#[tokio::test]
async fn locks_of_a_call_that_was_cut_off_are_removed() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    worker.write("1/a", "x", "1").await.unwrap();
    let mirror = worker.mirror();
    // As a process that is killed leaves them; another one goes on there.
    for lock in ["shallow.lock", "packed-refs.lock", "refs/naru/1.lock", "naru-index.lock"] {
        std::fs::write(mirror.join(lock), "").unwrap();
    }
    for slot in 0..16 {
        std::fs::write(mirror.join(format!("refs/naru/{slot}.lock")), "").unwrap();
    }
    let next = Worker { repository: again(&worker, &origin), ..worker };
    next.write("1/b", "x", "2").await.unwrap();
    assert_eq!(origin.file("main", "x").unwrap(), b"2");
}

fn again(worker: &Worker, origin: &Origin) -> std::sync::Arc<naru_git::repository::Repository> {
    let lifecycle = naru_core::lifecycle::Lifecycle::default();
    let mirrors = naru_git::repository::Mirrors::new(worker.folder.path(), crate::house::program(), lifecycle);
    let url = naru_git::url::RemoteUrl::new(origin.url()).unwrap();
    mirrors.repository(&naru_git::remote::Remote::new(url, Default::default()).unwrap())
}
