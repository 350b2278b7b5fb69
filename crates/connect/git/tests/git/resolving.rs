//! Names and what they stand for.

use naru_git::repository::{Named, Resolved};
use naru_testkit::origin::Origin;

use crate::house::{Worker, code, id};

#[tokio::test]
async fn a_branch_a_tag_and_a_commit_are_told_apart() {
    let origin = Origin::new();
    let first = origin.head("main").unwrap();
    origin.tag("v1", &first);
    let second = origin.commit("feature/pay", &[("x", Some(b"1"))], "Pay");
    let worker = Worker::new(&origin.url());
    let named = |name: &str, commit: &str| Named { name: name.to_owned(), commit: id(commit) };
    for (name, expect) in [
        ("main", Resolved::Branch(named("main", &first))),
        ("feature/pay", Resolved::Branch(named("feature/pay", &second))),
        ("refs/heads/feature/pay", Resolved::Branch(named("feature/pay", &second))),
        ("v1", Resolved::Tag(named("v1", &first))),
        ("refs/tags/v1", Resolved::Tag(named("v1", &first))),
        (first.as_str(), Resolved::Commit(id(&first))),
        (&second[..12], Resolved::Commit(id(&second))),
        (&second[..12].to_uppercase(), Resolved::Commit(id(&second))),
    ] {
        assert_eq!(worker.repository.resolve(name).await.unwrap(), expect, "{name}");
    }
    let refs = worker.repository.refs().await.unwrap();
    assert_eq!(refs.branches, [named("feature/pay", &second), named("main", &first)]);
    assert_eq!(refs.tags, [named("v1", &first)], "an annotated tag is told with the commit it is for");
}

#[tokio::test]
async fn a_branch_is_resolved_to_where_it_is_now() {
    let origin = Origin::new();
    let worker = Worker::new(&origin.url());
    let first = worker.repository.resolve("main").await.unwrap();
    let second = origin.commit("main", &[("x", Some(b"1"))], "Second");
    assert_ne!(first.commit().as_str(), second);
    assert_eq!(worker.repository.resolve("main").await.unwrap().commit().as_str(), second);
    assert_eq!(worker.repository.resolve(&second[..10]).await.unwrap().commit().as_str(), second);
}

#[tokio::test]
async fn a_branch_that_becomes_a_folder_of_branches_is_no_obstacle() {
    let origin = Origin::new();
    let first = origin.commit("feature", &[("x", Some(b"1"))], "Feature");
    let worker = Worker::new(&origin.url());
    assert_eq!(worker.repository.resolve(&first[..10]).await.unwrap().commit().as_str(), first);
    origin.git(&["update-ref", "-d", "refs/heads/feature"]);
    let second = origin.commit("feature/pay", &[("y", Some(b"1"))], "Pay");
    assert_eq!(worker.repository.resolve(&second[..10]).await.unwrap().commit().as_str(), second);
}

#[tokio::test]
async fn an_abbreviation_of_two_commits_is_not_chosen_between() {
    let origin = Origin::new();
    // Of so many, two begin alike as good as certainly: four digits are 65,536.
    origin.commits("main", 1_500, "n");
    let ids: Vec<String> = origin.log("main").into_iter().map(|written| written.id).collect();
    let mut starts: Vec<&str> = ids.iter().map(|id| &id[..4]).collect();
    starts.sort_unstable();
    let start = starts.windows(2).find(|pair| pair[0] == pair[1]).expect("two begin alike")[0];
    let worker = Worker::new(&origin.url());
    let failure = worker.repository.resolve(start).await.unwrap_err();
    assert_eq!(failure.code, "git-commit-ambiguous");
    for id in failure.args["commits"].split(", ") {
        assert!(id.starts_with(start) && ids.iter().any(|known| known == id));
    }
}

#[tokio::test]
async fn an_unknown_name_is_told_with_the_nearest() {
    let origin = Origin::new();
    let head = origin.head("main").unwrap();
    origin.branch("feature/payment", &head);
    origin.tag("v1.2.3", &head);
    let worker = Worker::new(&origin.url());
    for (name, nearest) in [
        ("mian", "main"),
        ("refs/heads/mian", "main"),
        ("payment", "feature/payment"),
        ("v1.2.4", "v1.2.3"),
        ("nothing-like-it", "-"),
        ("beefbeef", "-"),
    ] {
        let failure = worker.repository.resolve(name).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.args["nearest"].as_str()), ("git-ref-unknown", nearest), "{name}");
    }
    let nowhere = "0123456789012345678901234567890123456789";
    assert_eq!(code(worker.repository.resolve(nowhere).await), "git-commit-unknown");
}

#[tokio::test]
async fn a_name_that_reads_as_an_option_reaches_no_program() {
    // Nothing is there: what is called would fail otherwise.
    let worker = Worker::new("file:///nonexistent.git");
    for name in ["--upload-pack=touch x", "-d", "a b", "main~1", "main:README", ""] {
        assert_eq!(code(worker.repository.resolve(name).await), "git-ref-wrong", "{name}");
    }
}

#[tokio::test]
async fn a_branch_and_a_tag_of_one_name_are_not_chosen_between() {
    let origin = Origin::new();
    let first = origin.head("main").unwrap();
    origin.tag("next", &first);
    origin.branch("next", &first);
    let worker = Worker::new(&origin.url());
    assert_eq!(worker.repository.resolve("next").await.unwrap().commit().as_str(), first);
    let second = origin.commit("next", &[("x", Some(b"1"))], "Next");
    let failure = worker.repository.resolve("next").await.unwrap_err();
    assert_eq!(failure.code, "git-ref-ambiguous");
    for (name, commit) in [(&failure.args["branch"], &second), (&failure.args["tag"], &first)] {
        assert_eq!(worker.repository.resolve(name).await.unwrap().commit().as_str(), commit);
    }
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_named() {
    let worker = Worker::new("file:///nonexistent/web.git");
    let failure = worker.repository.resolve("main").await.unwrap_err();
    assert_eq!(failure.code, "git-repository-unknown");
    assert_eq!(failure.args["url"], "file:///nonexistent/web.git");
}

#[test]
fn one_address_is_one_repository() {
    let worker = Worker::new("file:///a.git");
    let again = worker.mirrors.repository(&remote("file:///a.git"));
    let other = worker.mirrors.repository(&remote("file:///b.git"));
    assert!(std::sync::Arc::ptr_eq(&worker.repository, &again) && !std::sync::Arc::ptr_eq(&again, &other));
}

fn remote(url: &str) -> naru_git::remote::Remote {
    naru_git::remote::Remote::new(naru_git::url::RemoteUrl::new(url).unwrap(), Default::default()).unwrap()
}
