//! Commits: what is in them, and that each is made once.

use naru_core::failure::Failure;
use naru_git::files::Files;
use naru_git::name::Branch;
use naru_git::person::Trailer;
use naru_git::repository::commit::{Committed, Order};
use naru_testkit::origin::Origin;

use crate::house::{Worker, code, file, id, order};

#[tokio::test]
async fn several_files_are_one_commit() {
    let origin = Origin::new();
    let base = origin.commit(
        "main",
        &[("run.sh", Some(b"old")), ("gone/a", Some(b"1")), ("gone/b", Some(b"2")), ("kept", Some(b"3"))],
        "Before",
    );
    origin.git(&["update-ref", "refs/heads/main", &with_mode(&origin, &base)]);
    let base = origin.head("main").unwrap();
    let worker = Worker::new(&origin.url());
    let order = Order {
        paths: vec![file("run.sh"), file("gone/a"), file("new/-x")],
        message: "Deploy web\n\nNaru-Operation: forged\n".to_owned(),
        trailers: vec![Trailer::new("Requested-by", "이수진").unwrap()],
        ..order("main", "7/write")
    };
    let committed = worker.repository.commit(&order, |files| {
        assert_eq!(files[&file("run.sh")].as_deref(), Some(&b"old"[..]));
        assert_eq!(files[&file("new/-x")], None);
        let binary = Some(vec![0, 255, 10, 13]);
        Ok(Files::from([(file("run.sh"), Some(b"new".to_vec())), (file("gone/a"), None), (file("new/-x"), binary)]))
    });
    let Committed::Made(commit) = committed.await.unwrap() else { panic!("it is made") };

    assert_eq!(origin.head("main").unwrap(), commit.as_str());
    assert_eq!(origin.git(&["rev-parse", &format!("{commit}^")]), base);
    assert_eq!(origin.file("main", "run.sh").unwrap(), b"new");
    assert_eq!(origin.file("main", "new/-x").unwrap(), [0, 255, 10, 13]);
    assert_eq!(origin.file("main", "gone/a"), None);
    let listed = origin.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", "main"]);
    let mode = "100755 run.sh";
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        ["100644 README", "100644 gone/b", "100644 kept", "100644 new/-x", mode]
    );

    let told = origin.git(&["log", "-1", "--format=%an <%ae>|%cn|%at|%ct|%(trailers:key=Naru-Operation,valueonly)"]);
    assert_eq!(told, "김민서 <kim@example.com>|naru|1795361400|1795361400|7/write");
    let message = &origin.log("main")[0].message;
    assert!(message.ends_with("\n\nNaru-Operation: 7/write\nRequested-by: 이수진\n"), "{message:?}");
    origin.git(&["fsck", "--strict"]);
}

#[tokio::test]
async fn files_beside_the_folders_of_a_deep_path_are_left_alone() {
    let origin = Origin::new();
    let before = [("env/README", &b"1"[..]), ("env/prod/web.yaml", b"2"), ("env/prod/eu/old.yaml", b"3")];
    origin.commit("main", &before.map(|(path, content)| (path, Some(content))), "Before");
    let worker = Worker::new(&origin.url());
    let paths = ["env/prod/web.yaml", "env/prod/eu/new.yaml"].map(file);
    let new = |files: &Files| {
        assert_eq!(files.len(), 2, "{files:?}");
        Ok(paths.iter().map(|path| (path.clone(), Some(b"new".to_vec()))).collect())
    };
    let deep = Order { paths: paths.to_vec(), ..order("main", "7/deep") };
    worker.repository.commit(&deep, new).await.unwrap();
    let listed = origin.git(&["ls-tree", "-r", "--name-only", "main"]);
    let all = ["README", "env/README", "env/prod/eu/new.yaml", "env/prod/eu/old.yaml", "env/prod/web.yaml"];
    assert_eq!(listed.lines().collect::<Vec<_>>(), all);
    assert_eq!(origin.file("main", "env/prod/web.yaml").unwrap(), b"new");

    // A folder that is written as a file would be lost with all that is in it.
    let over = |_: &Files| Ok(Files::from([(file("env"), Some(b"x".to_vec())), (file("env/README"), None)]));
    let folder = Order { paths: vec![file("env"), file("env/README")], ..order("main", "7/over") };
    let refused = worker.repository.commit(&folder, over).await.unwrap_err();
    assert_eq!(refused.code, "git-not-a-file");
    assert_eq!(origin.git(&["ls-tree", "-r", "--name-only", "main"]), listed);
}

