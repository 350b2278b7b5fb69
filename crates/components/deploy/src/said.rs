//! A command as people type it: `web api feature/cart to staging`.

use naru_core::failure::Failure;
use naru_estate::catalogue::Catalogue;

use crate::release::APPS_MAX;

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Names of apps, each once.
    pub apps: Vec<String>,
    /// The ref; none is each app's own branch.
    pub git_ref: Option<String>,
    /// Where.
    pub env: String,
}

/// Takes the words apart: apps of the catalogue first, then at most one word that is none, the ref; `to ENV` at the end.
pub fn read(words: &[String], catalogue: &Catalogue, environment: &str) -> Result<Said, Failure> {
    let (words, env) = match words {
        [rest @ .., to, env] if to == "to" => (rest, env.as_str()),
        [.., to] if to == "to" => return Err(Failure::usage("deploy-env-missing")),
        words => (words, environment),
    };
    let mut said = Said { apps: Vec::new(), git_ref: None, env: env.to_owned() };
    for (place, word) in words.iter().enumerate() {
        let is_app = catalogue.app.contains_key(word);
        match is_app {
            true if said.git_ref.is_none() => {
                if !said.apps.contains(word) {
                    said.apps.push(word.clone());
                }
            }
            // The first word is meant as an app; a ref stands behind all apps.
            false if place == 0 || place + 1 < words.len() => return catalogue.named(word).map(|_| said),
            _ => said.git_ref = Some(word.clone()),
        }
    }
    if said.apps.is_empty() {
        return Err(Failure::usage("deploy-no-app"));
    }
    if said.apps.len() > APPS_MAX {
        return Err(Failure::usage("deploy-many").arg("max", APPS_MAX));
    }
    if !catalogue.envs().contains(env) {
        let envs = catalogue.envs().into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failure::not_found("deploy-env-unknown").arg("env", env).arg("envs", envs));
    }
    for app in &said.apps {
        catalogue.place(app, env)?;
    }
    Ok(said)
}

/// Where, and nothing else: `to production`.
pub fn place(words: &[String], environment: &str) -> Result<String, Failure> {
    match words {
        [] => Ok(environment.to_owned()),
        [to, env] if to == "to" => Ok(env.clone()),
        words => Err(Failure::usage("unpin-words").arg("words", words.join(" "))),
    }
}

/// How far back, and where: `2 to production`.
pub fn back(words: &[String], environment: &str) -> Result<(usize, String), Failure> {
    let (words, env) = match words {
        [rest @ .., to, env] if to == "to" => (rest, env.as_str()),
        words => (words, environment),
    };
    let wrong = || Failure::usage("rollback-words").arg("words", words.join(" "));
    let n = match words {
        [] => 1,
        [n] => n.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    Ok((n, env.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_back_and_where() {
        let check = |text: &str, expect: Option<(usize, &str)>| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            assert_eq!(back(&words, "staging").ok(), expect.map(|(n, env)| (n, env.to_owned())), "{text}");
        };
        check("", Some((1, "staging")));
        check("2", Some((2, "staging")));
        check("to production", Some((1, "production")));
        check("3 to production", Some((3, "production")));
        for wrong in ["0", "x", "1 2", "to", "-1"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_command_is_taken_apart() {
        let catalogue = Catalogue::read(
            "[app.web]\nenv.staging = { application = 'a' }\nenv.production = { application = 'b' }\n\
             [app.api]\nenv.staging = { application = 'c' }\n",
        )
        .unwrap();
        let check = |text: &str, expect: Result<(&[&str], Option<&str>, &str), &str>| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            let said = read(&words, &catalogue, "staging").map_err(|failure| failure.code);
            let expect = expect.map(|(apps, git_ref, env)| Said {
                apps: apps.iter().map(|app| (*app).to_owned()).collect(),
                git_ref: git_ref.map(str::to_owned),
                env: env.to_owned(),
            });
            assert_eq!(said, expect.map_err(str::to_owned), "{text}");
        };
        check("web", Ok((&["web"], None, "staging")));
        check("web api feature/cart", Ok((&["web", "api"], Some("feature/cart"), "staging")));
        check("web v1.2 to production", Ok((&["web"], Some("v1.2"), "production")));
        check("web web", Ok((&["web"], None, "staging")));
        check("wbe", Err("app-unknown-near"));
        check("web apo main", Err("app-unknown-near"));
        check("", Err("deploy-no-app"));
        check("to staging", Err("deploy-no-app"));
        check("web to", Err("deploy-env-missing"));
        check("web to moon", Err("deploy-env-unknown"));
        check("api main to production", Err("app-not-there"));
    }
}