/// The same commit with a program among its files.
fn with_mode(origin: &Origin, commit: &str) -> String {
    let index = origin.path().join("test-index");
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.env("GIT_DIR", origin.path()).env("GIT_INDEX_FILE", &index).args(args);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    git(&["read-tree", commit]);
    let blob = git(&["rev-parse", &format!("{commit}:run.sh")]);
    git(&["update-index", "--cacheinfo", &format!("100755,{blob},run.sh")]);
    let tree = git(&["write-tree"]);
    git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", &tree, "-p", commit, "-m", "Mode"])
}

#[tokio::test]
async fn nothing_to_change_is_no_commit() {
    let origin = Origin::new();
    let head = origin.commit("main", &[("x", Some(b"1"))], "Before");
    let worker = Worker::new(&origin.url());
    assert_eq!(worker.write("1/a", "x", "1").await.unwrap(), Committed::Unchanged(id(&head)));
    let absence = |_: &Files| Ok(Files::from([(file("no/such"), None)]));
    let absent = worker.repository.commit(&order("main", "1/b"), absence).await.unwrap();
    assert_eq!(absent, Committed::Unchanged(id(&head)));
    let none = worker.repository.commit(&order("main", "1/c"), |_| Ok(Files::new())).await.unwrap();
    assert_eq!((none.commit().as_str(), origin.head("main").unwrap().as_str()), (head.as_str(), head.as_str()));
}

#[tokio::test]
async fn a_step_that_was_made_is_found_and_not_made_again() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    let Committed::Made(made) = worker.write("1/write", "x", "1").await.unwrap() else { panic!("it is made") };
    // Others go on, and somebody takes it back: what is done is not done again all the same.
    origin.commit("main", &[("y", Some(b"1"))], "Other\n\nNaru-Operation: 1/other");
    origin.commit("main", &[("x", None)], "Back");
    let log = origin.log("main");
    let other = Worker::new(&origin.url());
    for worker in [&worker, &other] {
        let again = worker.write("1/write", "x", "1").await.unwrap();
        assert_eq!(again, Committed::Found(made.clone()));
    }
    assert_eq!(origin.log("main"), log);
    // Not the same step: a beginning of the mark, the mark in the text, the mark under another key.
    origin.commit("main", &[("z", Some(b"1"))], "2/write\n\nNaru-Operation: 2/write\n\nOther: 2/write");
    assert!(matches!(worker.write("1/writ", "x", "1").await.unwrap(), Committed::Made(_)));
    assert!(matches!(worker.write("2/write", "x", "2").await.unwrap(), Committed::Made(_)));
}

#[tokio::test]
async fn a_step_is_found_in_a_merged_branch() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    let proposal = Order { start: Some(Branch::new("main").unwrap()), ..order("naru/7", "7/write") };
    let wanted = |_: &Files| Ok(Files::from([(file("x"), Some(b"1".to_vec()))]));
    let Committed::Made(made) = worker.repository.commit(&proposal, wanted).await.unwrap() else { panic!() };
    assert_eq!(origin.head("naru/7").unwrap(), made.as_str());
    assert_eq!(origin.file("main", "x"), None);
    // Again while it is open, and again once it is merged and its branch gone.
    assert_eq!(worker.repository.commit(&proposal, wanted).await.unwrap(), Committed::Found(made.clone()));
    origin.merge("naru/7", "main");
    origin.git(&["update-ref", "-d", "refs/heads/naru/7"]);
    assert_eq!(worker.repository.commit(&proposal, wanted).await.unwrap(), Committed::Found(made));
    assert_eq!(origin.head("naru/7"), None);
}

#[tokio::test]
async fn a_file_is_replaced_without_being_read() {
    let origin = Origin::new();
    let before: Vec<u8> = (0..4_000_u32).flat_map(|n| n.to_be_bytes()).collect();
    origin.commit("main", &[("a/x", Some(&before)), ("a/y", Some(b"1"))], "Before");
    let worker = Worker::new(&origin.url());
    assert!(matches!(worker.write("1/a", "a/x", "after").await.unwrap(), Committed::Made(_)));
    assert_eq!(origin.file("main", "a/x").unwrap(), b"after");
    assert_eq!(origin.file("main", "a/y").unwrap(), b"1");
}

#[tokio::test]
async fn a_branch_that_is_not_there_is_named() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    let absent = worker.repository.commit(&order("absent", "1/a"), |_| Ok(Files::new())).await.unwrap_err();
    assert_eq!((absent.code.as_str(), absent.args["branch"].as_str()), ("git-branch-unknown", "absent"));
    let start = Order { start: Some(Branch::new("gone").unwrap()), ..order("absent", "1/a") };
    let absent = worker.repository.commit(&start, |_| Ok(Files::new())).await.unwrap_err();
    assert_eq!(absent.args["branch"], "gone");
}

#[tokio::test]
async fn whoever_says_what_the_files_shall_be_may_refuse() {
    let origin = Origin::new();
    let head = origin.head("main").unwrap();
    let worker = Worker::new(&origin.url());
    let refusal = |_: &Files| Err(Failure::refused("not-so"));
    assert_eq!(code(worker.repository.commit(&order("main", "1/a"), refusal).await), "not-so");
    for path in ["README/below", "README/below/further"] {
        assert_eq!(code(worker.write("1/a", path, "x").await), "git-not-a-file", "{path}");
    }
    let both = |_: &Files| Ok(Files::from([(file("a"), Some(vec![1])), (file("a/b"), Some(vec![2]))]));
    assert_eq!(code(worker.repository.commit(&order("main", "1/a"), both).await), "git-not-a-file");
    let empty = Order { message: " \n".to_owned(), ..order("main", "1/a") };
    assert_eq!(code(worker.repository.commit(&empty, |_| Ok(Files::new())).await), "git-message-empty");
    assert_eq!(origin.head("main").unwrap(), head);
    // Where it is said that the file goes, what stands below it may come.
    let moved = |_: &Files| Ok(Files::from([(file("README"), None), (file("README/below"), Some(vec![1]))]));
    worker.repository.commit(&order("main", "1/b"), moved).await.unwrap();
    assert_eq!(origin.file("main", "README/below").unwrap(), [1]);
}

#[tokio::test]
async fn a_link_is_not_written_through() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    let head = origin.head("main").unwrap();
    let blob = origin.git(&["rev-parse", "main:README"]);
    // A tree as `ln -s` leaves it.
    let index = origin.path().join("test-index");
    let mut git = std::process::Command::new("sh");
    git.env("GIT_DIR", origin.path()).env("GIT_INDEX_FILE", &index).args([
        "-c",
        "git read-tree main && git update-index --add --cacheinfo 120000,$0,link && git update-ref refs/heads/main \
         $(git -c user.name=a -c user.email=a@b commit-tree $(git write-tree) -p main -m Link)",
        &blob,
    ]);
    assert!(git.status().unwrap().success());
    assert_ne!(origin.head("main").unwrap(), head);
    assert_eq!(code(worker.write("1/a", "link", "x").await), "git-not-a-file");
    let commit = id(&origin.head("main").unwrap());
    assert_eq!(code(worker.repository.read(&commit, &[file("link")]).await), "git-not-a-file");
}
